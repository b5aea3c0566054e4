"""Exposure: how long quotes rested at which distance from the mid, and which fills occurred there.

A quote rests from its opening to its first fill or its end. That time is split at every change of the mid strictly
inside it; the last piece has the fill and the mid strictly before it, since a change of the mid at the fill is a
consequence of the fill. When the mid reaches the quote, the quote is censored: later fills are the market running over
the quote, which happens at the market's rate and not at the one that is estimated.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import numpy as np

from calib.fitting.arrays import Bools, Floats, Ints, sums_by
from calib.fitting.intensity import Pieces
from calib.recorded.mids import Mids

OPEN, HIT, RUN_OVER, WITHDRAWN = 0, 1, 2, 3
"""How a quote ended; `OPEN` if the data ended first."""
_ROUNDING_BPS: Final = 1e-9
"""Tolerance for a mid at the quote's price, whose computed distance may not be exactly 0."""
_PIECES_AT_ONCE: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class QuoteSpans:
    """Quotes of one symbol with a life greater than zero.

    Parameters
    ----------
    sign
        +1 buy, -1 sell.
    price
        Quote currency.
    open_s, end_s
        Start and end of each quote, on the clock of the mids.
    filled
        Whether ``end_s`` is the first maker fill.
    still_open
        Whether it still rested at ``end_s``, because the data ended.
    mid_open
        Mid at the opening; NaN: looked up in the mids.
    """

    sign: Floats
    price: Floats
    open_s: Floats
    end_s: Floats
    filled: Bools
    still_open: Bools
    mid_open: Floats

    def __len__(self) -> int:
        return len(self.sign)

    def take(self, chosen: Ints | slice) -> QuoteSpans:
        """A selection of quotes, in the given order."""
        return QuoteSpans(*(getattr(self, name)[chosen] for name in self.__slots__))


@dataclass(slots=True)
class Exposure:
    """Pieces of exposure of one symbol, buys first.

    Parameters
    ----------
    pieces
        Distance, time, fills and cluster of each piece.
    begin_s, quote
        Start of each piece, and the index of its quote.
    bids
        Number of pieces that belong to buys.
    cause
        Per quote: `OPEN`, `HIT`, `RUN_OVER`, `WITHDRAWN`; -1 if it was excluded.
    base
        Per quote: the mid by which distances are divided; NaN if there is none.
    dropped_s
        Quote time without a recent mid.
    refused
        Number of excluded quotes, and fills of quotes, by reason.
    """

    pieces: Pieces
    begin_s: Floats
    quote: Ints
    bids: int
    cause: Ints
    base: Floats
    dropped_s: float
    refused: Counter[str] = field(default_factory=Counter)

    def part(self, side: str) -> slice:
        """The range of pieces of ``buy``, ``sell`` or ``both``."""
        return {"buy": slice(0, self.bids), "sell": slice(self.bids, None), "both": slice(None)}[side]

    def of_side(self, side: str) -> tuple[Pieces, Floats]:
        """The pieces of ``buy``, ``sell`` or ``both`` and their starts; views, not copies."""
        part = self.part(side)
        columns = (getattr(self.pieces, name)[part] for name in Pieces.__slots__)
        return Pieces(*columns), self.begin_s[part]


def cut_exposure(
    quotes: QuoteSpans,
    mids: Mids,
    *,
    min_delta_bps: float = 0.0,
    max_age_s: float = 5.0,
    cluster_s: float = 60.0,
) -> Exposure:
    """Split the life of quotes at the changes of the mid.

    Parameters
    ----------
    min_delta_bps
        A quote at this distance or closer is run over and censored.
    max_age_s
        Validity of a mid after it was last observed; exposure beyond it is dropped and counted.
    cluster_s
        Length of the calendar blocks that define the clusters of pieces.

    Examples
    --------
    A buy at 99 from 0 to its fill at 10; mids 100 from -1, 99.5 from 4, 98 at the time of the fill.

    >>> import numpy as np
    >>> one = np.array
    >>> quotes = QuoteSpans(one([1.0]), one([99.0]), one([0.0]), one([10.0]), one([True]), one([False]), one([1e4]))
    >>> mids = Mids.of(one([-1.0, 4.0, 10.0]), one([100.0, 99.5, 98.0]))
    >>> found = cut_exposure(quotes, mids, max_age_s=60).pieces
    >>> found.delta_bps.tolist(), found.exposure_s.tolist(), found.fills.tolist()
    ([1.0, 0.5], [4.0, 6.0], [0.0, 1.0])
    """
    order = np.argsort(-quotes.sign, kind="stable")
    base = np.where(np.isnan(quotes.mid_open), mids.at(quotes.open_s, max_age_s), quotes.mid_open)
    cause = np.where(quotes.still_open, OPEN, WITHDRAWN).astype(np.int64)
    cutter = _Cutter(mids, min_delta_bps, max_age_s, cluster_s)
    refused: Counter[str] = Counter()
    usable = ~np.isnan(base) & (quotes.end_s > quotes.open_s)
    refused["no_life"] += int((quotes.end_s <= quotes.open_s).sum())
    refused["no_mid_at_open"] += int((np.isnan(base) & (quotes.end_s > quotes.open_s)).sum())
    cause[~usable] = -1
    order = order[usable[order]]
    counts = cutter.counts(quotes.open_s[order], quotes.end_s[order])
    columns = _Columns(int(counts.sum()))
    touched, dropped = np.zeros(len(quotes), bool), 0.0
    for span in _spans(counts):
        part = cutter.cut(quotes.take(order[span]), base[order[span]], order[span])
        columns.add(part.columns)
        touched[part.columns[-1]] = True
        cause[part.hit], cause[part.run_over], cause[part.lost] = HIT, RUN_OVER, -1
        refused["fill_without_mid"] += len(part.lost)
        dropped += part.dropped_s
    delta, exposure, fills, cluster, begin, quote = columns.filled()
    refused["no_exposure"] += int((usable & ~touched & (cause != RUN_OVER) & (cause != -1)).sum())
    bids = int((quotes.sign[quote] > 0).sum())
    return Exposure(Pieces(delta, exposure, fills, cluster), begin, quote, bids, cause, base, dropped, +refused)


