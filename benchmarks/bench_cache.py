"""The market-data cache against a baseline and five libraries, in one run: reads of an unchanged book.

The baseline is awaiting an ``async def`` that reads a dict. The libraries do less per read (no depth, no use case, no
metadata, no continuity): they show the cost of a read that only has to be fast.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.timing import cpu_interleaved, interleaved, table
from calib.market import BookView, Delta, MDCache, MDCacheConfig, Snapshot
from calib.pipeline import FetchMDStage, QuoteContext

SYMBOL = "BTCUSDT"
LOOP = asyncio.new_event_loop()
Timed = Callable[[int], object]


def body(depth: int = 50) -> dict[str, Any]:
    bids = [(100.0 - level / 10, 1.0) for level in range(depth)]
    asks = [(100.1 + level / 10, 1.0) for level in range(depth)]
    return {"symbol": SYMBOL, "bids": bids, "asks": asks, "update_id": 7, "source": "stream"}


async def fetch(symbol: str, depth: int = 50) -> dict[str, Any]:
    return body(depth)


def awaiting(read: Callable[..., Awaitable[object]], *arguments: Any) -> Timed:
    """``count`` awaits of a read."""

    def run(count: int) -> object:
        async def go() -> None:
            for _ in range(count):
                await read(*arguments)

        return LOOP.run_until_complete(go())

    return run


def calling(read: Callable[..., object], *arguments: Any) -> Timed:
    """``count`` plain calls."""

    def run(count: int) -> object:
        for _ in range(count):
            read(*arguments)
        return None

    return run


def config() -> MDCacheConfig:
    return MDCacheConfig(
        enabled=True,
        ttl_ms=5000,
        fresh_ms_for_pricing=5000,
        guard_max_age_ms=5000,
        max_depth=200,
        refresh_timeout_ms=5000,
    )


def filled() -> MDCache:
    """A cache whose book stays fresh for the benchmark: each repeat takes far less than the 5 s of the policy."""
    cache = MDCache(config(), fetch)
    LOOP.run_until_complete(cache.get_orderbook(SYMBOL, 50))
    return cache


class Refilled:
    """Refreshes the book before each repeat, so that every timed read is a fresh hit."""

    def __init__(self, cache: MDCache, run: Timed) -> None:
        self.cache, self.run = cache, run

    def __call__(self, count: int) -> object:
        self.cache.invalidate(SYMBOL)
        LOOP.run_until_complete(self.cache.get_orderbook(SYMBOL, 50))
        return self.run(count)


def ours() -> dict[str, Timed]:
    cache = filled()

    return {
        "calib get_orderbook": Refilled(cache, awaiting(cache.get_orderbook, SYMBOL, 50)),
        "calib get_orderbook, pricing + id": Refilled(
            cache, awaiting(cache.get_orderbook, SYMBOL, 50, None, False, 7, "pricing")
        ),
        "calib peek": Refilled(cache, calling(cache.peek, SYMBOL, 50)),
    }


def during_refresh() -> Timed:
    """Stale reads while a refresh runs that does not end; set up again before the policy's 5 s are over."""
    stuck = False

    async def slow(symbol: str, depth: int) -> dict[str, Any]:
        if stuck:
            await asyncio.sleep(4)
        return body(depth)

    cache = MDCache(config().changed(ttl_ms=10, fresh_ms_for_pricing=None, guard_max_age_ms=None), slow)
    ready_s = -10.0

    async def set_up() -> None:
        nonlocal stuck
        await cache.close()
        cache.invalidate(SYMBOL)
        stuck = False
        await cache.get_orderbook(SYMBOL, 50)
        stuck = True
        await asyncio.sleep(0.02)
        await cache.get_orderbook(SYMBOL, 50)  # starts the refresh
        await asyncio.sleep(0)

    def run(count: int) -> object:
        nonlocal ready_s

        async def go() -> None:
            for _ in range(count):
                await cache.get_orderbook(SYMBOL, 50)

        if time.monotonic() - ready_s > 2:  # the time of setting up spoils one repeat in many: the median is not moved
            LOOP.run_until_complete(set_up())
            ready_s = time.monotonic()
        return LOOP.run_until_complete(go())

    return run


def floor() -> Timed:
    books = {SYMBOL: body()}

    async def read(symbol: str) -> dict[str, Any]:
        return books[symbol]

    return awaiting(read, SYMBOL)


