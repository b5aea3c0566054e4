"""Histograms that cost next to nothing to record."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final, NamedTuple

MS_BOUNDS: Final = (
    0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 35.0, 50.0, 75.0, 100.0, 150.0, 200.0, 300.0, 500.0, 1_000.0, 2_500.0, 5_000.0,
)  # fmt: skip
"""Upper bounds of the buckets, ms: the defaults of prometheus_client begin at 5 ms, where a tick is half over. 35 and
200 are the limits of a fetch and of a tick, 5000 the oldest book that is ever served."""


_INFINITY: Final = float("inf")


class HistogramCounts(NamedTuple):
    """A histogram at one moment.

    Parameters
    ----------
    bounds
        Upper bounds of all buckets but the last.
    counts
        Observations in each bucket alone, one more than there are bounds.
    total
        Sum of the observations; None where the counts came without a sum.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float | None

    def plus(self, other: HistogramCounts) -> HistogramCounts:
        """Both together; their bounds are equal."""
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        total = None if self.total is None or other.total is None else self.total + other.total
        return HistogramCounts(self.bounds, counts, total)


class Histogram:
    """Counts of observations by bucket; one thread observes, any thread may take `counts`.

    A label child of prometheus_client takes a lock for each observation, and a look-up of its labels more: this takes
    neither. An observation that is negative, infinite or NaN falls into no bucket and is counted in ``refused``.

    Parameters
    ----------
    bounds
        Upper bounds, rising; an observation equal to a bound belongs to its bucket.

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
        """Take one observation."""
        if 0.0 <= value < _INFINITY:
            self._counts[bisect_left(self._bounds, value)] += 1
            self._total += value
        else:
            self.refused += 1

    def counts(self) -> HistogramCounts:
        """What was observed so far."""
        return HistogramCounts(self._bounds, tuple(self._counts), self._total)
