"""Target values of the figures of `SmartCacheEnhanced.get_metrics`, to check in the first 24 hours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class SmartCacheTarget(NamedTuple):
    """One target.

    ``name`` is stable; ``path`` is the path of the figure in `get_metrics`, keys joined by dots. The target range is
    [``low``, ``high``), including ``high`` if ``high_allowed``; None is no bound. ``unit`` is ``pct``, ``ms`` or
    ``bool``. ``meaning`` describes the problem outside the range, ``what_to_do`` what to check first.
    """

    name: str
    path: str
    low: float | None
    high: float | None
    high_allowed: bool
    unit: str
    meaning: str
    what_to_do: str


TARGETS: Final = (
    SmartCacheTarget("fresh", "rates_pct.fresh", 90.0, None, True, "pct",
                     "Too few reads return a fresh value", "Use longer TTLs; check that event times are given"),
    SmartCacheTarget("hit", "rates_pct.hit", 95.0, None, True, "pct",
                     "Too few reads are served from the cache", "Check for keys that never repeat; is the cache on?"),
    SmartCacheTarget("caller_p95", "caller_wait_ms.p95", None, 100.0, False, "ms",
                     "Callers wait for computes or for Redis", "Check the circuit breaker and the compute times"),
    SmartCacheTarget("stale", "rates_pct.stale", 5.0, 10.0, True, "pct",
                     "Outside the expected range", "Above: refreshes fail or are slow; below: nothing to do"),
    SmartCacheTarget("compute", "rates_pct.compute", 3.0, 5.0, True, "pct",
                     "Outside the expected range", "Above: invalidations or cold keys; below: nothing to do"),
    SmartCacheTarget("bypass", "rates_pct.bypass", None, 2.0, False, "pct",
                     "Too many reads bypass the cache in a panic", "Raise sigma_floor_ratio for these quotes"),
    SmartCacheTarget("enabled", "enabled", 1.0, None, True, "bool",
                     "The cache is disabled", "See the policy's audit for who disabled it"),
    SmartCacheTarget("connected", "base_cache_connected", 1.0, None, True, "bool",
                     "Redis does not respond: every read computes", "Check the server and health()['breaker']"),
)  # fmt: skip
"""Every target."""


def figure(metrics: Mapping[str, Any], path: str) -> float | None:
    """Return the figure at a path of `get_metrics`, a bool as 0 or 1; None without data.

    >>> figure({"rates_pct": {"hit": 96.5}, "enabled": True}, "rates_pct.hit")
    96.5
    """
    value: Any = metrics
    for key in path.split("."):
        value = value[key]
    return None if value is None else float(value)


def missed(metrics: Mapping[str, Any]) -> list[SmartCacheTarget]:
    """Return the targets that the figures miss; a figure that is None misses no target.

    >>> [target.name for target in missed({"rates_pct": {"fresh": 80.0, "hit": 95.0, "stale": 15.0, "compute": 5.0,
    ...     "bypass": 0.0}, "caller_wait_ms": {"p95": 100.0}, "enabled": True, "base_cache_connected": True})]
    ['fresh', 'caller_p95', 'stale']
    """
    return [target for target in TARGETS if not _within(target, figure(metrics, target.path))]


def _within(target: SmartCacheTarget, value: float | None) -> bool:
    if value is None:
        return True
    if target.low is not None and value < target.low:
        return False
    if target.high is None:
        return True
    return value <= target.high if target.high_allowed else value < target.high
