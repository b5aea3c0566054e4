"""A book that keeps no more than what another one, which is given the same messages, lacks."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from calib.market.book.book_side import BookSide, Change, Level
from calib.market.book.order_book import OrderBook

_INF: Final = math.inf
_MANY: Final = 4096
"""Prices that a side keeps in mind at most, about."""


class MirrorBook(OrderBook):
    """An order book that synced on a primary: a second book for which the same messages are meant.

    In a replay every level belongs into two books, the true one and the cache's. While the cache's has had every
    message, the true one need not be kept beside it: it is the cache's book and the rest, the levels that the cache's
    snapshot was too shallow for. The answers are those of an `OrderBook`, at every moment.

    Parameters
    ----------
    symbol
        The market.
    primary
        The other book as it is now; None while there is none. It keeps all its levels.

    Levels must be pairs of floats, prices above 0 and quantities from 0, as the readers of feeds give them: a bad one
    is not refused here. Each message goes to the primary first, between `before_primary_update` and `delta`; later,
    behind others that wait; or never. A primary that takes none out of turn is what a stream's sequence rule sees to.
    """

    # Why it is right. To begin with, both stand at the same update id, every level of the primary is one here, and the
    # rest is what remains. A delta that both are given sets quantities whatever stood there: what it touches and the
    # primary did not have, the primary tells of, and the rest gives way to it. That both have taken the same delta is
    # known by the primary's version, which has gone up by one within this message's turn, and by its update id.
    # Whatever else happens to the primary (a message lost or held back, its book dropped, another snapshot) shows in
    # one of the two, and then this book goes on alone: a side never empties the dict of its levels, it takes a new one,
    # so the one that the rest belongs to still holds what it held before, or with this very message, and to apply that
    # again changes nothing.
    __slots__ = ("_ahead", "_primary", "_rejected_levels", "_rest_asks", "_rest_bids", "_synced")

    def __init__(self, symbol: str, primary: Callable[[], OrderBook | None]) -> None:
        super().__init__(symbol)
        self._primary = primary
        self._synced: OrderBook | None = None
        self._rejected_levels: dict[float, float] | None = None
        self._ahead = 0
        self._rest_bids = self._rest_asks = ResidualLevels(BookSide(1.0), BookSide(1.0))

    # --- what changes it

    def before_primary_update(self) -> None:
        """A message is about to be given to the primary, then to this book."""
        self._synced_primary()

    def delta(self, bids: Iterable[Change], asks: Iterable[Change], update_id: int | None = None) -> None:
        """As in `OrderBook`, but for bad levels."""
        like = self._synced
        if like is not None:
            if like.version - self.version == self._ahead + 1 and like.update_id == update_id:
                self._rest_bids.keep_up()
                self._rest_asks.keep_up()
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

    # --- what it shows

    @property
    def synced(self) -> bool:
        """Whether the primary keeps the book for it now."""
        return self._synced_primary() is not None

    @property
    def best_bid(self) -> Level | None:
        """As in `OrderBook`."""
        like = self._synced_primary()
        return super().best_bid if like is None else self._rest_bids.better(like._bids)

    @property
    def best_ask(self) -> Level | None:
        """As in `OrderBook`."""
        like = self._synced_primary()
        return super().best_ask if like is None else self._rest_asks.better(like._asks)

    @property
    def crossed(self) -> bool:
        """As in `OrderBook`. It is asked after every message, which makes it the moment to look for a primary."""
        like = self._synced_primary()
        if like is None:
            crossed = super().crossed
            if not crossed:
                self._attach()
            return crossed
        bids, asks = like._bids.keys, like._asks.keys
        if bids and asks and bids[-1] > self._rest_bids.top and asks[-1] > self._rest_asks.top:
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
        like = self._synced_primary()
        if like is None:
            return super()._best(depth)
        view = like.view(depth)
        return self._rest_bids.cut(view.bids, depth), self._rest_asks.cut(view.asks, depth)

    # --- how

    def _synced_primary(self) -> OrderBook | None:
        """The primary while it has had just the messages that this book has; else None, and this book stands alone."""
        like = self._synced
        if like is not None and (like.version - self.version != self._ahead or like.update_id != self.update_id):
            self._detach()
            return None
        return like

    def _attach(self) -> None:
        """Lean on the primary, if there is one at the same update id."""
        like = self._primary()
        if like is None or self.update_id is None or like.update_id != self.update_id:
            return
        if like._bids.levels is self._rejected_levels:
            return  # looked at before
        if like._bids.levels.items() <= self._bids.levels.items() and (
            like._asks.levels.items() <= self._asks.levels.items()
        ):
            self._synced, self._ahead = like, like.version - self.version
            self._rest_bids, self._rest_asks = (
                ResidualLevels(self._bids, like._bids),
                ResidualLevels(self._asks, like._asks),
            )
            self._bids.clear()
            self._asks.clear()
        else:
            self._rejected_levels = like._bids.levels

    def _detach(self) -> None:
        """Go on without the primary."""
        if self._synced is not None:
            self._synced = None
            self._bids.replace(self._rest_bids.whole())
            self._asks.replace(self._rest_asks.whole())


class ResidualLevels:
    """The levels of one side that its primary lacks.

    Parameters
    ----------
    side
        The whole side.
    primary
        The primary's side, each level of which is in the whole one.

    >>> whole, primary = BookSide(1.0), BookSide(1.0)
    >>> whole.merge([(99.0, 1.0), (98.0, 2.0), (97.0, 3.0)])
    >>> primary.merge([(99.0, 1.0), (97.0, 3.0)])
    >>> rest = ResidualLevels(whole, primary)
    >>> rest.cut(primary.cut(2), 2)
    ((99.0, 1.0), (98.0, 2.0))
    >>> primary.merge([(98.0, 5.0), (99.0, 0.0)]); rest.keep_up(); rest.better(primary), len(rest.whole())
    ((98.0, 5.0), 2)
    """

    # `_levels` are those of the beginning that no delta has touched, `_keys` their keys, ascending, and keys of those
    # that were. What a delta touches the primary has from then on, or it was removed: either way not from here. `_met`
    # is what deltas have touched and what is still to be let go of: nearly always the primary alone has the answer.
    __slots__ = ("_keys", "_levels", "_met", "_primary", "_sign", "_theirs", "top")

    def __init__(self, side: BookSide, primary: BookSide) -> None:
        self._sign, self._primary, self._theirs = side.sign, primary, primary.levels
        self._levels = {price: qty for price, qty in side.levels.items() if price not in primary.levels}
        self._keys = sorted(price * side.sign for price in self._levels)
        self._met = primary.unknown_prices = list[float]()
        self.top = self._keys[-1] if self._keys else -_INF
        """No level here has a higher key."""

    def keep_up(self) -> None:
        """The primary has had another delta: from time to time let go of what it touched."""
        if len(self._met) > _MANY:
            self._evict_touched()

    def better(self, theirs: BookSide) -> Level | None:
        """The best of the whole side, where ``theirs`` is the primary's."""
        their_top = theirs.keys[-1] if theirs.keys else -_INF
        if their_top <= self.top:
            self._shrink()
        if their_top >= self.top:
            return theirs.best
        price = self.top * self._sign
        return price, self._levels[price]

    def cut(self, theirs: tuple[Level, ...], depth: int) -> tuple[Level, ...]:
        """The best ``depth`` levels of the whole side, where ``theirs`` are those of the primary."""
        keys, sign = self._keys, self._sign
        if len(theirs) == depth:  # nothing counts that is worse than the last of these
            keys = keys[bisect_left(keys, theirs[-1][0] * sign) :]
            if not keys:
                return theirs
        self._evict_touched()
        levels = self._levels
        prices = (key * sign for key in reversed(keys))
        more = islice(((price, levels[price]) for price in prices if price in levels), depth)
        return tuple(sorted([*theirs, *more], reverse=sign > 0)[:depth])

    def whole(self) -> dict[float, float]:
        """Every level of the whole side; the primary is followed no more."""
        self._evict_touched()
        self._primary.unknown_prices = None
        return {**self._levels, **self._theirs}

    def _evict_touched(self) -> None:
        """Let go of what the deltas have touched."""
        for price in self._levels.keys() & self._met:
            del self._levels[price]
        self._met.clear()

    def _shrink(self) -> None:
        self._evict_touched()
        keys, sign = self._keys, self._sign
        while keys and keys[-1] * sign not in self._levels:
            keys.pop()
        self.top = keys[-1] if keys else -_INF
