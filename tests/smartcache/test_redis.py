"""The Redis back end on real servers: what lies there, ages, tags, fences, what JSON cannot hold."""

from __future__ import annotations

import asyncio
import datetime as dt
import time
from typing import Any

import pytest

from calib.smartcache import EventType
from tests.smartcache.caches import Counting, get, make
from tests.smartcache.servers import RedisServer


def number(answer: bytes) -> int:
    return int(answer[1:].split(b"\r\n")[0])


def keys(server: RedisServer) -> list[str]:
    return [word.decode() for word in server.command("KEYS", "*").split(b"\r\n") if word.startswith(b"monps")]


def test_every_key_has_a_time_to_live(server: RedisServer) -> None:
    async def main() -> None:
        async with make(server.url) as cache:
            key = cache.keys.make("m1", "over_under_2_5")
            await get(cache, Counting(), key)
            assert set(keys(server)) == {
                "monps:prod:v1:m1:over_under_2_5",
                "monps:prod:v1:!fence",
                "monps:prod:v1:!tag:m1:over_under_2_5",
            }
            gate = asyncio.Event()
            slow = Counting()
            slow.gate = gate
            task = asyncio.create_task(get(cache, slow, key, force_refresh=True))
            other = asyncio.create_task(get(cache, slow, "another key"))
            await asyncio.sleep(0.2)
            assert "monps:prod:v1:another%20key:!lock" in keys(server)
            await cache.invalidate_by_event(EventType.GK_CHANGE, "m1")
            await cache.invalidate("another key")
            await cache.clear()
            gate.set()
            await asyncio.gather(task, other)
            await get(cache, Counting(), key)
        for name in keys(server):
            assert number(server.command("PTTL", name)) > 0, name

    asyncio.run(main())


def test_an_age_is_the_time_since_the_compute_began_for_every_reader(server: RedisServer) -> None:
    async def main() -> None:
        async with make(server.url) as writer, make(server.url) as reader:
            began = time.monotonic()
            await get(writer, Counting(0.3))
            _, meta = await get(reader, Counting())
            assert (meta["strategy"], meta["source"]) == ("serve_fresh", "redis")
            # The server tells the time by the wall clock, which may be slewed against the monotonic one.
            assert 0.29 <= meta["age"] <= time.monotonic() - began + 0.01

    asyncio.run(main())


def test_an_entry_lives_for_twice_its_ttl(server: RedisServer) -> None:
    async def main() -> None:
        async with make(server.url) as cache:
            await get(cache, Counting(), match_context={"ttl_s": 50})
        assert 90_000 < number(server.command("PTTL", "monps:prod:v1:k")) <= 100_000

    asyncio.run(main())


def test_another_version_is_another_cache_and_clear_keeps_to_its_own(server: RedisServer) -> None:
    async def main() -> None:
        async with make(server.url) as one, make(server.url, version="v2") as two:
            await get(one, lambda: "one")
            assert (await get(two, lambda: "two"))[0] == "two"
            await one.clear()
            assert (await get(one, lambda: "again"))[0] == "again"
            assert (await get(two, lambda: "again"))[0] == "two"

    asyncio.run(main())


@pytest.mark.parametrize(
    "value", [None, 0, -1.5, "", "é|\n", [], {}, {"a": [1, 2.5, None, {"b": False}]}, 2**63, True, "null"]
)
def test_what_json_holds_comes_back_equal(server: RedisServer, value: object) -> None:
    async def main() -> None:
        async with make(server.url) as cache:
            assert (await get(cache, lambda: value))[0] == value
            found, meta = await get(cache, lambda: "another")
            assert (found, type(found), meta["strategy"]) == (value, type(value), "serve_fresh")

    asyncio.run(main())


@pytest.mark.parametrize(
    "value",
    [float("nan"), [1.0, {"a": float("inf")}], {1, 2}, {1: 2}, 2**70, dt.datetime(2025, 1, 1, tzinfo=dt.UTC), object()],
    ids=lambda value: type(value).__name__,
)
def test_what_json_would_change_is_returned_counted_and_not_stored(server: RedisServer, value: Any) -> None:
    async def main() -> None:
        async with make(server.url) as cache:
            for _ in range(2):
                found, meta = await get(cache, lambda: value)
                assert found is value
                assert meta["strategy"] == "compute"
            assert cache.get_metrics()["backend"]["unstorable"] == 2
            assert (await get(cache, lambda: 1))[0] == 1, "no lock was left behind"

    asyncio.run(main())


def test_a_tuple_is_a_list_from_the_first_caller_on(server: RedisServer) -> None:
    async def main() -> None:
        async with make(server.url) as cache:
            assert (await get(cache, lambda: (1, 2)))[0] == [1, 2]
            assert (await get(cache, lambda: (1, 2)))[0] == [1, 2]

    asyncio.run(main())


@pytest.mark.parametrize(
    "garbage", [b"", b"garbage", b"1|2|3", b"2|1|30000|60000|1|golden|1", b"1|1|30000|60000|1|golden|{", b"\xff|" * 9]
)
def test_garbage_under_a_key_is_a_miss_and_is_replaced(server: RedisServer, garbage: bytes) -> None:
    async def main() -> None:
        async with make(server.url) as cache:
            server.command("SET", "monps:prod:v1:k", garbage, "PX", "60000")
            compute = Counting()
            assert (await get(cache, compute))[0] == "v1"
            assert (await get(cache, compute))[0] == "v1"
            assert cache.get_metrics()["backend"]["corrupt"] >= 1

    asyncio.run(main())


