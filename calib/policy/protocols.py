"""What the policy needs from outside, and what others need from it, each behind one small protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable


class CacheCounts(NamedTuple):
    """A cache's own counters since it was made."""

    hits: int
    misses: int

    @property
    def hit_ratio(self) -> float | None:
        """hits / reads, in [0, 1]; None without reads.

        >>> CacheCounts(3, 1).hit_ratio, CacheCounts(0, 0).hit_ratio
        (0.75, None)
        """
        reads = self.hits + self.misses
        return self.hits / reads if reads else None


@runtime_checkable
class MonitoredCache(Protocol):
    """A cache that the monitor can read and switch off. It is referenced weakly: registering keeps nothing alive."""

    @property
    def enabled(self) -> bool:
        """Whether it serves cached values."""
        ...

    def cache_counts(self) -> CacheCounts:
        """Its counters; called when a report is made, never on a read."""
        ...

    def disable_cache(self, reason: str) -> None:
        """Drop everything and serve nothing from the cache from now on; callable from any thread."""
        ...


class CacheRegistration(Protocol):
    """What `CachePolicy.register` returns."""

    def attach(self, cache: MonitoredCache) -> None:
        """Let the policy read the cache's counters and switch it off."""
        ...


class CachePolicy(Protocol):
    """What a cache declares itself to before it holds anything."""

    def register(self, data_type: str, *, max_age_s: float | None = None, owner: str) -> CacheRegistration | None:
        """Declare a cache of ``data_type`` that serves up to ``max_age_s``; raises where the policy forbids it."""
        ...


class ViolationHandler(Protocol):
    """What the monitor starts at a violation; `calib.policy.EmergencyResponse` is one."""

    def handle_cache_violation(self, violation_type: str, affected_component: str) -> Awaitable[object]:
        """Run the emergency procedure."""
        ...
