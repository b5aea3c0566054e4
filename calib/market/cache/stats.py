"""What the cache counts, per symbol and over all, and passes on to the metrics."""

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
"""How a read may be answered."""
HITS: Final = ("fresh", "stale")
"""The answers out of the cache."""
_LATENCIES = 256
_REASONS = 32
"""Distinct reasons kept; a bot that makes up more finds them under ``other``."""


class SymbolStats:
    """Counts of one symbol; bounded."""

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
        """Whether the symbol was evicted: what is counted from then on goes to the totals at once."""

    def by_status(self) -> dict[str, int]:
        """Number of reads by how they were answered."""
        return {"fresh": self.reads.fresh, "stale": self.reads.stale, **self.statuses}


def hits(statuses: Mapping[str, int]) -> int:
    """Reads that were answered from what was cached: fresh + stale."""
    return sum(statuses.get(status, 0) for status in HITS)


def hit_ratio(statuses: Mapping[str, int]) -> float | None:
    """(fresh + stale) / reads; None without reads. Direct reads asked nothing of the cache.

    >>> hit_ratio({"fresh": 6, "stale": 1, "miss": 2, "unavailable": 1, "direct": 5})
    0.7
    """
    reads = sum(count for status, count in statuses.items() if status != "direct")
    return hits(statuses) / reads if reads else None


class CacheStats:
    """Counts over all symbols, those that were evicted included.

    Parameters
    ----------
    metrics
        Receives each event once; may be None. One with `record_md_cache_eviction` receives evictions too. An exception
        that it raises is counted (``metrics_errors``) and goes no further: it must not end a resync half-way.

    Attributes
    ----------
    refresh_ms
        Histogram of the refreshes that brought a book, ms.
    """

    __slots__ = (
        "_failures",
        "_forget",
        "_invalidations",
        "_metrics",
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
        self._forget: Callable[[str], None] | None = getattr(metrics, "record_md_cache_eviction", None)
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

    def read(self, symbol: str, ledger: SymbolStats, status: str, age_ms: float | None) -> None:
        """A read was answered."""
        if ledger.retired:
            self._retired[status] += 1
        elif status == "fresh":
            ledger.reads.fresh += 1
        elif status == "stale":
            ledger.reads.stale += 1
        else:
            ledger.statuses[status] += 1
        metrics = self._metrics
        if metrics is None or status == "direct":
            return
        self._record(metrics.record_md_cache_hit if status in HITS else metrics.record_md_cache_miss, symbol)
        if age_ms is not None and status != "withheld":
            self._record(metrics.record_md_cache_age, symbol, age_ms)

    def hit(self, symbol: str, age_ns: int) -> None:
        """A read was answered by a fast path, which has counted it."""
        if self._metrics is not None:
            self._record(self._metrics.record_md_cache_hit, symbol)
            self._record(self._metrics.record_md_cache_age, symbol, age_ns / 1e6)

    def stale_use(self, reason: str) -> None:
        """A book past its freshness was served for pricing, or to a guard as its last resort."""
        self.pricing_on_stale[reason] += 1
        if self._metrics is not None:
            self._record(self._metrics.record_pricing_on_stale, reason)

    def invalidated(self, ledger: SymbolStats, reason: str) -> None:
        """A book was dropped."""
        known = self._invalidations
        name = reason if reason in known or len(known) < _REASONS else "other"
        for counts in (known, ledger.invalidations):
            counts[name] = counts.get(name, 0) + 1
        if self._metrics is not None:
            self._record(self._metrics.record_md_cache_invalidation, name)

    def depth_missed(self, requested: int, cached_depth: int) -> None:
        """A cached book was too shallow."""
        self.depth_misses += 1
        if self._metrics is not None:
            self._record(self._metrics.record_md_cache_depth_miss, requested, cached_depth)

    def refreshed(self, symbol: str, ledger: SymbolStats, latency_ms: float) -> None:
        """A refresh brought a book."""
        ledger.refreshes += 1
        self._refreshes += 1
        ledger.latencies_ms.append(latency_ms)
        self.refresh_ms.observe(latency_ms)
        if self._metrics is not None:
            self._record(self._metrics.record_md_refresh_latency, symbol, latency_ms)

    def failed(self, ledger: SymbolStats, error: str) -> None:
        """A refresh failed."""
        ledger.failures += 1
        self._failures += 1
        ledger.last_error = error

    def evicted(self, symbol: str, ledger: SymbolStats) -> None:
        """A symbol had to go; its reads stay in the totals, those too that are still answered."""
        self.evictions += 1
        ledger.retired = True
        if self._forget is not None:
            self._record(self._forget, symbol)
        for status, count in ledger.by_status().items():
            self._retired[status] += count

    @property
    def refreshes(self) -> int:
        """Refreshes that brought a book, over all symbols."""
        return self._refreshes

    @property
    def failures(self) -> int:
        """Refreshes that failed, over all symbols."""
        return self._failures

    def _record(self, record: Callable[..., None], *values: object) -> None:
        try:
            record(*values)
        except Exception:
            self.metrics_errors += 1

    def statuses(self, ledgers: Iterable[SymbolStats]) -> dict[str, int]:
        """Reads by status over all symbols."""
        total = dict(self._retired)
        for ledger in ledgers:
            for status, count in ledger.by_status().items():
                total[status] += count
        return total

    def invalidations(self) -> dict[str, int]:
        """Invalidations by reason, sorted."""
        return dict(sorted(self._invalidations.items()))


def latency_p95_ms(ledgers: Iterable[SymbolStats]) -> float | None:
    """95th percentile of the latest refresh durations, ms; None without any."""
    return quantile((latency for ledger in ledgers for latency in ledger.latencies_ms), 0.95)


def symbol_summary(ledger: SymbolStats, age_ms: float | None, state: str) -> dict[str, Any]:
    """One symbol's part of the summary."""
    statuses = ledger.by_status()
    return {
        "state": state,
        "age_ms": age_ms,
        "hit_ratio": hit_ratio(statuses),
        "reads": statuses,
        "refreshes": ledger.refreshes,
        "refresh_failures": ledger.failures,
        "refresh_latency_p95_ms": latency_p95_ms([ledger]),
        "invalidations": dict(sorted(ledger.invalidations.items())),
        "last_error": ledger.last_error,
    }
