"""An order book that stores only the levels that another book, which receives the same messages, lacks."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from calib.market.book.book_side import BookSide, Change, Level
from calib.market.book.order_book import OrderBook

_INF: Final = math.inf
_MAX_TOUCHED: Final = 4096
"""Number of touched prices of a side after which they are evicted."""


class MirrorBook(OrderBook):
    """An order book that shares the levels of a primary book, which receives the same messages.

    A replay keeps two books: the true one and the cache's. While the cache's book has received every message, the true
    one need not store its levels again: it is the cache's book plus the residual levels, those that the cache's
    snapshot was too shallow for. Reads return at every moment what an `OrderBook` would return.

    Parameters
    ----------
    symbol
        The market.
    primary
        Returns the other book as it is now; None while there is none. That book must keep all its levels.

    Levels must be pairs of floats, prices above 0 and quantities from 0, as the feed readers return them: they are not
    checked here. Each message goes to the primary first, between `before_primary_update` and `delta`; or it reaches the
    primary later, behind queued messages; or never. The stream's sequence rule must keep the primary from applying
    messages out of order.
    """

    # Why this is correct. When the mirror attaches, both books have the same update id, every level of the primary is
    # a level here, and the residual levels are the difference. A delta sets quantities whatever was there before. A
    # price that it touches and the primary did not have is in the primary's `unknown_prices`, and the residual level of
    # that price is evicted. That both books applied the same delta shows in the primary's version, which has increased
    # by one within this message, and in its update id. Any other change of the primary (a lost or delayed message, a
    # dropped book, another snapshot) changes one of the two, and this book detaches. Its levels are still available
    # then: a side never empties its dict of levels but replaces it, so the dict referenced here holds the levels from
    # before that change, or with this same message applied, and applying that one again changes nothing.
    __slots__ = ("_primary", "_rejected_levels", "_residual_asks", "_residual_bids", "_synced", "_version_lead")

    def __init__(self, symbol: str, primary: Callable[[], OrderBook | None]) -> None:
        super().__init__(symbol)
        self._primary = primary
        self._synced: OrderBook | None = None
        self._rejected_levels: dict[float, float] | None = None
        self._version_lead = 0
        self._residual_bids = self._residual_asks = ResidualLevels(BookSide(1.0), BookSide(1.0))

    # --- updates

    def before_primary_update(self) -> None:
        """Call this before a message is given to the primary and then to this book."""
        self._synced_primary()

    def delta(self, bids: Iterable[Change], asks: Iterable[Change], update_id: int | None = None) -> None:
        """As in `OrderBook`, without the checks of levels."""
        primary = self._synced
        if primary is not None:
            if primary.version - self.version == self._version_lead + 1 and primary.update_id == update_id:
                self._residual_bids.evict_if_many()
                self._residual_asks.evict_if_many()
                self._changed(update_id)
                return
            self._detach()
        super().delta(bids, asks, update_id)

    def snapshot(self, bids: Iterable[Change], asks: Iterable[Change], update_id: int | None = None) -> None:
        """As in `OrderBook`."""
        self._detach()
        super().snapshot(bids, asks, update_id)

    def clear(self) -> None:
        """As in `OrderBook`."""
        self._detach()
        super().clear()

    # --- reads

    @property
    def synced(self) -> bool:
        """Whether this book shares the levels of the primary now."""
        return self._synced_primary() is not None

    @property
    def best_bid(self) -> Level | None:
        """As in `OrderBook`."""
        primary = self._synced_primary()
        return super().best_bid if primary is None else self._residual_bids.better(primary._bids)

    @property
    def best_ask(self) -> Level | None:
        """As in `OrderBook`."""
        primary = self._synced_primary()
        return super().best_ask if primary is None else self._residual_asks.better(primary._asks)

    @property
    def crossed(self) -> bool:
        """As in `OrderBook`. It is read after every message, so this is where the book attaches to the primary."""
        primary = self._synced_primary()
        if primary is None:
            crossed = super().crossed
            if not crossed:
                self._attach()
            return crossed
        bids, asks = primary._bids.keys, primary._asks.keys
        if bids and asks and bids[-1] > self._residual_bids.top and asks[-1] > self._residual_asks.top:
            return bids[-1] > -asks[-1]
        bid, ask = self.best_bid, self.best_ask
        return bid is not None and ask is not None and bid[0] > ask[0]

    @property
    def locked(self) -> bool:
        """As in `OrderBook`."""
        self._detach()
        return super().locked

    @property
    def mid(self) -> float | None:
        """As in `OrderBook`."""
        self._detach()
        return super().mid

    @property
    def spread_bps(self) -> float | None:
        """As in `OrderBook`."""
        self._detach()
        return super().spread_bps

    @property
    def size(self) -> tuple[int, int]:
        """As in `OrderBook`."""
        self._detach()
        return super().size

    def problems(self) -> list[str]:
        """As in `OrderBook`."""
        self._detach()
        return super().problems()

    def _best(self, depth: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        primary = self._synced_primary()
        if primary is None:
            return super()._best(depth)
        view = primary.view(depth)
        return self._residual_bids.cut(view.bids, depth), self._residual_asks.cut(view.asks, depth)

    # --- internals

    def _synced_primary(self) -> OrderBook | None:
        """The primary while it has applied the same messages as this book; otherwise detach and return None."""
        primary = self._synced
        if primary is not None and (
            primary.version - self.version != self._version_lead or primary.update_id != self.update_id
        ):
            self._detach()
            return None
        return primary

    def _attach(self) -> None:
        """Share the levels of the primary if it has the same update id and all its levels are here."""
        primary = self._primary()
        if primary is None or self.update_id is None or primary.update_id != self.update_id:
            return
        if primary._bids.levels is self._rejected_levels:
            return  # compared before
        if primary._bids.levels.items() <= self._bids.levels.items() and (
            primary._asks.levels.items() <= self._asks.levels.items()
        ):
            self._synced, self._version_lead = primary, primary.version - self.version
            self._residual_bids, self._residual_asks = (
                ResidualLevels(self._bids, primary._bids),
                ResidualLevels(self._asks, primary._asks),
            )
            self._bids.clear()
            self._asks.clear()
        else:
            self._rejected_levels = primary._bids.levels

    def _detach(self) -> None:
        """Copy the shared levels and stop using the primary."""
        if self._synced is not None:
            self._synced = None
            self._bids.replace(self._residual_bids.whole())
            self._asks.replace(self._residual_asks.whole())


class ResidualLevels:
    """The levels of one side that the side of the primary lacks.

    Parameters
    ----------
    side
        The whole side.
    primary
        The side of the primary; each of its levels is also a level of ``side``.

    >>> whole, primary = BookSide(1.0), BookSide(1.0)
    >>> whole.merge([(99.0, 1.0), (98.0, 2.0), (97.0, 3.0)])
    >>> primary.merge([(99.0, 1.0), (97.0, 3.0)])
    >>> rest = ResidualLevels(whole, primary)
    >>> rest.cut(primary.cut(2), 2)
    ((99.0, 1.0), (98.0, 2.0))
    >>> primary.merge([(98.0, 5.0), (99.0, 0.0)]); rest.evict_if_many(); rest.better(primary), len(rest.whole())
    ((98.0, 5.0), 2)
    """

    # `_levels` are the initial levels that no delta has touched; `_keys` holds their keys, ascending, and may also hold
    # keys of touched ones. A touched level is from then on a level of the primary, or was removed. `_touched` lists
    # touched prices that are still to be evicted: eviction is lazy because nearly every read needs only the primary.
    __slots__ = ("_keys", "_levels", "_primary", "_primary_levels", "_sign", "_touched", "top")

    def __init__(self, side: BookSide, primary: BookSide) -> None:
        self._sign, self._primary, self._primary_levels = side.sign, primary, primary.levels
        self._levels = {price: qty for price, qty in side.levels.items() if price not in primary.levels}
        self._keys = sorted(price * side.sign for price in self._levels)
        self._touched = primary.unknown_prices = list[float]()
        self.top = self._keys[-1] if self._keys else -_INF
        """Upper bound of the keys here."""

    def evict_if_many(self) -> None:
        """Call this after each delta of the primary; evicts touched levels once there are many."""
        if len(self._touched) > _MAX_TOUCHED:
            self._evict_touched()

    def better(self, primary_side: BookSide) -> Level | None:
        """The best level of the whole side, given the primary's side."""
        primary_top = primary_side.keys[-1] if primary_side.keys else -_INF
        if primary_top <= self.top:
            self._drop_touched_keys()
        if primary_top >= self.top:
            return primary_side.best
        price = self.top * self._sign
        return price, self._levels[price]

    def cut(self, primary_side: tuple[Level, ...], depth: int) -> tuple[Level, ...]:
        """The best ``depth`` levels of the whole side, given the best levels of the primary's side."""
        keys, sign = self._keys, self._sign
        if len(primary_side) == depth:  # a level worse than the last of these cannot be in the result
            keys = keys[bisect_left(keys, primary_side[-1][0] * sign) :]
            if not keys:
                return primary_side
        self._evict_touched()
        levels = self._levels
        prices = (key * sign for key in reversed(keys))
        more = islice(((price, levels[price]) for price in prices if price in levels), depth)
        return tuple(sorted([*primary_side, *more], reverse=sign > 0)[:depth])

    def whole(self) -> dict[float, float]:
        """Every level of the whole side; the primary's side stops recording touched prices."""
        self._evict_touched()
        self._primary.unknown_prices = None
        return {**self._levels, **self._primary_levels}

    def _evict_touched(self) -> None:
        """Remove the residual levels that deltas have touched."""
        for price in self._levels.keys() & self._touched:
            del self._levels[price]
        self._touched.clear()

    def _drop_touched_keys(self) -> None:
        self._evict_touched()
        keys, sign = self._keys, self._sign
        while keys and keys[-1] * sign not in self._levels:
            keys.pop()
        self.top = keys[-1] if keys else -_INF
