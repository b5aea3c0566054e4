"""One machine over all back ends of the SmartCache: reads, forced reads, failures, cancellations, events, time.

Computes end when the machine says so, and the cache's clock moves when it says so; on a real Redis server time passes
by shortening what is left of each value's life. Which compute a value may come from is judged by logical sequence.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from calib.clock import NS_PER_S, VirtualClock
from calib.smartcache import SmartCacheEnhanced
from calib.virtual_loop import VirtualLoop
from tests.smartcache.caches import START_S, make
from tests.smartcache.servers import SKIP, RedisServer, executables

TTL_S = 300.0
KEYS = {
    "a": ("m1", "over_under_2_5"),
    "b": ("m1", "red_card"),
    "c": ("m2", "over_under_2_5"),
}
EVENTS = {"GK_CHANGE": "over_under_2_5", "REFEREE_ASSIGNED": "red_card"}
NAMES = st.sampled_from(sorted(KEYS))


@dataclass(eq=False)
class Work:
    """One compute that began; its number is its value."""

    number: int
    name: str
    began: int
    began_ns: int
    end: asyncio.Future[bool]


@dataclass(eq=False)
class Read:
    """One read under way."""

    task: asyncio.Task[dict[str, Any]]
    name: str
    began: int
    forced: bool
    voided: int
    """Logical time of the last invalidation of its key before it began."""
    cancelled: bool = False


@dataclass
class Held:
    """What the cache should hold of a key."""

    number: int = 0
    as_of_ns: int | None = None
    voided: int = 0
    last_served: int = 0
    failures: list[int] = field(default_factory=list)


class SmartCacheMachine(RuleBasedStateMachine):
    """The rules; a subclass says what keeps the values."""

    reads = Bundle("reads")
    server: ClassVar[RedisServer | None] = None
    local_ttl_s: ClassVar[float] = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock(START_S)
        self.problems: list[dict[str, Any]] = []
        self.loop: asyncio.AbstractEventLoop = VirtualLoop() if self.server is None else asyncio.new_event_loop()
        self.loop.set_exception_handler(lambda _, context: self.problems.append(context))
        self.sequence = itertools.count(1)
        self.works: list[Work] = []
        self.ended: dict[int, Work] = {}
        self.open: list[Read] = []
        self.held = {name: Held() for name in KEYS}
        self.commands = 0
        if self.server is not None:
            self.server.command("FLUSHALL")
        self.cache = self.run(self.made())
        self.names = {name: self.cache.keys.make(*parts) for name, parts in KEYS.items()}

    async def made(self) -> SmartCacheEnhanced:
        if self.server is None:
            return make(clock=self.clock, hard_timeout_s=3600.0)
        cache = make(
            self.server.url, clock=self.clock, hard_timeout_s=3600.0, local_ttl_s=self.local_ttl_s, lease_s=60.0
        )
        backend: Any = cache._backend
        link = getattr(backend, "remote", backend).link
        plain = link.run

        async def counted(*arguments: Any, **options: Any) -> Any:
            self.commands += 1
            try:
                return await plain(*arguments, **options)
            finally:
                self.commands -= 1

        link.run = counted
        return cache

    def run(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    def settle(self) -> None:
        """Let everything run that waits for no compute."""

        async def quiet() -> None:
            still = 0
            while still < 4:
                await asyncio.sleep(0)
                if self.commands:
                    await asyncio.sleep(0.0005)
                    still = 0
                still += 1

        self.run(quiet())
        for read in [read for read in self.open if read.task.done()]:
            self.open.remove(read)
            self.judge(read)

    # --- what happens

    async def compute(self, name: str) -> int:
        number = len(self.works) + len(self.ended) + 1
        work = Work(number, name, next(self.sequence), self.clock.monotonic_ns(), self.loop.create_future())
        self.works.append(work)
        if not await work.end:
            raise OSError("down")
        return number

    @rule(target=reads, name=NAMES, forced=st.sampled_from([False, False, False, True]))
    def read(self, name: str, forced: bool) -> Read:
        expected = "wait" if forced else self.expected(name)
        held = self.held[name]
        task = self.loop.create_task(
            self.cache.get_with_intelligence(
                self.names[name], lambda: self.compute(name), {"ttl_s": TTL_S}, force_refresh=forced
            )
        )
        read = Read(task, name, next(self.sequence), forced, held.voided)
        self.open.append(read)
        number = held.number
        self.settle()
        if expected == "wait":
            assert not task.done()
        else:
            result = task.result()
            assert result["metadata"]["strategy"] == expected
            assert result["value"] == number
        return read

    @rule(which=st.integers(0, 5), fine=st.sampled_from([True, True, True, False]))
    @precondition(lambda self: self.works)
    def end_a_compute(self, which: int, fine: bool) -> None:
        """Any of those under way: a later one may end before an earlier one."""
        work = self.works.pop(which % len(self.works))
        self.ended[work.number] = work
        held = self.held[work.name]
        if not fine:
            held.failures.append(next(self.sequence))
        elif work.began > held.voided and work.number > held.number:
            held.number, held.as_of_ns = work.number, work.began_ns
        work.end.set_result(fine)
        self.settle()

    @rule(seconds=st.sampled_from([70, 140, 210, 350, 630]))
    def advance(self, seconds: int) -> None:
        """Multiples of 70 s: no age comes within 10 s of 300 or 600 s, whatever a busy machine adds on Redis."""
        self.clock.advance_ns(seconds * NS_PER_S)
        if self.server is None:
            return
        for key in self.names.values():
            left_ms = int(self.server.command("PTTL", key)[1:].split(b"\r\n")[0])
            if left_ms >= 0:
                self.server.command("PEXPIRE", key, str(left_ms - seconds * 1000))

    @rule(event=st.sampled_from(sorted(EVENTS)), match=st.sampled_from(["m1", "m2"]))
    def event_happens(self, event: str, match: str) -> None:
        result = self.run(self.cache.invalidate_by_event(event, match))
        assert result["complete"] is True
        self.drop([name for name, parts in KEYS.items() if parts == (match, EVENTS[event])])

    @rule(name=NAMES)
    def key_is_dropped(self, name: str) -> None:
        self.run(self.cache.invalidate(self.names[name]))
        self.drop([name])

    @rule()
    def all_is_cleared(self) -> None:
        self.run(self.cache.clear())
        self.drop(list(KEYS))

    @rule(read=consumes(reads))
    def caller_leaves(self, read: Read) -> None:
        read.cancelled = True
        read.task.cancel()
        self.settle()

    @rule()
    @precondition(lambda self: self.server is not None)
    def connections_break(self) -> None:
        assert self.server is not None
        self.server.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def drop(self, names: list[str]) -> None:
        for name in names:
            held = self.held[name]
            held.number, held.as_of_ns, held.voided = 0, None, next(self.sequence)
        self.settle()

    # --- what must hold

    def expected(self, name: str) -> str:
        held = self.held[name]
        if held.as_of_ns is None:
            return "wait"
        age_s = (self.clock.monotonic_ns() - held.as_of_ns) / NS_PER_S
        return "serve_fresh" if age_s < TTL_S else "serve_stale" if age_s < 2 * TTL_S else "wait"

    def judge(self, read: Read) -> None:
        held = self.held[read.name]
        if read.task.cancelled():
            assert read.cancelled, "a cancellation of somebody else"
            return
        error = read.task.exception()
        if error is not None:
            assert isinstance(error, OSError)
            assert any(when > read.began for when in held.failures), "no compute failed while it waited"
            return
        result = read.task.result()
        work = self.ended[result["value"]]
        strategy = result["metadata"]["strategy"]
        assert work.name == read.name, "the value of another key"
        assert work.began > read.voided, "a value from before an invalidation"
        if read.forced:
            assert work.began > read.began, "a forced caller wants a compute that begins after its call"
        if strategy in ("serve_fresh", "serve_stale"):
            age_s = (self.clock.monotonic_ns() - work.began_ns) / NS_PER_S
            assert age_s < (TTL_S if strategy == "serve_fresh" else 2 * TTL_S)
            assert work.number >= held.last_served, "the cache went back to an older value"
            held.last_served = work.number

    @invariant()
    def at_most_one_shared_and_one_forced_compute_of_a_key_at_once(self) -> None:
        for name, held in self.held.items():
            assert sum(work.name == name and work.began > held.voided for work in self.works) <= 2

    @invariant()
    def nothing_is_left_over(self) -> None:
        assert self.problems == []
        if isinstance(self.loop, VirtualLoop):
            assert self.loop.unretrieved() == []

    def teardown(self) -> None:
        try:
            for _ in range(200):
                if not self.works and not self.open:
                    break
                for work in list(self.works):
                    self.end_a_compute_now(work)
                self.settle()
            assert self.open == [], "a caller waits for ever"
            self.run(self.cache.close())
            assert asyncio.all_tasks(self.loop) == set(), "a task is left over"
            self.nothing_is_left_over()
        finally:
            self.loop.close()

    def end_a_compute_now(self, work: Work) -> None:
        self.works.remove(work)
        self.ended[work.number] = work
        work.end.set_result(True)


TestMemory = SmartCacheMachine.TestCase
TestMemory.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@contextlib.contextmanager
def redis_machine(local: float) -> Iterator[type[SmartCacheMachine]]:
    found = executables()
    if not found:
        pytest.skip(SKIP)
    with tempfile.TemporaryDirectory() as directory:
        server = RedisServer(next(iter(found.values())), Path(directory))
        server.start()
        try:
            yield type("RedisMachine", (SmartCacheMachine,), {"server": server, "local_ttl_s": local})
        finally:
            server.stop()


@pytest.mark.parametrize("local_ttl_s", [0.0, 1.0], ids=["redis", "two_level"])
def test_on_redis(local_ttl_s: float) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    with redis_machine(local_ttl_s) as machine:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=40,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
            ),
        )
