"""The sources for the policy monitor and SmartCache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from calib.metrics.histogram import HistogramCounts
from calib.metrics.samples import Samples
from calib.metrics.sources.base import MetricSource

_PROHIBITED: Final = ("balance", "order", "position", "trade")
_STRATEGIES: Final = ("bypass", "compute", "serve_fresh", "serve_stale")


class ViolationCounts(Protocol):
    """The attributes of the policy monitor that are read."""

    @property
    def violations(self) -> Mapping[str, int]: ...


class SmartCacheMetrics(Protocol):
    """The methods of SmartCache that are used."""

    def get_metrics(self) -> Mapping[str, Any]: ...


def read_policy(policy: ViolationCounts, out: Samples) -> None:
    """Report violations; the prohibited types start at 0."""
    for data_type, count in (dict.fromkeys(_PROHIBITED, 0) | dict(policy.violations)).items():
        out.add("mm_cache_policy_violations_total", count, data_type)


def read_smartcache(smartcache: SmartCacheMetrics, out: Samples) -> None:
    """Report reads by strategy, and whether the cache works."""
    seen = smartcache.get_metrics()
    for strategy, count in (dict.fromkeys(_STRATEGIES, 0) | dict(seen["strategy_distribution"])).items():
        out.add("mm_smartcache_reads_total", count, strategy)
    out.add("mm_smartcache_enabled", float(bool(seen["enabled"])))
    out.add("mm_smartcache_connected", float(bool(seen["base_cache_connected"])))
    waits = seen.get("caller_wait_histogram")
    if waits is not None:
        bounds, counts = tuple(waits["bounds_ms"]), tuple(waits["counts"])
        out.add("smartcache_wait_ms", HistogramCounts(bounds, counts, None))


POLICY: Final = MetricSource("policy", ("violations",), read_policy)
SMARTCACHE: Final = MetricSource("smartcache", ("get_metrics",), read_smartcache)
