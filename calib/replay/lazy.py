"""A book that keeps no more than what another one, which is given the same messages, lacks."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Final

from calib.market import OrderBook
from calib.market.side import Change, Level, Side

_INF: Final = math.inf
_MANY: Final = 4096
"""Prices that a side keeps in mind at most, about."""


class LazyBook(OrderBook):
    """An order book that leans on a witness: a second book for which the same messages are meant.

    In a replay every level belongs into two books, the true one and the cache's. While the cache's has had every
    message, the true one need not be kept beside it: it is the cache's book and the rest, the levels that the cache's
    snapshot was too shallow for. The answers are those of an `OrderBook`, at every moment.

    Parameters
    ----------
    symbol
        The market.
    witness
        The other book as it is now; None while there is none. It keeps all its levels.

    Levels must be pairs of floats, prices above 0 and quantities from 0, as the readers of feeds give them: a bad one
    is not refused here. Each message goes to the witness first, between `brace` and `delta`; later, behind others that
    wait; or never. A witness that takes none out of turn is what a stream's sequence rule sees to.
    """

    # Why it is right. To begin with, both stand at the same update id, every level of the witness is one here, and the
    # rest is what remains. A delta that both are given sets quantities whatever stood there: what it touches and the
    # witness did not have, the witness tells of, and the rest gives way to it. That both have taken the same delta is
    # known by the witness's version, which has gone up by one within this message's turn, and by its update id.
    # Whatever else happens to the witness (a message lost or held back, its book dropped, another snapshot) shows in
    # one of the two, and then this book goes on alone: a side never empties the dict of its levels, it takes a new one,
    # so the one that the rest belongs to still holds what it held before, or with this very message, and to apply that
    # again changes nothing.
    __slots__ = ("_ahead", "_like", "_rest_asks", "_rest_bids", "_unlike", "_witness")

    def __init__(self, symbol: str, witness: Callable[[], OrderBook | None]) -> None:
        super().__init__(symbol)
        self._witness = witness
        self._like: OrderBook | None = None
        self._unlike: dict[float, float] | None = None
        self._ahead = 0
        self._rest_bids = self._rest_asks = Rest(Side(1.0), Side(1.0))

    # --- what changes it

    def brace(self) -> None:
        """A message is about to be given to the witness, then to this book."""
        self._voucher()

    def delta(self, bids: Iterable[Change], asks: Iterable[Change], update_id: int | None = None) -> None:
        """As in `OrderBook`, but for bad levels."""
        like = self._like
        if like is not None:
            if like.version - self.version == self._ahead + 1 and like.update_id == update_id:
                self._rest_bids.keep_up()
                self._rest_asks.keep_up()
                self._changed(update_id)
                return
            self._part()
        super().delta(bids, asks, update_id)

    def snapshot(self, bids: Iterable[Change], asks: Iterable[Change], update_id: int | None = None) -> None:
        """As in `OrderBook`."""
        self._part()
        super().snapshot(bids, asks, update_id)

    def clear(self) -> None:
        """As in `OrderBook`."""
        self._part()
        super().clear()

    # --- what it shows

    @property
    def leans(self) -> bool:
        """Whether the witness keeps the book for it now."""
        return self._voucher() is not None

    @property
    def best_bid(self) -> Level | None:
        """As in `OrderBook`."""
        like = self._voucher()
        return super().best_bid if like is None else self._rest_bids.better(like._bids)

    @property
    def best_ask(self) -> Level | None:
        """As in `OrderBook`."""
        like = self._voucher()
        return super().best_ask if like is None else self._rest_asks.better(like._asks)

    @property
    def crossed(self) -> bool:
        """As in `OrderBook`. It is asked after every message, which makes it the moment to look for a witness."""
        like = self._voucher()
        if like is None:
            crossed = super().crossed
            if not crossed:
                self._liken()
            return crossed
        bids, asks = like._bids.keys, like._asks.keys
        if bids and asks and bids[-1] > self._rest_bids.top and asks[-1] > self._rest_asks.top:
            return bids[-1] > -asks[-1]
        bid, ask = self.best_bid, self.best_ask
        return bid is not None and ask is not None and bid[0] > ask[0]

    @property
    def locked(self) -> bool:
        """As in `OrderBook`."""
        self._part()
        return super().locked

    @property
    def mid(self) -> float | None:
        """As in `OrderBook`."""
        self._part()
        return super().mid

    @property
    def spread_bps(self) -> float | None:
        """As in `OrderBook`."""
        self._part()
        return super().spread_bps

    @property
    def size(self) -> tuple[int, int]:
        """As in `OrderBook`."""
        self._part()
        return super().size

    def problems(self) -> list[str]:
        """As in `OrderBook`."""
        self._part()
        return super().problems()

    def _best(self, depth: int) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
        like = self._voucher()
        if like is None:
            return super()._best(depth)
        view = like.view(depth)
        return self._rest_bids.cut(view.bids, depth), self._rest_asks.cut(view.asks, depth)

    # --- how

    def _voucher(self) -> OrderBook | None:
        """The witness while it has had just the messages that this book has; else None, and this book stands alone."""
        like = self._like
        if like is not None and (like.version - self.version != self._ahead or like.update_id != self.update_id):
            self._part()
            return None
        return like

    def _liken(self) -> None:
        """Lean on the witness, if there is one at the same update id."""
        like = self._witness()
        if like is None or self.update_id is None or like.update_id != self.update_id:
            return
        if like._bids.levels is self._unlike:
            return  # looked at before
        if like._bids.levels.items() <= self._bids.levels.items() and (
            like._asks.levels.items() <= self._asks.levels.items()
        ):
            self._like, self._ahead = like, like.version - self.version
            self._rest_bids, self._rest_asks = Rest(self._bids, like._bids), Rest(self._asks, like._asks)
            self._bids.clear()
            self._asks.clear()
        else:
            self._unlike = like._bids.levels

    def _part(self) -> None:
        """Go on without the witness."""
        if self._like is not None:
            self._like = None
            self._bids.replace(self._rest_bids.whole())
            self._asks.replace(self._rest_asks.whole())


class Rest:
    """The levels of one side that its witness lacks.

    Parameters
    ----------
    side
        The whole side.
    witness
        The witness's side, each level of which is in the whole one.

    >>> whole, witness = Side(1.0), Side(1.0)
    >>> whole.merge([(99.0, 1.0), (98.0, 2.0), (97.0, 3.0)])
    >>> witness.merge([(99.0, 1.0), (97.0, 3.0)])
    >>> rest = Rest(whole, witness)
    >>> rest.cut(witness.cut(2), 2)
    ((99.0, 1.0), (98.0, 2.0))
    >>> witness.merge([(98.0, 5.0), (99.0, 0.0)]); rest.keep_up(); rest.better(witness), len(rest.whole())
    ((98.0, 5.0), 2)
    """

    # `_levels` are those of the beginning that no delta has touched, `_keys` their keys, ascending, and keys of those
    # that were. What a delta touches the witness has from then on, or it was removed: either way not from here. `_met`
    # is what deltas have touched and what is still to be let go of: nearly always the witness alone has the answer.
    __slots__ = ("_keys", "_levels", "_met", "_sign", "_theirs", "_witness", "top")

    def __init__(self, side: Side, witness: Side) -> None:
        self._sign, self._witness, self._theirs = side.sign, witness, witness.levels
        self._levels = {price: qty for price, qty in side.levels.items() if price not in witness.levels}
        self._keys = sorted(price * side.sign for price in self._levels)
        self._met = witness.strangers = list[float]()
        self.top = self._keys[-1] if self._keys else -_INF
        """No level here has a higher key."""

    def keep_up(self) -> None:
        """The witness has had another delta: from time to time let go of what it touched."""
        if len(self._met) > _MANY:
            self._give_way()

    def better(self, theirs: Side) -> Level | None:
        """The best of the whole side, where ``theirs`` is the witness's."""
        their_top = theirs.keys[-1] if theirs.keys else -_INF
        if their_top <= self.top:
            self._shrink()
        if their_top >= self.top:
            return theirs.best
        price = self.top * self._sign
        return price, self._levels[price]

    def cut(self, theirs: tuple[Level, ...], depth: int) -> tuple[Level, ...]:
        """The best ``depth`` levels of the whole side, where ``theirs`` are those of the witness."""
        keys, sign = self._keys, self._sign
        if len(theirs) == depth:  # nothing counts that is worse than the last of these
            keys = keys[bisect_left(keys, theirs[-1][0] * sign) :]
            if not keys:
                return theirs
        self._give_way()
        levels = self._levels
        prices = (key * sign for key in reversed(keys))
        more = islice(((price, levels[price]) for price in prices if price in levels), depth)
        return tuple(sorted([*theirs, *more], reverse=sign > 0)[:depth])

    def whole(self) -> dict[float, float]:
        """Every level of the whole side; the witness is followed no more."""
        self._give_way()
        self._witness.strangers = None
        return {**self._levels, **self._theirs}

    def _give_way(self) -> None:
        """Let go of what the deltas have touched."""
        for price in self._levels.keys() & self._met:
            del self._levels[price]
        self._met.clear()

    def _shrink(self) -> None:
        self._give_way()
        keys, sign = self._keys, self._sign
        while keys and keys[-1] * sign not in self._levels:
            keys.pop()
        self.top = keys[-1] if keys else -_INF
