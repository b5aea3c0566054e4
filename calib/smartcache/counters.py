"""Counters of the cache and a histogram of callers' waiting times, in bounded memory."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from calib.smartcache.decide import BYPASS, COMPUTE, SERVE_FRESH, SERVE_STALE

if TYPE_CHECKING:
    from collections.abc import Sequence

BOUNDS_MS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 80.0, 100.0, 150.0, 250.0, 500.0,
                    1000.0, 2500.0, 5000.0, 10_000.0, 30_000.0)  # fmt: skip
"""Upper bounds of the histogram buckets, ms; an overflow bucket follows the last."""
_NS_PER_MS: Final = 1_000_000


class ReadCounters:
    """Counts of reads, computes, refreshes and invalidations.

    ``quick_hits`` are fresh reads served without awaiting. They count in the first bucket without being timed, because
    timing would cost more than the read.
    """

    __slots__ = ("buckets", "bypassed", "computed", "counts", "fresh", "quick_hits", "stale")

    def __init__(self) -> None:
        self.quick_hits = 0
        self.fresh = 0
        self.stale = 0
        self.computed = 0
        self.bypassed = 0
        self.buckets = [0] * (len(BOUNDS_MS) + 1)
        self.counts: Counter[str] = Counter()
        """Other counters by name: computes, compute_failures, stored_<result>, early_refreshes, ..."""

    def served(self, strategy: str, waited_ns: int) -> None:
        """Count a read and its waiting time."""
        if strategy == SERVE_FRESH:
            self.fresh += 1
        elif strategy == SERVE_STALE:
            self.stale += 1
        elif strategy == BYPASS:
            self.bypassed += 1
        else:
            self.computed += 1
        self.buckets[bisect_left(BOUNDS_MS, waited_ns / _NS_PER_MS)] += 1

    @property
    def fresh_served(self) -> int:
        """Number of reads served with a fresh value."""
        return self.quick_hits + self.fresh

    @property
    def reads(self) -> int:
        """Number of reads that returned a value."""
        return self.fresh_served + self.stale + self.computed + self.bypassed

    def strategy_distribution(self) -> dict[str, int]:
        """Return the number of reads by strategy."""
        return {
            BYPASS: self.bypassed,
            COMPUTE: self.computed,
            SERVE_FRESH: self.fresh_served,
            SERVE_STALE: self.stale,
        }

    def rates_pct(self) -> dict[str, float | None]:
        """Return shares of the reads, percent; None without reads."""
        shares = {
            "fresh": self.fresh_served,
            "stale": self.stale,
            "hit": self.fresh_served + self.stale,
            "compute": self.computed,
            "bypass": self.bypassed,
        }
        return {name: share_pct(count, self.reads) for name, count in shares.items()}

    def caller_wait_ms(self) -> dict[str, float | None]:
        """Return quantiles of the callers' waiting time, ms, interpolated within the bucket; None without reads."""
        counts = [self.buckets[0] + self.quick_hits, *self.buckets[1:]]
        return {name: bucket_quantile(counts, q) for name, q in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99))}

    def figures(self) -> dict[str, Any]:
        """Return all counters in the form of `SmartCacheEnhanced.get_metrics`."""
        return {
            "strategy_distribution": self.strategy_distribution(),
            "swr_metrics": {
                "fresh_served": self.fresh_served,
                "stale_served": self.stale,
                "stale_serve_rate_pct": share_pct(self.stale, self.fresh_served + self.stale),
            },
            "reads": self.reads,
            "rates_pct": self.rates_pct(),
            "caller_wait_ms": self.caller_wait_ms(),
            "caller_wait_histogram": self.waits(),
            "counts": dict(sorted(self.counts.items())),
        }

    def waits(self) -> dict[str, Any]:
        """Return the histogram: upper bounds in ms, and counts (with one more for the overflow bucket)."""
        return {"bounds_ms": list(BOUNDS_MS), "counts": [self.buckets[0] + self.quick_hits, *self.buckets[1:]]}


def share_pct(part: int, whole: int) -> float | None:
    """Return ``part`` in percent of ``whole``; None if ``whole`` is 0."""
    return 100.0 * part / whole if whole else None


def bucket_quantile(counts: Sequence[int], q: float) -> float | None:
    """Return a quantile of a histogram, interpolated within its bucket; beyond the last bound, that bound.

    >>> bucket_quantile([10, 10] + [0] * 20, 0.75), bucket_quantile([0] * 22, 0.5)
    (0.175, None)
    """
    total = sum(counts)
    if not total:
        return None
    rank = q * total
    sums = list(accumulate(counts))
    index = bisect_left(sums, rank)
    if index >= len(BOUNDS_MS):
        return BOUNDS_MS[-1]
    low = BOUNDS_MS[index - 1] if index else 0.0
    before = sums[index - 1] if index else 0
    return low + (BOUNDS_MS[index] - low) * (rank - before) / counts[index]
