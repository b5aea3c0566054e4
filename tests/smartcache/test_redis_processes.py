"""Several processes, one real server: one compute for them all, and what a killed one costs the others."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.smartcache.caches import Counting, get, make
from tests.smartcache.servers import RedisServer

REPOSITORY = Path(__file__).resolve().parents[2]


def herds(count: int, server: RedisServer, callers: int, compute_s: float, lease_s: float, *more: float) -> list[Any]:
    """Processes that begin together, when each is ready."""
    words = [server.url, callers, compute_s, lease_s, *more]
    found = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.smartcache.herd", *map(str, words)],
            cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(count)
    ]  # fmt: skip
    for one in found:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n", one.stderr.read() if one.stderr else ""
    for one in found:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    return found


def reports(processes: list[Any]) -> list[dict[str, Any]]:
    found = []
    for one in processes:
        out, err = one.communicate(timeout=60)
        assert one.returncode == 0, err
        assert "Traceback" not in err
        found.append(json.loads(out.splitlines()[-1]))
    return found


def computes(server: RedisServer) -> int:
    return int(server.command("GET", "computes").split(b"\r\n")[1])


def test_four_processes_of_25_callers_compute_once_cold(server: RedisServer) -> None:
    found = reports(herds(4, server, 25, 0.5, 5.0))
    assert computes(server) == 1
    assert [report["values"] for report in found] == [[1]] * 4
    assert [sum(report["strategies"].values()) for report in found] == [25] * 4


def test_four_processes_of_25_callers_compute_once_at_expiry(server: RedisServer) -> None:
    async def fill() -> None:
        async with make(server.url) as cache:
            await get(cache, lambda: 0, match_context={"ttl_s": 600})

    asyncio.run(fill())
    server.command("PEXPIRE", "monps:prod:v1:k", "599000")  # 601 s of its 1200 are gone: just stale
    found = reports(herds(4, server, 25, 1.5, 5.0, 600))
    assert computes(server) == 1
    assert [report["values"] for report in found] == [[0]] * 4, "all were served the old value at once"
    assert [report["strategies"] for report in found] == [{"serve_stale": 25}] * 4
    assert max(report["waited_s"] for report in found) < 1.5


def test_a_killed_lock_holder_delays_the_rest_by_at_most_the_lease(own_server: RedisServer) -> None:
    lease_s = 1.5
    [holder] = herds(1, own_server, 1, 60.0, lease_s)
    assert holder.stdout.readline() == "computing\n"
    waiting = herds(1, own_server, 25, 0.0, lease_s)
    time.sleep(1.8)  # they wait for the lock, which the holder has renewed
    assert computes(own_server) == 1
    killed = time.monotonic()
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    [report] = reports(waiting)
    assert time.monotonic() - killed < lease_s + 1.5, "the lease, and the end of a process on a busy machine"
    assert (report["values"], computes(own_server)) == ([2], 2)


def test_a_paused_holder_that_comes_back_cannot_store(own_server: RedisServer) -> None:
    [holder] = herds(1, own_server, 1, 1.0, 0.5)
    assert holder.stdout.readline() == "computing\n"
    holder.send_signal(signal.SIGSTOP)

    async def other() -> str:
        async with make(own_server.url, lease_s=0.5) as cache:
            value, _ = await get(cache, Counting())
            return str(value)

    try:
        assert asyncio.run(other()) == "v1"
    finally:
        holder.send_signal(signal.SIGCONT)
    [report] = reports([holder])
    assert report["values"] == [1]
    assert "stored" not in report["counts"]
    assert asyncio.run(other()) == "v1", "still the value of the process that took over"
