"""Histograms with a low cost per observation."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, NamedTuple

MS_BOUNDS: Final = (
    0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 35.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1_000.0, 2_500.0, 5_000.0,
)  # fmt: skip
"""Upper bounds of the buckets, ms. The defaults of prometheus_client start at 5 ms, too coarse for a tick. 35 and 200
are the limits of a fetch and of a tick, 5000 is the maximum age of a served book."""


_INFINITY: Final = float("inf")


class HistogramCounts(NamedTuple):
    """The state of a histogram.

    Parameters
    ----------
    bounds
        Upper bounds of all buckets except the last.
    counts
        Observations per bucket, not cumulative; one more than there are bounds.
    total
        Sum of the observations; None if it is unknown.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float | None

    def plus(self, other: HistogramCounts) -> HistogramCounts:
        """Add two histograms with equal bounds."""
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        total = None if self.total is None or other.total is None else self.total + other.total
        return HistogramCounts(self.bounds, counts, total)


class Histogram:
    """Counts observations by bucket; one thread calls `observe`, any thread may call `counts`.

    A labelled metric of prometheus_client takes a lock and looks up its labels for every observation; this class does
    neither. Negative, infinite and NaN observations are in no bucket and are counted in ``refused``.

    Parameters
    ----------
    bounds
        Upper bounds, increasing; an observation equal to a bound belongs to that bucket.

    >>> histogram = Histogram((1.0, 10.0))
    >>> for x in (0.5, 1.0, 3.0, 99.0, float("nan")):
    ...     histogram.observe(x)
    >>> histogram.counts(), histogram.refused
    (HistogramCounts(bounds=(1.0, 10.0), counts=(2, 1, 1), total=103.5), 1)
    """

    __slots__ = ("_bounds", "_counts", "_total", "refused")

    def __init__(self, bounds: tuple[float, ...] = MS_BOUNDS) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0
        self.refused = 0

    def observe(self, value: float) -> None:
        """Add one observation."""
        if 0.0 <= value < _INFINITY:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._total += value
        else:
            self.refused += 1

    def counts(self) -> HistogramCounts:
        """The observations so far."""
        return HistogramCounts(self._bounds, tuple(self._counts), self._total)