def peers() -> dict[str, Timed]:
    """The closest feature of each library: one async function, cached by its arguments for 5 s."""
    names = ("aiocache", "async_lru", "cachebox", "cashews", "theine")  # only in the benchmarks' own environment
    aiocache, async_lru, cachebox, cashews, theine = (importlib.import_module(name) for name in names)
    found: dict[str, Timed] = {}

    lru = async_lru.alru_cache(maxsize=1000, ttl=5)(fetch)
    found["async-lru"] = awaiting(lru, SYMBOL, 50)

    boxed = cachebox.cached(cachebox.TTLCache(1000, 5))(fetch)
    found["cachebox"] = awaiting(boxed, SYMBOL, 50)

    memo = theine.Memoize(1000, None)(fetch)
    memo.key(lambda symbol, depth=50: f"{symbol}:{depth}")
    found["theine"] = awaiting(memo, SYMBOL, 50)

    store = cashews.Cache()
    store.setup("mem://")
    LOOP.run_until_complete(store.set("book", body(), expire=60))
    found["cashews, raw get"] = awaiting(store.get, "book")
    decorated = store(ttl="60s", key="{symbol}:{depth}")(fetch)
    found["cashews, decorator"] = awaiting(decorated, SYMBOL, 50)

    memory = aiocache.SimpleMemoryCache()
    LOOP.run_until_complete(memory.set("book", body(), ttl=60))
    found["aiocache, raw get"] = awaiting(memory.get, "book")
    wrapped = aiocache.cached(ttl=60)(fetch)
    found["aiocache, decorator"] = awaiting(wrapped, SYMBOL, 50)
    return found


def allocated_per_hit(depth: int) -> float:
    """Bytes that a hit leaves allocated at its peak, by depth of the book."""
    cache = MDCache(config(), fetch)

    async def go() -> float:
        await cache.get_orderbook(SYMBOL, depth)
        await cache.get_orderbook(SYMBOL, depth)
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for _ in range(100):
            await cache.get_orderbook(SYMBOL, depth)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak - before

    return LOOP.run_until_complete(go())


def after_delta() -> dict[str, Timed]:
    """One delta of a 1000-level book and the first read of a top-10 view after it."""
    cache = MDCache(config(), None)
    bids = [(100.0 - level / 100, 1.0) for level in range(1000)]
    asks = [(100.01 + level / 100, 1.0) for level in range(1000)]
    cache.on_book(SYMBOL, Snapshot(bids, asks, 0))
    update_id = 0

    def run(count: int) -> object:
        nonlocal update_id

        async def go() -> BookView | None:
            nonlocal update_id
            book: BookView | None = None
            for step in range(count):
                update_id += 1
                cache.on_book(SYMBOL, Delta([(100.0, 1.0 + step % 2)], (), update_id))
                book, _ = await cache.get_orderbook(SYMBOL, 10, use_case="pricing")
            return book

        return LOOP.run_until_complete(go())

    return {"calib on_book + first read of top 10": run}


def switched_off() -> dict[str, Timed]:
    """`FetchMDStage` with the cache off, beside the bare callback, at three depths: CPU time, in short batches."""
    bodies = {depth: body(depth) for depth in (1, 50, 1000)}

    async def ready(symbol: str, depth: int) -> dict[str, Any]:
        return bodies[depth]

    stage = FetchMDStage(MDCache(config().changed(enabled=False), ready), ready)
    found: dict[str, Timed] = {}
    for depth in bodies:
        found[f"bare callback, depth {depth}"] = awaiting(ready, SYMBOL, depth)
        found[f"stage, cache off, depth {depth}"] = awaiting(stage.run, QuoteContext(SYMBOL, depth=depth))
    return found


FLOOR = "floor: await a dict read"


def main() -> None:
    hits = interleaved({FLOOR: floor(), **ours()}, 50_000)
    refreshing = interleaved({FLOOR: floor(), "calib stale read during a refresh": during_refresh()}, 50_000)
    others = interleaved({FLOOR: floor(), **after_delta(), **peers()}, 10_000)
    print(table("a fresh read, unchanged book of 50 levels", hits, FLOOR))
    print(table("an old book is served while its refresh runs", refreshing, FLOOR))
    print(table("after each delta of a 1000-level book; and what the libraries take for a hit", others, FLOOR))
    off = cpu_interleaved(switched_off(), 3_000)
    print(table("the stage with the cache off, CPU time", off, "bare callback, depth 1"))
    for depth in (1, 50, 200):
        print(f"  peak bytes over 100 hits at depth {depth}: {allocated_per_hit(depth):.0f}")


if __name__ == "__main__":
    asyncio.set_event_loop(LOOP)
    main()
    LOOP.close()
