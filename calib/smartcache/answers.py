"""The result of a read: the value and its metadata."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calib.clock import NS_PER_S
from calib.smartcache.decide import BYPASS, COMPUTE

if TYPE_CHECKING:
    from calib.smartcache.decide import ServeDecision
    from calib.smartcache.entry import CachedEntry
    from calib.smartcache.flight import FlightOutcome
    from calib.smartcache.volatility import VixStatus


def answer(
    entry: CachedEntry, decision: ServeDecision, vix: VixStatus, source: str, refreshing: bool, now_ns: int
) -> dict[str, Any]:
    """Return the result that serves an entry; ``age`` is its age now, s."""
    return {
        "value": entry.value,
        "metadata": {
            "strategy": decision.strategy,
            "source": source,
            "zone": decision.zone,
            "ttl": decision.ttl_s,
            "vix_status": vix.value,
            "age": max(0, now_ns - entry.as_of_ns) / NS_PER_S,
            "reason": decision.reason,
            "refreshing": refreshing,
        },
    }


def computed(
    outcome: FlightOutcome, joined: bool, decision: ServeDecision, vix: VixStatus, now_ns: int
) -> dict[str, Any]:
    """Return the result of a compute; ``joined``: whether another caller started it."""
    entry = outcome.entry
    assert entry is not None  # `SharedComputes.value` raises if there is none
    source = "shared" if joined or outcome.shared else COMPUTE
    return answer(entry, decision._replace(zone=entry.zone, ttl_s=entry.ttl_s), vix, source, False, now_ns)


def uncached(value: Any, waited_ns: int) -> dict[str, Any]:
    """Return the result of a disabled cache."""
    return {
        "value": value,
        "metadata": {
            "strategy": BYPASS,
            "source": COMPUTE,
            "zone": "standard",
            "ttl": 0.0,
            "vix_status": "normal",
            "age": waited_ns / NS_PER_S,
            "reason": "disabled",
            "refreshing": False,
        },
    }
