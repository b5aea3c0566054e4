"""A venue for the tests of the cache: a callback whose answers, delays and failures are scripted, in virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from calib.clock import NS_PER_MS, VirtualClock
from calib.market import MDCache, MDCacheConfig
from calib.virtual_loop import run

T = TypeVar("T")


def levels(depth: int, best: float, step: float) -> list[tuple[float, float]]:
    return [(best + level * step, 1.0 + level) for level in range(depth)]


class Venue:
    """Answers the n-th request with update id ``first_id + n``; every request is noted as (ms, depth)."""

    def __init__(self, clock: VirtualClock, *, latency_ms: float = 20, source: str | None = None) -> None:
        self.clock = clock
        self.latency_ms = latency_ms
        self.source = source
        self.next_id = 1
        self.levels = 200
        self.requests: list[tuple[float, int]] = []
        self.failing = False
        self.running = 0
        self.most_running = 0

    async def fetch(self, symbol: str, depth: int) -> Any:
        self.requests.append((self.clock.monotonic_ns() / NS_PER_MS, depth))
        update_id, self.next_id = self.next_id, self.next_id + 1
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(self.latency_ms / 1000)
        finally:
            self.running -= 1
        if self.failing:
            raise ConnectionError("the venue is down")
        return self.body(symbol, depth, update_id)

    def body(self, symbol: str, depth: int, update_id: int) -> dict[str, Any]:
        n = min(depth, self.levels)
        book = {"symbol": symbol, "bids": levels(n, 100.0, -0.5), "asks": levels(n, 101.0, 0.5), "update_id": update_id}
        return book | ({} if self.source is None else {"source": self.source})

    @property
    def calls(self) -> int:
        return len(self.requests)


class Bench:
    """A cache, its venue and its clock."""

    def __init__(
        self,
        *,
        latency_ms: float = 20,
        source: str | None = "stream",
        callback: bool = True,
        metrics: Any = None,
        **settings: Any,
    ) -> None:
        self.clock = VirtualClock(1_735_689_600.0)
        self.venue = Venue(self.clock, latency_ms=latency_ms, source=source)
        self.config = MDCacheConfig(**({"enabled": True} | settings))
        self.cache = MDCache(
            self.config,
            self.venue.fetch if callback else None,
            clock=self.clock,
            metrics=metrics,
            rng=random.Random(7),
        )

    def run(self, test: Callable[[Bench], Awaitable[T]]) -> T:
        """Run a test's coroutine; tasks left over and exceptions never retrieved fail it."""

        async def main() -> T:
            return await test(self)

        return run(main(), clock=self.clock)

    async def sleep_ms(self, ms: float) -> None:
        await asyncio.sleep(ms / 1000)

    @property
    def now_ms(self) -> float:
        return self.clock.monotonic_ns() / NS_PER_MS
