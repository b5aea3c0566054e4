"""The order book: two sorted sides, kept exact, read through immutable views."""

from __future__ import annotations

import math
from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from calib.errors import BadLevel, DepthError
from calib.market.prices import DIGITS, Number, price_key, quantity

Level: TypeAlias = tuple[float, float]
"""(price, qty)."""

Change: TypeAlias = Sequence[Number]
"""(price, qty) as a venue writes it; a quantity of 0 removes the level."""

BPS = 1e4
_INF = math.inf
_CACHED_DEPTHS = 8


class BookView(NamedTuple):
    """A book as it stood at one update id, cut to a depth; it never changes.

    Parameters
    ----------
    symbol
        The market.
    bids, asks
        ``(price, qty)``, the best first; shorter than ``depth`` where the venue has fewer levels.
    update_id
        The venue's id of the last message in it; None where the venue gives none.
    depth
        The depth that was asked for.
    """

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    update_id: int | None
    depth: int

    @property
    def best_bid(self) -> Level | None:
        """The highest bid, None where there is none."""
        return self.bids[0] if self.bids else None

    @property
    def best_ask(self) -> Level | None:
        """The lowest ask, None where there is none."""
        return self.asks[0] if self.asks else None

    @property
    def mid(self) -> float | None:
        """Half way between the best bid and ask; None while a side is empty."""
        return (self.bids[0][0] + self.asks[0][0]) / 2 if self.bids and self.asks else None

    @property
    def spread_bps(self) -> float | None:
        """Best ask less best bid over the mid, in bps; negative while crossed, None while a side is empty."""
        if not (self.bids and self.asks):
            return None
        bid, ask = self.bids[0][0], self.asks[0][0]
        return (ask - bid) / ((ask + bid) / 2) * BPS


class OrderBook:
    """One market's book, by snapshots and deltas.

    Parameters
    ----------
    symbol
        The market.
    keep_levels
        Levels kept per side, the deepest go first; None keeps all. Where a venue's feed is cut at a depth and removals
        beyond it are not sent (Kraken), this must be that depth, else ghosts stay behind.

    Prices are compared exactly (see `calib.market.prices`). A snapshot that is refused changes nothing. A delta that is
    refused **empties** the book: what it held before is no longer the venue's book, and half a delta never was.

    >>> book = OrderBook("BTCUSDT")
    >>> book.snapshot([("100.0", "2"), ("99.5", "1")], [("100.50", "3")], update_id=7)
    >>> book.delta([("100", "0")], [("100.5", 1.5)], update_id=8)
    >>> book.view(1)
    BookView(symbol='BTCUSDT', bids=((99.5, 1.0),), asks=((100.5, 1.5),), update_id=8, depth=1)
    >>> book.mid, round(book.spread_bps, 6)
    (100.0, 100.0)
    """

    # Each side is a dict price -> qty and a sorted list of keys with the best price last, where changes are cheapest:
    # bids by price, asks by -price.
    __slots__ = (
        "_ask_keys",
        "_asks",
        "_bid_keys",
        "_bids",
        "_views",
        "keep_levels",
        "symbol",
        "update_id",
        "version",
    )

    def __init__(self, symbol: str, *, keep_levels: int | None = None) -> None:
        if keep_levels is not None and keep_levels < 1:
            raise DepthError(f"keep_levels is {keep_levels}", hint="Keep at least one level, or all with None")
        self.symbol = symbol
        self.keep_levels = keep_levels
        self.version = 0
        self.update_id: int | None = None
        self._bids: dict[float, float] = {}
        self._asks: dict[float, float] = {}
        self._bid_keys: list[float] = []
        self._ask_keys: list[float] = []
        self._views: dict[int, BookView] = {}

    def snapshot(self, bids: Iterable[Change], asks: Iterable[Change], update_id: int | None = None) -> None:
        """Replace the whole book. Levels of quantity 0 are left out; of a price given twice the last stands.

        Raises
        ------
        BadLevel
            For a price or quantity that is none; the book stays as it was.
        """
        bid_levels, ask_levels = _read_side(bids), _read_side(asks)
        self._bids, self._bid_keys = bid_levels, sorted(bid_levels)
        self._asks, self._ask_keys = ask_levels, sorted(-price for price in ask_levels)
        self._trim()
        self._changed(update_id)

    def delta(self, bids: Iterable[Change], asks: Iterable[Change], update_id: int | None = None) -> None:
        """Set the quantity of each level given; 0 removes it, and removing what is not there is no error.

        Raises
        ------
        BadLevel
            For a price or quantity that is none; the book is then empty and needs a snapshot.
        """
        try:
            if bids:
                _merge(bids, self._bids, self._bid_keys, 1.0)
            if asks:
                _merge(asks, self._asks, self._ask_keys, -1.0)
        except BadLevel:
            self.clear()
            raise
        if self.keep_levels is not None:
            self._trim()
        self.version += 1
        self.update_id = update_id
        if self._views:
            self._views = {}

    def clear(self) -> None:
        """Forget everything: an empty book is served to nobody."""
        self._bids, self._asks, self._bid_keys, self._ask_keys = {}, {}, [], []
        self._changed(None)

    def view(self, depth: int) -> BookView:
        """The best ``depth`` levels of each side, frozen on the first read after a change.

        Raises
        ------
        DepthError
            Where ``depth`` is below 1.
        """
        view = self._views.get(depth)
        return self._freeze(depth) if view is None else view

    @property
    def best_bid(self) -> Level | None:
        """The highest bid as (price, qty), None where there is none."""
        if not self._bid_keys:
            return None
        price = self._bid_keys[-1]
        return price, self._bids[price]

    @property
    def best_ask(self) -> Level | None:
        """The lowest ask as (price, qty), None where there is none."""
        if not self._ask_keys:
            return None
        price = -self._ask_keys[-1]
        return price, self._asks[price]

    @property
    def mid(self) -> float | None:
        """Half way between the best bid and ask; None while a side is empty."""
        return (self._bid_keys[-1] - self._ask_keys[-1]) / 2 if self._bid_keys and self._ask_keys else None

    @property
    def spread_bps(self) -> float | None:
        """Best ask less best bid over the mid, in bps; negative while crossed, None while a side is empty."""
        mid = self.mid
        return None if mid is None else -(self._ask_keys[-1] + self._bid_keys[-1]) / mid * BPS

    @property
    def crossed(self) -> bool:
        """Whether the best bid lies above the best ask: no venue shows that, so messages were lost."""
        bids, asks = self._bid_keys, self._ask_keys
        return bool(bids and asks) and bids[-1] > -asks[-1]

    @property
    def locked(self) -> bool:
        """Whether the best bid equals the best ask, as some venues show for a good part of the day."""
        return bool(self._bid_keys and self._ask_keys) and self._bid_keys[-1] == -self._ask_keys[-1]

    @property
    def size(self) -> tuple[int, int]:
        """Number of levels of the bids and of the asks."""
        return len(self._bid_keys), len(self._ask_keys)

    def problems(self) -> list[str]:
        """What is wrong inside, which should be nothing ever: for tests, and for doubts in production.

        A crossed book is not among them: that is the feed's fault and has a property of its own.
        """
        found = _side_problems("bids", self._bids, self._bid_keys, 1.0)
        found += _side_problems("asks", self._asks, self._ask_keys, -1.0)
        if not found:
            stale = [depth for depth, view in self._views.items() if view != self._cut(depth)]
            found += [f"the cached view of depth {depth} is not the book" for depth in stale]
        return found

    def _changed(self, update_id: int | None) -> None:
        self.version += 1
        self.update_id = update_id
        self._views = {}

    def _freeze(self, depth: int) -> BookView:
        if depth < 1:
            raise DepthError(f"a depth of {depth} was asked for", hint="Ask for at least one level")
        if len(self._views) >= _CACHED_DEPTHS:
            self._views = {}
        view = self._views[depth] = self._cut(depth)
        return view

    def _cut(self, depth: int) -> BookView:
        bids, asks = self._bids, self._asks
        return BookView(
            self.symbol,
            tuple([(key, bids[key]) for key in self._bid_keys[: -depth - 1 : -1]]),
            tuple([(-key, asks[-key]) for key in self._ask_keys[: -depth - 1 : -1]]),
            self.update_id,
            depth,
        )

    def _trim(self) -> None:
        if self.keep_levels is None:
            return
        for levels, keys in ((self._bids, self._bid_keys), (self._asks, self._ask_keys)):
            surplus = len(keys) - self.keep_levels
            if surplus > 0:
                for key in keys[:surplus]:
                    del levels[abs(key)]
                del keys[:surplus]


