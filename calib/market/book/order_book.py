"""The order book: two sorted sides with exact prices, read through immutable views."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from calib.errors import BadLevel, DepthError
from calib.market.book.book_side import REACH, BookSide, Change, Level, invalid_levels, read_levels

BPS = 1e4
_CACHED_DEPTHS = 8
_NO_EDGE = float("-inf")


class BookView(NamedTuple):
    """An order book at one update id, cut to a depth; immutable.

    Parameters
    ----------
    symbol
        The market.
    bids, asks
        ``(price, qty)``, best first; shorter than ``depth`` if the venue has fewer levels.
    update_id
        The venue's id of the last message applied; None if the venue sends none.
    depth
        The requested depth.
    """

    symbol: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    update_id: int | None
    depth: int

    @property
    def best_bid(self) -> Level | None:
        """The highest bid; None if there are no bids."""
        return self.bids[0] if self.bids else None

    @property
    def best_ask(self) -> Level | None:
        """The lowest ask; None if there are no asks."""
        return self.asks[0] if self.asks else None

    @property
    def mid(self) -> float | None:
        """Midpoint of the best bid and ask; None while a side is empty."""
        return (self.bids[0][0] + self.asks[0][0]) / 2 if self.bids and self.asks else None

    @property
    def spread_bps(self) -> float | None:
        """(best ask - best bid) / mid, bps; negative while crossed, None while a side is empty."""
        if not (self.bids and self.asks):
            return None
        bid, ask = self.bids[0][0], self.asks[0][0]
        return (ask - bid) / ((ask + bid) / 2) * BPS


class OrderBook:
    """The order book of one market, maintained from snapshots and deltas.

    Parameters
    ----------
    symbol
        The market.
    keep_levels
        Levels kept per side, the best ones; None keeps all. Required if a venue's feed covers a fixed depth and sends
        no removals beyond it (Kraken): levels that fell out of the depth would stay for ever.

    Prices are compared exactly (see `calib.market.book.prices`). A refused snapshot changes nothing. A refused delta
    **empties** the book: the book before it is out of date, and a partly applied delta is not a valid book.

    >>> book = OrderBook("BTCUSDT")
    >>> book.snapshot([("100.0", "2"), ("99.5", "1")], [("100.50", "3")], update_id=7)
    >>> book.delta([("100", "0")], [("100.5", 1.5)], update_id=8)
    >>> book.view(1)
    BookView(symbol='BTCUSDT', bids=((99.5, 1.0),), asks=((100.5, 1.5),), update_id=8, depth=1)
    >>> book.mid, round(book.spread_bps, 6)
    (100.0, 100.0)
    """

    __slots__ = ("_asks", "_bids", "_views", "keep_levels", "symbol", "update_id", "version")

    def __init__(self, symbol: str, *, keep_levels: int | None = None) -> None:
        if keep_levels is not None and keep_levels < 1:
            raise DepthError(
                f"keep_levels: {keep_levels} is out of range",
                hint="Allowed: an integer >= 1, or None to keep all levels",
            )
        self.symbol = symbol
        self.keep_levels = keep_levels
        self.version = 0
        self.update_id: int | None = None
        reach = max(REACH, keep_levels or 0)
        self._bids, self._asks = BookSide(1.0, reach), BookSide(-1.0, reach)
        self._views: dict[int, BookView] = {}

    def snapshot(self, bids: Iterable[Change], asks: Iterable[Change], update_id: int | None = None) -> None:
        """Replace the whole book. Levels of quantity 0 are left out; a repeated price keeps its last quantity.

        Raises
        ------
        BadLevel
            If a price or quantity is not valid; the book does not change.
        """
        bid_levels, ask_levels = read_levels(bids), read_levels(asks)
        self._bids.replace(bid_levels)
        self._asks.replace(ask_levels)
        self._trim()
        self._changed(update_id)

    def delta(self, bids: Iterable[Change], asks: Iterable[Change], update_id: int | None = None) -> None:
        """Set the quantity of each level; 0 removes it. Removing a level that does not exist is not an error.

        Raises
        ------
        BadLevel
            If a price or quantity is not valid; the book is then empty and needs a snapshot.
        """
        try:
            if bids:
                self._bids.merge(bids)
            if asks:
                self._asks.merge(asks)
        except BadLevel:
            self.clear()
            raise
        except (TypeError, ValueError) as error:
            self.clear()
            raise invalid_levels(error) from error
        if self.keep_levels is not None:
            self._trim()
        self.version += 1
        self.update_id = update_id
        if self._views:
            self._views = {}

    def clear(self) -> None:
        """Remove every level."""
        self._bids.clear()
        self._asks.clear()
        self._changed(None)

    def view(self, depth: int) -> BookView:
        """The best ``depth`` levels of each side, created on the first read after a change and then reused.

        Raises
        ------
        DepthError
            If ``depth`` is below 1.
        """
        view = self._views.get(depth)
        return self._freeze(depth) if view is None else view

    @property
    def best_bid(self) -> Level | None:
        """The highest bid as (price, qty); None if there are no bids."""
        return self._bids.best

    @property
    def best_ask(self) -> Level | None:
        """The lowest ask as (price, qty); None if there are no asks."""
        return self._asks.best

    @property
    def mid(self) -> float | None:
        """Midpoint of the best bid and ask; None while a side is empty."""
        bids, asks = self._bids.keys, self._asks.keys
        return (bids[-1] - asks[-1]) / 2 if bids and asks else None

    @property
    def spread_bps(self) -> float | None:
        """(best ask - best bid) / mid, bps; negative while crossed, None while a side is empty."""
        mid = self.mid
        return None if mid is None else -(self._asks.keys[-1] + self._bids.keys[-1]) / mid * BPS

    @property
    def crossed(self) -> bool:
        """Whether the best bid is above the best ask: venues never publish such a book, so messages were lost."""
        bids, asks = self._bids.keys, self._asks.keys
        return bool(bids and asks) and bids[-1] > -asks[-1]

    @property
    def locked(self) -> bool:
        """Whether the best bid equals the best ask; on some venues this is common."""
        bids, asks = self._bids.keys, self._asks.keys
        return bool(bids and asks) and bids[-1] == -asks[-1]

    @property
    def size(self) -> tuple[int, int]:
        """Number of levels of the bids and of the asks."""
        return len(self._bids.levels), len(self._asks.levels)

    def reaches(self, bid_edge: float, ask_edge: float, count: int = 1) -> bool:
        """Whether each side has ``count`` levels at its edge or better; an edge is a key (see `BookSide`).

        An edge of minus infinity means no requirement: the side passes, even if it is empty.
        """
        return (bid_edge == _NO_EDGE or self._bids.reaches(bid_edge, count)) and (
            ask_edge == _NO_EDGE or self._asks.reaches(ask_edge, count)
        )

    def edges(self) -> tuple[float, float]:
        """The keys of the worst bid and ask; infinite if the side is empty."""
        return self._bids.edge, self._asks.edge

    def counts_to(self, bid_edge: float, ask_edge: float) -> tuple[int, int]:
        """Number of bids and asks at their edge or better, counting sorted levels only."""
        return self._bids.count_to(bid_edge), self._asks.count_to(ask_edge)

    def problems(self) -> list[str]:
        """Violated invariants, an empty list if all is well: for tests, and to check a book in production.

        A crossed book is not reported here: that is an error of the feed, see `crossed`.
        """
        found = self._bids.problems("bids") + self._asks.problems("asks")
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
            raise DepthError(f"depth: {depth} is out of range", hint="Allowed: an integer >= 1")
        if len(self._views) >= _CACHED_DEPTHS:
            self._views = {}
        view = self._views[depth] = self._cut(depth)
        return view

    def _cut(self, depth: int) -> BookView:
        return BookView(self.symbol, *self._best(depth), self.update_id, depth)

    def _best(self, depth: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        return self._bids.cut(depth), self._asks.cut(depth)

    def _trim(self) -> None:
        if self.keep_levels is not None:
            self._bids.trim(self.keep_levels)
            self._asks.trim(self.keep_levels)
