"""Redis refused, slow, killed, full, read-only, or answering garbage: reads compute, and no caller sees an error."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from calib.errors import ConfigError
from calib.smartcache import EventType
from calib.smartcache.backends.redis_link import safe_address
from tests.smartcache.caches import Counting, get, make
from tests.smartcache.servers import RedisServer, running

QUICK: dict[str, Any] = {"redis_timeout_s": 0.1, "breaker_open_s": 0.3, "breaker_cap_s": 0.6}


def test_refused_from_the_start(own_server: RedisServer) -> None:
    own_server.kill()

    async def main() -> None:
        async with make(own_server.url) as cache:
            compute = Counting(0.05)
            results = await asyncio.gather(*(get(cache, compute) for _ in range(100)))
            assert compute.calls == 1, "single flight in the process holds"
            assert {value for value, _ in results} == {"v1"}
            assert cache.ping() is False
            metrics = cache.get_metrics()
            assert metrics["base_cache_connected"] is False
            assert metrics["backend"]["errors"]["connection"] >= 2
            for key in "abc":
                assert (await get(cache, lambda: "computed", key))[0] == "computed"
            assert cache.health()["breaker"] == "open"
            assert cache.health()["status"] == "degraded"

    asyncio.run(main())


def test_paused_costs_a_timeout_each_until_the_breaker_opens_then_nothing(own_server: RedisServer) -> None:
    async def main() -> None:
        async with make(own_server.url, **QUICK) as cache:
            await get(cache, Counting())
            own_server.pause()
            assert (await get(cache, lambda: "computed"))[0] == "computed"
            for key in "abc":
                await get(cache, lambda: 1, key)
            assert cache.health()["breaker"] == "open"
            began = time.monotonic()
            for key in "defgh":
                await get(cache, lambda: 1, key)
            assert time.monotonic() - began < 0.2
            own_server.resume()
            await asyncio.sleep(0.7)
            assert (await get(cache, lambda: "another"))[0] == "v1", "one probe, and it is used again"
            assert cache.health()["breaker"] == "closed"
            assert cache.health()["status"] == "ok"

    asyncio.run(main())


def test_killed_in_the_middle_of_a_compute_and_restarted(own_server: RedisServer) -> None:
    async def main() -> None:
        async with make(own_server.url, **QUICK) as cache:
            compute = Counting()
            compute.gate = asyncio.Event()
            task = asyncio.create_task(get(cache, compute))
            await asyncio.sleep(0.2)
            own_server.kill()
            compute.gate.set()
            assert (await task)[0] == "v1"
            assert (await get(cache, compute))[0] == "v2"
            own_server.start()
            await asyncio.sleep(0.7)
            assert (await get(cache, compute))[0] == "v3"
            assert (await get(cache, compute))[0] == "v3", "stored again: the scripts came back with it"

    asyncio.run(main())


def test_killed_while_another_process_waits_for_the_lock(own_server: RedisServer) -> None:
    async def main() -> None:
        async with make(own_server.url, **QUICK) as one, make(own_server.url, **QUICK) as other:
            compute = Counting()
            compute.gate = asyncio.Event()
            first = asyncio.create_task(get(one, compute))
            await asyncio.sleep(0.2)
            second = asyncio.create_task(get(other, lambda: "own"))
            await asyncio.sleep(0.2)
            assert not second.done()
            own_server.kill()
            assert (await asyncio.wait_for(second, 3))[0] == "own"
            compute.gate.set()
            assert (await first)[0] == "v1"

    asyncio.run(main())


def test_full(any_executable: str, tmp_path: Path) -> None:
    with running(any_executable, tmp_path, "--maxmemory", "1", "--maxmemory-policy", "noeviction") as server:

        async def main() -> None:
            async with make(server.url) as cache:
                for _ in range(5):
                    assert (await get(cache, Counting()))[0] == "v1"
                backend = cache.get_metrics()["backend"]
                assert backend["errors"]["full"] >= 5
                assert backend["breaker"] == "closed", "it answers: what it holds may be read"

        asyncio.run(main())


def test_full_later_still_invalidates(own_server: RedisServer) -> None:
    async def main() -> None:
        async with make(own_server.url) as cache:
            key = cache.keys.make("m1", "over_under_2_5")
            await get(cache, lambda: "old", key)
            own_server.command("CONFIG", "SET", "maxmemory", "1")
            await cache.invalidate_by_event(EventType.GK_CHANGE, "m1")
            own_server.command("CONFIG", "SET", "maxmemory", "0")
            assert (await get(cache, lambda: "new", key))[0] == "new"

    asyncio.run(main())


def test_read_only(own_server: RedisServer) -> None:
    async def main() -> None:
        async with make(own_server.url) as cache:
            await get(cache, lambda: "held")
            own_server.command("REPLICAOF", "127.0.0.1", "1")
            assert (await get(cache, lambda: "new"))[0] == "held", "what it holds is read"
            assert (await get(cache, lambda: "computed", "another"))[0] == "computed"
            assert cache.get_metrics()["backend"]["errors"]["read_only"] >= 1
            result = await cache.invalidate_by_event("GK_CHANGE", "k")
            assert (result["complete"], result["invalidated_keys"]) == (False, None)
            assert (await get(cache, lambda: "new"))[0] == "new", "nothing is read while an invalidation is owed"
            own_server.command("REPLICAOF", "NO", "ONE")
            assert (await get(cache, lambda: "newer"))[0] == "newer", "the old value went before the first read"
            assert (await get(cache, lambda: "newest"))[0] == "newer"
            assert cache.health()["invalidations_owed"] == 0

    asyncio.run(main())


@pytest.mark.parametrize(
    "answer", [b"\x00\xff garbage\r\n", b"$5\r\nab", b"*9999999\r\n", b":1\r\n", b"", b"-ERR no\r\n"]
)
def test_answering_garbage(answer: bytes) -> None:
    async def main() -> None:
        async with garbage_server(answer) as url, make(url, **QUICK) as cache:
            for key in "abcde":
                assert (await get(cache, lambda: "computed", key))[0] == "computed"
            backend = cache.get_metrics()["backend"]
            assert sum(backend["errors"].values()) + backend["corrupt"] >= 1
            assert (await cache.invalidate_by_event("GK_CHANGE", "a"))["complete"] in (True, False)
            await cache.invalidate("a")
            await cache.clear()

    asyncio.run(main())


@contextlib.asynccontextmanager
async def garbage_server(answer: bytes) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while await reader.read(4096):
                writer.write(answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    finally:
        server.close()


def test_a_cancelled_read_of_a_slow_server_leaves_the_connection_usable(own_server: RedisServer) -> None:
    async def main() -> None:
        async with make(own_server.url) as cache:
            await get(cache, lambda: "a", "a")
            await get(cache, lambda: "b", "b")
            own_server.pause()
            task = asyncio.create_task(get(cache, lambda: "x", "a"))
            await asyncio.sleep(0.05)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            own_server.resume()
            assert (await get(cache, lambda: "x", "b"))[0] == "b", "not the answer to the cancelled read"

    asyncio.run(main())


def test_invalidations_that_redis_did_not_answer_are_done_before_the_next_read(own_server: RedisServer) -> None:
    async def main() -> None:
        async with make(own_server.url, **QUICK) as cache:
            key = cache.keys.make("m1", "over_under_2_5")
            await get(cache, lambda: "old", key)
            own_server.pause()
            result = await cache.invalidate_by_event(EventType.GK_CHANGE, "m1")
            assert result["complete"] is False
            own_server.resume()
            await asyncio.sleep(0.7)
            assert (await get(cache, lambda: "new", key))[0] == "new"

    asyncio.run(main())


def test_no_secret_of_an_address_is_shown(
    any_executable: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with running(any_executable, tmp_path, "--requirepass", "right-Secret") as server:
        url = server.url.replace("redis://", "redis://me:wrong-Secret@")

        async def main() -> str:
            async with make(url) as cache:
                await get(cache, Counting())
                cache.ping()
                return f"{cache!r} {cache.get_metrics()} {cache.health()}"

        shown = asyncio.run(main())
        good = server.url.replace("redis://", "redis://:right-Secret@")

        async def reads() -> str:
            async with make(good) as cache:
                await get(cache, Counting())
                assert cache.ping() is True
                return f"{(await get(cache, Counting()))[1]} {cache!r}"

        shown += asyncio.run(reads())
    assert "not_authorised" in shown
    assert f"redis://127.0.0.1:{server.port}/0" in shown
    for text in (shown, caplog.text):
        assert "Secret" not in text
    assert "redis://" in caplog.text


@pytest.mark.parametrize(
    "url", ["redis://u:se/cret@h", "redis://u:sec#ret@h:1", "http://u:secret@h", "redis://h:secret", ""]
)
def test_an_address_that_is_not_understood_is_an_error_without_it(url: str) -> None:
    try:
        cache = make(url)
    except ConfigError as error:
        shown = f"{error} {error.__cause__} {error.__suppress_context__}"
        assert "True" in shown
    else:
        shown = repr(cache)
    assert "cret" not in shown.replace("cret_", "")


def test_safe_addresses() -> None:
    assert safe_address("unix://user:pw@/run/redis.sock?db=1") in ("unix:///run/redis.sock", "redis://(not shown)")
    assert safe_address("rediss://h/1") == "rediss://h/1"
    assert safe_address("redis://h:6379/secret") == "redis://h:6379"
