"""Caches for tests, and computes that count themselves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from calib import virtual_loop
from calib.clock import VirtualClock
from calib.policy import CacheComplianceMonitor
from calib.smartcache import SmartCacheEnhanced, SmartCacheSettings, TagManager

T = TypeVar("T")
START_S = 1_735_689_600.0
"""2025-01-01T00:00:00Z."""


class NeverEarly(random.Random):
    """Draws that never refresh early, and never shorten a pause: 1 - 0 = 1, whose logarithm is 0."""

    def random(self) -> float:
        return 0.0


class Counting:
    """A compute that counts its calls; returns v1, v2, ... after ``seconds``."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.calls = 0
        self.error: BaseException | None = None
        self.gate: asyncio.Event | None = None

    async def __call__(self) -> str:
        self.calls += 1
        value = f"v{self.calls}"
        error = self.error
        if self.gate is not None:
            await self.gate.wait()
        if self.seconds:
            await asyncio.sleep(self.seconds)
        if error is not None:
            raise error
        return value


def make(redis_url: str | None = None, *, tags: str = "football", **options: Any) -> SmartCacheEnhanced:
    """A cache with the football catalogue, draws that never refresh early, and a monitor of its own.

    Options that are settings go into the settings.
    """
    names = SmartCacheSettings.__dataclass_fields__
    settings = {name: options.pop(name) for name in list(options) if name in names}
    options.setdefault("rng", NeverEarly())
    options.setdefault("policy", CacheComplianceMonitor())
    return SmartCacheEnhanced(redis_url, settings=SmartCacheSettings(**settings), tags=TagManager(tags), **options)


def in_virtual_time(body: Callable[[SmartCacheEnhanced, VirtualClock], Coroutine[Any, Any, T]], **options: Any) -> T:
    """Run with a cache in memory, in virtual time; nothing may be left running."""
    clock = VirtualClock(START_S)

    async def main() -> T:
        async with make(clock=clock, **options) as cache:
            return await body(cache, clock)

    return virtual_loop.run(main(), clock=clock)


async def get(cache: SmartCacheEnhanced, compute: Any, key: str = "k", **options: Any) -> tuple[Any, dict[str, Any]]:
    """Value and metadata of a read."""
    result = await cache.get_with_intelligence(key, compute, **options)
    return result["value"], result["metadata"]
