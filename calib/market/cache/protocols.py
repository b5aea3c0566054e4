"""The interfaces that the cache needs, each a small protocol."""

from __future__ import annotations

from typing import Protocol


class CacheMetrics(Protocol):
    """Receives the events of the cache; `calib.pipeline.StageMetrics` implements it."""

    def record_md_cache_hit(self, symbol: str) -> None:
        """A read was answered from the cache, fresh or stale."""
        ...

    def record_md_cache_miss(self, symbol: str) -> None:
        """A read was not answered from the cache."""
        ...

    def record_md_cache_age(self, symbol: str, age_ms: float) -> None:
        """Age of a book that was served, ms."""
        ...

    def record_md_refresh_latency(self, symbol: str, latency_ms: float) -> None:
        """Duration of a successful refresh, ms."""
        ...

    def record_pricing_on_stale(self, reason: str) -> None:
        """A stale book was served: ``pricing_threshold`` or ``guard_block``."""
        ...

    def record_md_cache_invalidation(self, reason: str) -> None:
        """A book was dropped: ``ws_gap``, ``rewind``, ``crossed``, ``price_jump``, ``reconnect``, ``manual``."""
        ...

    def record_md_cache_depth_miss(self, requested: int, have: int) -> None:
        """A cached book was not deep enough."""
        ...
