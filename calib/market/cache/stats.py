"""Counters of the cache, per symbol and in total, also passed on to the metrics."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from calib.market.cache.entry import Reads
from calib.market.cache.quantile import quantile
from calib.metrics.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from calib.market.cache.protocols import CacheMetrics

STATUSES: Final = ("fresh", "stale", "coalesced", "miss", "withheld", "unavailable", "direct")
"""The possible statuses of a read."""
HITS: Final = ("fresh", "stale")
"""The statuses that are cache hits."""
_LATENCIES = 256
_REASONS = 32
"""Maximum number of distinct reasons; further ones are counted as ``other``."""


class SymbolStats:
    """Counters of one symbol; bounded in size."""

    __slots__ = ("failures", "invalidations", "last_error", "latencies_ms", "reads", "refreshes", "retired",
                 "statuses")  # fmt: skip

    def __init__(self) -> None:
        self.reads = Reads()
        self.statuses = dict.fromkeys(STATUSES[2:], 0)
        self.latencies_ms: deque[float] = deque(maxlen=_LATENCIES)
        self.refreshes = 0
        self.failures = 0
        self.invalidations: dict[str, int] = {}
        self.last_error: str | None = None
        self.retired = False
        """Whether the symbol was evicted: later counts go directly to the totals."""

    def by_status(self) -> dict[str, int]:
        """Number of reads by status."""
        return {"fresh": self.reads.fresh, "stale": self.reads.stale, **self.statuses}


def hits(statuses: Mapping[str, int]) -> int:
    """Number of cache hits: fresh + stale."""
    return sum(statuses.get(status, 0) for status in HITS)


def hit_ratio(statuses: Mapping[str, int]) -> float | None:
    """(fresh + stale) / reads; None without reads. Direct reads do not count: the cache was disabled.

    >>> hit_ratio({"fresh": 6, "stale": 1, "miss": 2, "unavailable": 1, "direct": 5})
    0.7
    """
    reads = sum(count for status, count in statuses.items() if status != "direct")
    return hits(statuses) / reads if reads else None


class CacheStats:
    """Counters over all symbols, including evicted ones.

    Parameters
    ----------
    metrics
        Receives each event once; may be None. If it has `record_md_cache_eviction`, it also receives evictions. Its
        exceptions are counted (``metrics_errors``) and suppressed: they must not abort a resync.

    Attributes
    ----------
    refresh_ms
        Histogram of successful refreshes, ms.
    """

    __slots__ = (
        "_failures",
        "_invalidations",
        "_metrics",
        "_record_eviction",
        "_refreshes",
        "_retired",
        "depth_misses",
        "evictions",
        "lagging_reads",
        "metrics_errors",
        "pricing_on_stale",
        "refresh_ms",
        "refused_messages",
        "sequence_gaps",
    )

    def __init__(self, metrics: CacheMetrics | None) -> None:
        self._metrics = metrics
        self._record_eviction: Callable[[str], None] | None = getattr(metrics, "record_md_cache_eviction", None)
        self.refresh_ms = Histogram()
        self._invalidations: dict[str, int] = {}
        self._retired = dict.fromkeys(STATUSES, 0)
        self._refreshes = self._failures = 0
        self.lagging_reads = 0
        self.metrics_errors = 0
        self.refused_messages = 0
        self.pricing_on_stale = {"pricing_threshold": 0, "guard_block": 0}
        self.depth_misses = 0
        self.sequence_gaps = 0
        self.evictions = 0

    def read(self, symbol: str, symbol_stats: SymbolStats, status: str, age_ms: float | None) -> None:
        """Count an answered read."""
        if symbol_stats.retired:
            self._retired[status] += 1
        elif status == "fresh":
            symbol_stats.reads.fresh += 1
        elif status == "stale":
            symbol_stats.reads.stale += 1
        else:
            symbol_stats.statuses[status] += 1
        metrics = self._metrics
        if metrics is None or status == "direct":
            return
        self._record(metrics.record_md_cache_hit if status in HITS else metrics.record_md_cache_miss, symbol)
        if age_ms is not None and status != "withheld":
            self._record(metrics.record_md_cache_age, symbol, age_ms)

    def hit(self, symbol: str, age_ns: int) -> None:
        """Report a read to the metrics that a fast path answered and counted."""
        if self._metrics is not None:
            self._record(self._metrics.record_md_cache_hit, symbol)
            self._record(self._metrics.record_md_cache_age, symbol, age_ns / 1e6)

    def stale_use(self, reason: str) -> None:
        """Count a stale book served for pricing, or to a guard as last resort."""
        self.pricing_on_stale[reason] += 1
        if self._metrics is not None:
            self._record(self._metrics.record_pricing_on_stale, reason)

    def invalidated(self, symbol_stats: SymbolStats, reason: str) -> None:
        """Count a dropped book."""
        known = self._invalidations
        name = reason if reason in known or len(known) < _REASONS else "other"
        for counts in (known, symbol_stats.invalidations):
            counts[name] = counts.get(name, 0) + 1
        if self._metrics is not None:
            self._record(self._metrics.record_md_cache_invalidation, name)

    def depth_missed(self, requested: int, cached_depth: int) -> None:
        """Count a cached book that was not deep enough."""
        self.depth_misses += 1
        if self._metrics is not None:
            self._record(self._metrics.record_md_cache_depth_miss, requested, cached_depth)

    def refreshed(self, symbol: str, symbol_stats: SymbolStats, latency_ms: float) -> None:
        """Count a successful refresh."""
        symbol_stats.refreshes += 1
        self._refreshes += 1
        symbol_stats.latencies_ms.append(latency_ms)
        self.refresh_ms.observe(latency_ms)
        if self._metrics is not None:
            self._record(self._metrics.record_md_refresh_latency, symbol, latency_ms)

    def failed(self, symbol_stats: SymbolStats, error: str) -> None:
        """Count a failed refresh."""
        symbol_stats.failures += 1
        self._failures += 1
        symbol_stats.last_error = error

    def evicted(self, symbol: str, symbol_stats: SymbolStats) -> None:
        """Count an evicted symbol; its reads stay in the totals, also those still being answered."""
        self.evictions += 1
        symbol_stats.retired = True
        if self._record_eviction is not None:
            self._record(self._record_eviction, symbol)
        for status, count in symbol_stats.by_status().items():
            self._retired[status] += count

    @property
    def refreshes(self) -> int:
        """Number of successful refreshes, over all symbols."""
        return self._refreshes

    @property
    def failures(self) -> int:
        """Number of failed refreshes, over all symbols."""
        return self._failures

    def _record(self, record: Callable[..., None], *values: object) -> None:
        try:
            record(*values)
        except Exception:
            self.metrics_errors += 1

    def statuses(self, all_stats: Iterable[SymbolStats]) -> dict[str, int]:
        """Reads by status over all symbols."""
        total = dict(self._retired)
        for symbol_stats in all_stats:
            for status, count in symbol_stats.by_status().items():
                total[status] += count
        return total

    def invalidations(self) -> dict[str, int]:
        """Invalidations by reason, sorted."""
        return dict(sorted(self._invalidations.items()))


def latency_p95_ms(all_stats: Iterable[SymbolStats]) -> float | None:
    """95th percentile of the latest refresh durations, ms; None without refreshes."""
    return quantile((latency for symbol_stats in all_stats for latency in symbol_stats.latencies_ms), 0.95)


def symbol_summary(symbol_stats: SymbolStats, age_ms: float | None, state: str) -> dict[str, Any]:
    """The summary of one symbol."""
    statuses = symbol_stats.by_status()
    return {
        "state": state,
        "age_ms": age_ms,
        "hit_ratio": hit_ratio(statuses),
        "reads": statuses,
        "refreshes": symbol_stats.refreshes,
        "refresh_failures": symbol_stats.failures,
        "refresh_latency_p95_ms": latency_p95_ms([symbol_stats]),
        "invalidations": dict(sorted(symbol_stats.invalidations.items())),
        "last_error": symbol_stats.last_error,
    }
