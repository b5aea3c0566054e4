"""What to watch in the first 24 hours: one table of targets over the figures of `SmartCacheEnhanced.get_metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class SmartCacheTarget(NamedTuple):
    """One target.

    ``name`` is stable; ``path`` leads to the figure in `get_metrics`, keys joined by dots; the figure should lie in
    [``low``, ``high``) or, where ``high_allowed``, up to ``high``; None is no bound. ``unit`` is ``pct``, ``ms`` or
    ``bool``. ``meaning`` says what is wrong outside, ``what_to_do`` the first thing to look at.
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
                     "Too few reads get a fresh value", "Longer TTLs, or the event times are missing"),
    SmartCacheTarget("hit", "rates_pct.hit", 95.0, None, True, "pct",
                     "Too few reads are answered from the cache", "Keys that never repeat, or the cache is off"),
    SmartCacheTarget("caller_p95", "caller_wait_ms.p95", None, 100.0, False, "ms",
                     "Callers wait for computes or for Redis", "The breaker's state, and how long a compute takes"),
    SmartCacheTarget("stale", "rates_pct.stale", 5.0, 10.0, True, "pct",
                     "Outside of what the design expects", "Above: refreshes fail or are slow; below: nothing to do"),
    SmartCacheTarget("compute", "rates_pct.compute", 3.0, 5.0, True, "pct",
                     "Outside of what the design expects", "Above: invalidations or cold keys; below: nothing to do"),
    SmartCacheTarget("bypass", "rates_pct.bypass", None, 2.0, False, "pct",
                     "Too many reads find a market in panic", "The sigma floor is too low for these quotes"),
    SmartCacheTarget("enabled", "enabled", 1.0, None, True, "bool",
                     "The cache is switched off", "Who switched it off: the policy's audit says"),
    SmartCacheTarget("connected", "base_cache_connected", 1.0, None, True, "bool",
                     "Redis does not answer: every read computes", "The server, and health()['breaker']"),
)  # fmt: skip
"""The table."""


def figure(metrics: Mapping[str, Any], path: str) -> float | None:
    """The figure at a path of `get_metrics`, a bool as 0 or 1; None where there is none yet.

    >>> figure({"rates_pct": {"hit": 96.5}, "enabled": True}, "rates_pct.hit")
    96.5
    """
    value: Any = metrics
    for key in path.split("."):
        value = value[key]
    return None if value is None else float(value)


def missed(metrics: Mapping[str, Any]) -> list[SmartCacheTarget]:
    """The targets that these figures miss; a figure that is None misses none.

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
