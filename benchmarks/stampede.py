"""Behaviour in a stampede: one table, each cache in the same trials, 100 callers and a compute of 50 ms."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from typing import Any

from calib.policy import CacheComplianceMonitor
from calib.smartcache import SmartCacheEnhanced

TTL_S = 0.3
Read = Callable[[], Awaitable[Any]]


class Work:
    """The compute: counts its calls, may fail, may return None."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails = False
        self.none = False

    async def __call__(self) -> Any:
        self.calls += 1
        number, fails = self.calls, self.fails
        await asyncio.sleep(0.05)
        if fails:
            raise OSError("down")
        return None if self.none else number


class Subject:
    """A cache made ready: a read of one key, and a way to drop that key."""

    def __init__(self, read: Read, drop: Callable[[], Awaitable[object]]) -> None:
        self.read, self.drop = read, drop


Maker = Callable[[Work], Subject]


async def one_compute_cold(subject: Subject, work: Work) -> bool:
    await asyncio.gather(*(subject.read() for _ in range(100)))
    return work.calls == 1


async def one_compute_at_expiry(subject: Subject, work: Work) -> bool:
    await subject.read()
    await asyncio.sleep(TTL_S + 0.02)
    await asyncio.gather(*(subject.read() for _ in range(100)))
    await asyncio.sleep(0.1)
    return work.calls == 2


async def nobody_waits_at_expiry(subject: Subject, work: Work) -> bool:
    await subject.read()
    await asyncio.sleep(TTL_S + 0.02)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await asyncio.gather(*(subject.read() for _ in range(100)))
    return loop.time() - began < 0.04


async def a_cancelled_waiter_is_alone(subject: Subject, work: Work) -> bool:
    tasks = [asyncio.ensure_future(subject.read()) for _ in range(10)]
    await asyncio.sleep(0.02)
    tasks[5].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    good = [result for number, result in enumerate(results) if number != 5]
    return good == [1] * 9 and await subject.read() == 1


async def a_cancelled_leader_is_alone(subject: Subject, work: Work) -> bool:
    tasks = [asyncio.ensure_future(subject.read()) for _ in range(10)]
    await asyncio.sleep(0.02)
    tasks[0].cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    return all(isinstance(result, int) for result in results[1:]) and isinstance(await subject.read(), int)


async def a_failure_leaves_nothing(subject: Subject, work: Work) -> bool:
    work.fails = True
    results = await asyncio.gather(*(subject.read() for _ in range(10)), return_exceptions=True)
    work.fails = False
    return all(isinstance(result, OSError) for result in results) and isinstance(await subject.read(), int)


async def invalidated_in_flight_is_not_stored(subject: Subject, work: Work) -> bool:
    task = asyncio.ensure_future(subject.read())
    await asyncio.sleep(0.02)
    await subject.drop()
    await task
    return bool(await subject.read() == 2)


async def a_cached_none_is_a_hit(subject: Subject, work: Work) -> bool:
    work.none = True
    await subject.read()
    await subject.read()
    return work.calls == 1


TRIALS = (
    one_compute_cold,
    one_compute_at_expiry,
    nobody_waits_at_expiry,
    a_cancelled_waiter_is_alone,
    a_cancelled_leader_is_alone,
    a_failure_leaves_nothing,
    invalidated_in_flight_is_not_stored,
    a_cached_none_is_a_hit,
)


def of_calib(work: Work) -> Subject:
    cache = SmartCacheEnhanced(policy=CacheComplianceMonitor())

    async def read() -> Any:
        return (await cache.get_with_intelligence("k", work, {"ttl_s": TTL_S}))["value"]

    return Subject(read, lambda: cache.invalidate("k"))


def of_cashews(work: Work, **options: Any) -> Subject:
    memory = importlib.import_module("cashews").Cache()
    memory.setup("mem://")
    read = memory(ttl=TTL_S, key="k", **options)(_plain(work))
    return Subject(read, lambda: memory.delete("k"))


def of_cashews_early(work: Work) -> Subject:
    memory = importlib.import_module("cashews").Cache()
    memory.setup("mem://")
    read = memory.early(ttl=2 * TTL_S, early_ttl=TTL_S, key="k")(_plain(work))
    return Subject(read, lambda: memory.delete_match("*k*"))


def of_aiocache(work: Work) -> Subject:
    aiocache = importlib.import_module("aiocache")
    read = aiocache.cached_stampede(key="k", namespace=f"work{id(work)}", ttl=TTL_S, lease=2)(_plain(work))
    return Subject(read, lambda: read.cache.delete("k"))


def of_async_lru(work: Work) -> Subject:
    read = importlib.import_module("async_lru").alru_cache(maxsize=10, ttl=TTL_S)(_plain(work))

    async def drop() -> None:
        read.cache_invalidate()

    return Subject(read, drop)


def of_cachebox(work: Work) -> Subject:
    cachebox = importlib.import_module("cachebox")
    memory = cachebox.TTLCache(10, TTL_S)
    read = cachebox.cached(memory, key_maker=lambda *_: "k")(_plain(work))

    async def drop() -> None:
        memory.pop("k", None)

    return Subject(read, drop)


def of_theine(work: Work) -> Subject:
    import datetime as dt

    memo = importlib.import_module("theine").Memoize(10, dt.timedelta(seconds=TTL_S))(_plain(work))
    memo.key(lambda: "k")

    async def drop() -> None:
        memo._cache.delete("k")

    return Subject(memo, drop)


def of_dogpile(work: Work) -> Subject:
    """Plain code: each caller is a thread, and the compute runs in a separate loop."""
    region = importlib.import_module("dogpile.cache").make_region()
    region.configure("dogpile.cache.memory", expiration_time=TTL_S)

    def create() -> Any:
        return asyncio.run(work())

    async def read() -> Any:
        return await asyncio.to_thread(region.get_or_create, "k", create)

    async def drop() -> None:
        region.delete("k")

    return Subject(read, drop)


def _plain(work: Work) -> Callable[[], Awaitable[Any]]:
    async def compute() -> Any:
        return await work()

    return compute


MAKERS: dict[str, Maker] = {
    "calib": of_calib,
    "cashews, lock": lambda work: of_cashews(work, lock=True),
    "cashews, early": of_cashews_early,
    "aiocache, stampede": of_aiocache,
    "async-lru": of_async_lru,
    "cachebox": of_cachebox,
    "theine": of_theine,
    "dogpile, threads": of_dogpile,
}


async def stampede_table() -> str:
    """The table, as Markdown."""
    names = [trial.__name__.replace("_", " ") for trial in TRIALS]
    lines = ["| trial | " + " | ".join(MAKERS) + " |", "|---|" + "---|" * len(MAKERS)]
    for name, trial in zip(names, TRIALS, strict=True):
        cells = [await _tried(maker, trial) for maker in MAKERS.values()]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


async def _tried(maker: Maker, trial: Callable[[Subject, Work], Awaitable[bool]]) -> str:
    work = Work()
    try:
        async with asyncio.timeout(5):
            return "yes" if await trial(maker(work), work) else "no"
    except TimeoutError:
        return "no (hangs)"
    except (Exception, asyncio.CancelledError) as error:
        return f"no ({type(error).__name__})"
