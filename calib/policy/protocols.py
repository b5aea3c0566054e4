"""The protocols between the policy, caches and the emergency procedure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable


class CacheCounts(NamedTuple):
    """A cache's counters since its creation."""

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
    """A cache that the monitor can read and disable. The monitor holds only a weak reference."""

    @property
    def enabled(self) -> bool:
        """Whether it serves cached values."""
        ...

    def cache_counts(self) -> CacheCounts:
        """Return its counters; called for reports, never on a read."""
        ...

    def disable_cache(self, reason: str) -> None:
        """Drop all values and stop serving from the cache; callable from any thread."""
        ...


class CacheRegistration(Protocol):
    """The result of `CachePolicy.register`."""

    def attach(self, cache: MonitoredCache) -> None:
        """Let the policy read the cache's counters and disable it."""
        ...


class CachePolicy(Protocol):
    """The policy that a cache registers with before it stores values."""

    def register(self, data_type: str, *, max_age_s: float | None = None, owner: str) -> CacheRegistration | None:
        """Register a cache of ``data_type`` that serves up to ``max_age_s``; raises if the policy forbids it."""
        ...


class ViolationHandler(Protocol):
    """The handler that the monitor starts at a violation, such as `calib.policy.EmergencyResponse`."""

    def handle_cache_violation(self, violation_type: str, affected_component: str) -> Awaitable[object]:
        """Run the emergency procedure."""
        ...