def test_a_key_of_another_type_is_computed_and_counted(server: RedisServer) -> None:
    async def main() -> None:
        async with make(server.url) as cache:
            server.command("LPUSH", "monps:prod:v1:k", "x")
            assert (await get(cache, Counting()))[0] == "v1"
            assert cache.get_metrics()["backend"]["errors"]["reply"] >= 1
            assert cache.get_metrics()["backend"]["breaker"] == "closed"

    asyncio.run(main())


def test_a_key_that_lost_its_time_to_live_is_a_miss(server: RedisServer) -> None:
    async def main() -> None:
        async with make(server.url) as cache:
            await get(cache, Counting())
            server.command("PERSIST", "monps:prod:v1:k")
            assert (await get(cache, lambda: "new"))[0] == "new"

    asyncio.run(main())


def test_an_evicted_fence_does_not_stop_stores(server: RedisServer) -> None:
    async def main() -> None:
        async with make(server.url) as cache:
            for _ in range(5):
                await get(cache, Counting(), force_refresh=True)
            server.command("DEL", "monps:prod:v1:!fence")
            await get(cache, lambda: "new", force_refresh=True)
            assert (await get(cache, lambda: "another"))[0] == "new"

    asyncio.run(main())


def test_an_invalidation_by_another_process_voids_a_compute_in_flight(server: RedisServer) -> None:
    async def main() -> None:
        async with make(server.url) as here, make(server.url) as there:
            key = here.keys.make("m1", "over_under_2_5")
            compute = Counting()
            compute.gate = asyncio.Event()
            first = asyncio.create_task(get(here, compute, key))
            await asyncio.sleep(0.1)
            result = await there.invalidate_by_event(EventType.GK_CHANGE, "m1")
            assert result["invalidated_keys"] == 0
            assert (await get(there, lambda: "new", key))[0] == "new", "the lock went too: nobody waits"
            late = asyncio.create_task(get(here, compute, key))
            await asyncio.sleep(0.1)
            compute.gate.set()
            assert (await first)[0] == "v1"
            assert (await late)[0] == "new", "a caller after the invalidation is not given what began before it"
            assert (await get(here, compute, key))[0] == "new"

    asyncio.run(main())


def test_a_forced_compute_without_a_lock_is_voided_too(server: RedisServer) -> None:
    async def main() -> None:
        async with make(server.url) as here, make(server.url) as there:
            key = here.keys.make("m1", "over_under_2_5")
            compute = Counting()
            compute.gate = asyncio.Event()
            task = asyncio.create_task(get(here, compute, key, force_refresh=True))
            await asyncio.sleep(0.1)
            await there.invalidate_by_event(EventType.GK_CHANGE, "m1")
            compute.gate.set()
            await task
            assert (await get(here, lambda: "new", key))[0] == "new"

    asyncio.run(main())


def test_a_clear_voids_a_compute_in_flight(server: RedisServer) -> None:
    async def main() -> None:
        async with make(server.url) as here, make(server.url) as there:
            compute = Counting()
            compute.gate = asyncio.Event()
            task = asyncio.create_task(get(here, compute, force_refresh=True))
            await asyncio.sleep(0.1)
            await there.clear()
            compute.gate.set()
            await task
            assert (await get(there, lambda: "new"))[0] == "new"

    asyncio.run(main())


def test_an_invalidation_is_one_round_trip(server: RedisServer) -> None:
    async def main() -> None:
        async with make(server.url) as cache:
            await get(cache, Counting(), cache.keys.make("m1", "over_under_2_5"))
            await cache.invalidate_by_event(EventType.GK_CHANGE, "m1")
            before = calls(server)
            await cache.invalidate_by_event(EventType.GK_CHANGE, "m1")
            assert calls(server)["evalsha"] - before["evalsha"] == 1

    asyncio.run(main())


def calls(server: RedisServer) -> dict[str, int]:
    lines = server.command("INFO", "commandstats").decode().split("\r\n")
    pairs = (line.removeprefix("cmdstat_").partition(":calls=") for line in lines if line.startswith("cmdstat_"))
    return {name: int(rest.split(",")[0]) for name, _, rest in pairs}


def test_a_local_memory_sees_invalidations_of_others_within_its_time(server: RedisServer) -> None:
    async def main() -> None:
        async with make(server.url, local_ttl_s=0.3) as here, make(server.url) as there:
            await get(here, lambda: "old")
            server_reads = calls(server)["evalsha"]
            assert (await get(here, lambda: "new"))[1]["source"] == "two_level"
            assert calls(server)["evalsha"] == server_reads
            await there.invalidate("k")
            await asyncio.sleep(0.35)
            assert (await get(here, lambda: "new"))[0] == "new"
            await here.invalidate("k")
            assert (await get(here, lambda: "newer"))[0] == "newer"

    asyncio.run(main())


def test_a_program_may_run_one_loop_after_the_other(server: RedisServer) -> None:
    cache = make(server.url)

    async def read() -> Any:
        try:
            return (await get(cache, Counting()))[1]["strategy"]
        finally:
            await cache.close()

    assert [asyncio.run(read()) for _ in range(2)] == ["compute", "serve_fresh"]
