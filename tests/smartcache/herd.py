"""A process with callers of one key; prints one line of JSON: its computes and what its callers got.

    python -m tests.smartcache.herd URL CALLERS COMPUTE_S LEASE_S [TTL_S]

It says "ready" and begins when it is given a line. Each compute leaves its mark on the server: INCR computes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import Any

import redis.asyncio

from calib.policy import CacheComplianceMonitor
from calib.smartcache import SmartCacheEnhanced, SmartCacheSettings
from tests.smartcache.caches import NeverEarly


async def main(url: str, callers: int, compute_s: float, lease_s: float, ttl_s: float | None) -> None:
    marks = redis.asyncio.Redis.from_url(url, protocol=2)

    async def compute() -> int:
        number = int(await marks.incr("computes"))
        say("computing")
        await asyncio.sleep(compute_s)
        return number

    settings = SmartCacheSettings(lease_s=lease_s)
    cache = SmartCacheEnhanced(url, settings=settings, policy=CacheComplianceMonitor(), rng=NeverEarly())
    context: dict[str, Any] | None = None if ttl_s is None else {"ttl_s": ttl_s}
    say("ready")
    await asyncio.to_thread(sys.stdin.readline)
    began = time.monotonic()
    results = await asyncio.gather(*(cache.get_with_intelligence("k", compute, context) for _ in range(callers)))
    waited_s = time.monotonic() - began
    strategies: dict[str, int] = {}
    for result in results:
        strategy = result["metadata"]["strategy"]
        strategies[strategy] = strategies.get(strategy, 0) + 1
    while cache.get_metrics()["in_flight"]:  # noqa: ASYNC110  # the cache has no event for it
        await asyncio.sleep(0.01)
    values = sorted({result["value"] for result in results})
    counts = cache.get_metrics()["counts"]
    report = {"values": values, "strategies": strategies, "waited_s": waited_s, "counts": counts}
    say(json.dumps(report))
    await cache.close()
    await marks.aclose()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    url, callers, compute_s, lease_s, *rest = sys.argv[1:]
    asyncio.run(main(url, int(callers), float(compute_s), float(lease_s), float(rest[0]) if rest else None))