def _spans(counts: Ints) -> list[slice]:
    """Ranges of quotes whose pieces fit into memory together."""
    ends = np.cumsum(counts)
    total = int(ends[-1]) if len(ends) else 0
    marks = np.searchsorted(ends, np.arange(_PIECES_AT_ONCE, total, _PIECES_AT_ONCE)) + 1
    edges = np.unique(np.concatenate([[0], marks, [len(counts)]]))
    return [slice(int(begin), int(end)) for begin, end in pairwise(edges.tolist()) if end > begin]


class _Columns:
    """Preallocated columns of the pieces: concatenating parts would need twice the memory."""

    def __init__(self, size: int) -> None:
        self._arrays: list[Any] = [np.empty(size, kind) for kind in ("f8", "f8", "f8", "i4", "f8", "i4")]
        self._at = 0

    def add(self, columns: tuple[Any, ...]) -> None:
        stop = self._at + len(columns[0])
        for array, column in zip(self._arrays, columns, strict=True):
            array[self._at : stop] = column
        self._at = stop

    def filled(self) -> list[Any]:
        return [array[: self._at] for array in self._arrays]


@dataclass(slots=True)
class _Part:
    """The pieces of some quotes, and these quotes by how they ended."""

    columns: tuple[Any, ...]
    hit: Ints
    run_over: Ints
    lost: Ints
    dropped_s: float


class _Cutter:
    """Splits quotes at the mids of one symbol."""

    def __init__(self, mids: Mids, min_delta_bps: float, max_age_s: float, cluster_s: float) -> None:
        self._mids = mids.with_grid(cluster_s)
        self._until = self._mids.valid_until(max_age_s)
        self._min_delta, self._cluster_s = min_delta_bps, cluster_s

    def counts(self, open_s: Floats, end_s: Floats) -> Ints:
        """Number of pieces of each quote: the changes strictly inside it, plus one."""
        times = self._mids.times_s
        first = np.searchsorted(times, open_s, side="right")
        return np.asarray(np.searchsorted(times, end_s, side="left") - first + 1)

    def cut(self, quotes: QuoteSpans, base: Floats, numbers: Ints) -> _Part:
        times, values = self._mids.times_s, self._mids.values
        count = self.counts(quotes.open_s, quotes.end_s)
        stops = np.cumsum(count)
        quote = np.repeat(np.arange(len(quotes)), count)
        offset = np.arange(len(quote)) - (stops - count)[quote]
        place = np.searchsorted(times, quotes.open_s, side="right")[quote] - 1 + offset
        held = np.maximum(place, 0)
        begin = np.where(offset == 0, quotes.open_s[quote], times[held] if len(times) else 0.0)
        end = np.append(begin[1:], 0.0)
        end[stops - 1] = quotes.end_s
        if len(times):
            known = np.where(place >= 0, np.minimum(end, self._until[held]), begin)
            delta = quotes.sign[quote] * (values[held] - quotes.price[quote]) / base[quote] * 1e4
        else:
            known, delta = begin, np.zeros(len(begin))
        has_mid = known > begin
        reached = np.where(has_mid & (delta <= self._min_delta + _ROUNDING_BPS), offset, np.iinfo(np.int64).max)
        alive = offset < np.minimum.reduceat(reached, stops - count)[quote] if len(quote) else has_mid
        kept = has_mid & alive
        last = stops - 1
        filled = quotes.filled
        reaches_end = kept[last] & (known[last] >= quotes.end_s)
        hit = filled & reaches_end
        run_over = filled & ~alive[last]
        fills = np.zeros(len(quote))
        fills[last[hit]] = 1.0
        dropped = float((end - np.maximum(known, begin))[alive].sum())
        length = (np.maximum(known, begin) - begin)[kept]
        columns = (
            delta[kept],
            length,
            fills[kept],
            np.floor(begin[kept] / self._cluster_s),
            begin[kept],
            numbers[quote[kept]],
        )
        lost = filled & ~hit & ~run_over
        return _Part(columns, numbers[hit], numbers[run_over], numbers[lost], dropped)


def exposure_by_quote(found: Exposure, quotes: int) -> Floats:
    """Exposure of each quote, s."""
    return sums_by(found.quote, found.pieces.exposure_s, quotes)