def _read_side(changes: Iterable[Change]) -> dict[float, float]:
    levels = {}
    try:
        for price, qty in changes:
            levels[price_key(price)] = quantity(qty)
    except (TypeError, ValueError) as error:
        raise _not_levels(error) from error
    return {price: qty for price, qty in levels.items() if qty}


def _merge(changes: Iterable[Change], levels: dict[float, float], keys: list[float], sign: float) -> None:
    """Apply the changes of one side. Written for speed: what is plainly canonical never reaches `price_key`."""
    price: Any
    qty: Any
    try:
        for price, qty in changes:
            if price.__class__ is not float:
                price = float(price) if price.__class__ is str and len(price) <= DIGITS else price_key(price)
            if qty.__class__ is not float:
                qty = quantity(qty)
            if price not in levels:
                # A whole number of 1e-8 below 10^15 of them is canonical already.
                if not (1e-8 <= price < 1e7 and int(price * 1e8 + 0.5) / 1e8 == price):
                    price = price_key(price)
                if price not in levels:
                    if 0.0 < qty < _INF:
                        insort(keys, price * sign)
                        levels[price] = qty
                    elif qty != 0.0:
                        quantity(qty)  # which says what is wrong with it
                    continue
            if 0.0 < qty < _INF:
                levels[price] = qty
            elif qty == 0.0:
                del levels[price]
                del keys[bisect_left(keys, price * sign)]
            else:
                quantity(qty)
    except (TypeError, ValueError) as error:
        raise _not_levels(error) from error


def _not_levels(error: Exception) -> BadLevel:
    if isinstance(error, BadLevel):
        return error
    return BadLevel(f"levels must be pairs of price and quantity ({error})", hint="The book needs a new snapshot")


def _side_problems(name: str, levels: dict[float, float], keys: list[float], sign: float) -> list[str]:
    found = []
    if sorted(set(keys)) != keys:
        found.append(f"the keys of the {name} are not strictly sorted")
    if {key * sign for key in keys} != set(levels):
        found.append(f"the keys of the {name} are not those of their levels")
    found += [f"the {name} hold {price!r} with {qty!r}" for price, qty in levels.items() if not 0 < qty < _INF]
    found += [f"{price!r} of the {name} is no canonical price" for price in levels if price_key(price) != price]
    return found
