"""The cache under everything at once, against a simple model: reads, cancellations, failures, invalidations, time.

The model judges by logical sequence (the number of a request, the number of requests made before an invalidation): at
equal times the order of events cannot be told from the clock.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from calib.clock import NS_PER_MS, VirtualClock
from calib.market import Delta, MDCache, MDCacheConfig, Snapshot, StreamState
from calib.virtual_loop import VirtualLoop

TTL, PRICING, GUARD, HARD, GUARD_TIMEOUT = 100.0, 60.0, 50.0, 2000.0, 50.0
FRESH = {"general": TTL, "analytics": TTL, "pricing": PRICING, "guards": GUARD}
USES = st.sampled_from(sorted(FRESH))
DEPTHS = st.sampled_from([1, 5, 20])


@dataclass
class Request:
    """One request of the callback; ``number`` is also the update id it answers with."""

    number: int
    began_ms: float
    depth: int


@dataclass
class Read:
    """One read under way."""

    task: asyncio.Task[Any]
    use_case: str
    depth: int
    began_ms: float
    cancelled: bool = False


class CallbackMachine(RuleBasedStateMachine):
    """A cache that its callback fills."""

    reads = Bundle("reads")

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.loop = VirtualLoop(self.clock)
        config = MDCacheConfig(enabled=True, hard_ttl_ms=2000, refresh_source="stream", refresh_timeout_ms=400)
        self.cache = MDCache(config, self.fetch, clock=self.clock, rng=random.Random(3))
        self.requests: list[Request] = []
        self.open: list[Read] = []
        self.cached: Request | None = None
        self.first_valid = 1  # requests with a smaller number were made before the last invalidation
        self.latency_ms = 20.0
        self.failing = False
        self.running = 0
        self.disturbed = False  # a failure, or anything else that makes "unavailable" legitimate

    @property
    def now_ms(self) -> float:
        return self.clock.monotonic_ns() / NS_PER_MS

    async def fetch(self, symbol: str, depth: int) -> dict[str, Any]:
        request = Request(len(self.requests) + 1, self.now_ms, depth)
        self.requests.append(request)
        self.running += 1
        assert self.running == 1, "two refreshes of one symbol at once"
        failing = self.failing
        try:
            await asyncio.sleep(self.latency_ms / 1000)
        finally:
            self.running -= 1
        if failing:
            self.disturbed = True
            raise OSError("down")
        if request.number >= self.first_valid:
            self.cached = request
        return {"bids": [[99, 1]] * 1, "asks": [[101, 1]], "update_id": request.number}

    def expected(self, use_case: str, depth: int) -> str:
        """fresh, stale or wait, straight from the contract."""
        if self.cached is None or self.cached.depth < depth:
            return "wait"
        age = self.now_ms - self.cached.began_ms
        if age <= FRESH[use_case]:
            return "fresh"
        return "wait" if use_case == "guards" or age > HARD else "stale"

    def turn(self) -> None:
        """Let everything that is ready run, without moving the clock."""
        self.loop.run_until_complete(asyncio.sleep(0))
        self.settle()

    @rule(target=reads, use_case=USES, depth=DEPTHS)
    def read(self, use_case: str, depth: int) -> Read:
        expected = self.expected(use_case, depth)
        task = self.loop.create_task(self.cache.get_orderbook("X", depth, use_case=use_case))
        read = Read(task, use_case, depth, self.now_ms)
        self.open.append(read)
        cached = self.cached
        self.loop.run_until_complete(asyncio.sleep(0))
        if expected == "wait":
            assert not task.done() or task.result()[1].status in ("unavailable", "miss", "coalesced")
        else:
            book, meta = task.result()
            assert cached is not None
            assert (meta.status, meta.used_stale, meta.cache_hit) == (expected, expected == "stale", True)
            assert (book.update_id, book.depth) == (cached.number, depth)
        self.settle()
        return read

    @rule(ms=st.sampled_from([0.0, 1.0, 10.0, 20.0, 41.0, 60.0, 101.0, 450.0, 2100.0]))
    def advance(self, ms: float) -> None:
        self.loop.run_until_complete(asyncio.sleep(ms / 1000))
        self.settle()

    @rule()
    def invalidate(self) -> None:
        self.cache.invalidate("X")
        self.cached = None
        self.first_valid = len(self.requests) + 1
        self.disturbed = self.disturbed or bool(self.open)  # five of them exhaust the restarts

    @rule(read=consumes(reads))
    def cancel(self, read: Read) -> None:
        read.cancelled = True
        read.task.cancel()
        self.turn()

    @rule(failing=st.booleans())
    def break_or_mend(self, failing: bool) -> None:
        self.failing = failing
        self.disturbed = self.disturbed or failing

    @rule(latency_ms=st.sampled_from([0.0, 20.0, 45.0, 80.0, 500.0]))
    def slow_down(self, latency_ms: float) -> None:
        self.latency_ms = latency_ms
        self.disturbed = self.disturbed or latency_ms > 40

    def settle(self) -> None:
        """Judge every read that has ended."""
        for read in [read for read in self.open if read.task.done()]:
            self.open.remove(read)
            if read.task.cancelled():
                assert read.cancelled, "somebody else's cancellation"
                continue
            self.judge(read, *read.task.result())

    def judge(self, read: Read, book: Any, meta: Any) -> None:
        if book is None:
            assert meta.status == "unavailable"
            assert self.disturbed or self.latency_ms > 40, "nothing was wrong, and yet there was no book"
            return
        request = self.requests[book.update_id - 1]
        assert request.depth >= read.depth == book.depth
        assert meta.age_ms is not None
        assert meta.age_ms <= 5000
        if meta.status in ("miss", "coalesced"):
            assert not meta.cache_hit
            if read.use_case == "guards":
                assert request.began_ms >= read.began_ms - GUARD
                assert self.now_ms >= read.began_ms
        if meta.status == "fresh":
            assert meta.age_ms <= FRESH[read.use_case]

    @invariant()
    def nothing_from_before_an_invalidation_is_ever_kept(self) -> None:
        entry = self.cache.entry("X")
        if entry is not None:
            assert entry.update_id is not None
            assert entry.update_id >= self.first_valid
            assert self.cached is not None
            assert entry.update_id == self.cached.number

    @invariant()
    def guards_never_wait_longer_than_their_timeout(self) -> None:
        for read in self.open:
            if read.use_case == "guards" and not read.cancelled:
                assert self.now_ms - read.began_ms <= GUARD_TIMEOUT + 1e-6

    @invariant()
    def no_exception_is_left_over(self) -> None:
        assert self.loop.problems == []
        assert self.loop.unretrieved() == []

    def teardown(self) -> None:
        self.latency_ms = 0.0
        self.loop.run_until_complete(asyncio.sleep(5))
        self.settle()
        assert self.open == [], "a reader waits for ever"
        assert asyncio.all_tasks(self.loop) == set(), "a task is left over"
        self.loop.close()


class StreamMachine(RuleBasedStateMachine):
    """A cache that a stream fills, ids contiguous, snapshots pushed; what is served is the model's book or nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = VirtualClock()
        self.cache = MDCache(MDCacheConfig(enabled=True), None, clock=self.clock, rng=random.Random(5))
        self.bids: dict[float, float] = {}
        self.last_id: int | None = None
        self.connected = True
        self.alive_ns = 0
        self.suspect = False
        self.next_id = 1

    def hear(self) -> None:
        now_ns = self.clock.monotonic_ns()
        self.suspect = self.suspect or (self.last_id is not None and now_ns - self.alive_ns > 300 * NS_PER_MS)
        self.alive_ns = now_ns

    def failed(self) -> bool:
        stream = self.cache.stream("X")
        return stream is not None and stream.state_at(self.clock.monotonic_ns()) is StreamState.FAILED

    @rule(price=st.integers(90, 99))
    def snapshot(self, price: int) -> None:
        self.next_id += 5
        failed = self.failed()
        self.hear()
        self.cache.on_book("X", Snapshot([(str(price), "1")], [("100", "1")], self.next_id))
        if self.connected and not failed:
            self.bids, self.last_id, self.suspect = {float(price): 1.0}, self.next_id, False

    @rule(price=st.integers(90, 99), qty=st.integers(0, 3), step=st.sampled_from([1, 1, 1, 1, 1, 2, 0, -1]))
    def delta(self, price: int, qty: int, step: int) -> None:
        base = self.next_id if self.last_id is None else self.last_id
        self.hear()
        self.cache.on_book("X", Delta([(float(price), float(qty))], [], base + step))
        self.next_id = max(self.next_id, base + step)
        if self.last_id is None:
            return
        if step != 1:
            self.last_id = None
            return
        self.last_id, self.suspect = base + 1, False
        if qty:
            self.bids[float(price)] = float(qty)
        else:
            self.bids.pop(float(price), None)

    @rule()
    def ping(self) -> None:
        self.hear()
        self.cache.on_alive()

    @rule(ms=st.sampled_from([1, 49, 50, 51, 60, 100, 299, 301, 5001]))
    def advance(self, ms: int) -> None:
        self.clock.advance_ms(ms)

    @rule()
    def invalidate(self) -> None:
        self.cache.invalidate("X")
        self.last_id = None

    @rule()
    def reconnect(self) -> None:
        self.cache.on_connect()
        self.hear()
        self.last_id, self.connected = None, True

    @rule()
    @precondition(lambda self: self.cache.stream("X") is not None)
    def disconnect(self) -> None:
        self.cache.on_disconnect()
        self.last_id, self.connected = None, False

    @rule(use_case=USES)
    def read(self, use_case: str) -> None:
        loop = VirtualLoop(self.clock)
        book, meta = loop.run_until_complete(self.cache.get_orderbook("X", 20, use_case=use_case))
        loop.close()
        age_ns = self.clock.monotonic_ns() - self.alive_ns
        suspect = self.suspect or age_ns > 300 * NS_PER_MS
        fresh = age_ns <= FRESH[use_case] * NS_PER_MS and not (suspect and use_case in ("pricing", "guards"))
        if not self.bids and use_case in ("pricing", "guards"):
            assert (book, meta.status) == (None, "unavailable")
            return
        if self.last_id is None or (use_case == "guards" and not fresh) or age_ns > 5000 * NS_PER_MS:
            assert (book, meta.status) == (None, "unavailable")
            return
        assert book is not None
        assert (meta.status, meta.source) == ("fresh" if fresh else "stale", "stream")
        assert meta.age_ms == age_ns / NS_PER_MS
        assert book.update_id == self.last_id
        assert book.bids == tuple(sorted(self.bids.items(), reverse=True))

    @invariant()
    def peek_agrees(self) -> None:
        """The path without awaiting serves exactly what is fresh."""
        age_ns = self.clock.monotonic_ns() - self.alive_ns
        suspect = self.suspect or age_ns > 300 * NS_PER_MS
        for use_case, bound in FRESH.items():
            view = self.cache.peek("X", 20, use_case)
            fresh = self.last_id is not None and age_ns <= bound * NS_PER_MS
            if use_case in ("pricing", "guards"):
                # A book without a side is neither priced from nor guarded by; the asks are always there.
                fresh = fresh and not suspect and bool(self.bids)
            assert (view is not None) == fresh, use_case


TestCallbackMachine = CallbackMachine.TestCase
TestCallbackMachine.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
TestStreamMachine = StreamMachine.TestCase
TestStreamMachine.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)
