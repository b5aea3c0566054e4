"""A venue, its wire, its REST copies and a bot around one cache, all under a virtual clock: the world of the fuzz.

The model knows what the cache may not know: every book that the venue ever had, by numbering and id, and which of its
messages were delivered. A walk is drawn from a seed: messages are lost, repeated and held back, ids go back, copies lag
by up to 25 s, the callback fails, hangs and is slow, sockets die and are handed over, readers come, lag and leave. Each
answer is judged at the moment in which its reader wakes.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field
from typing import Any

from calib.clock import NS_PER_MS, VirtualClock
from calib.market import Delta, MDCache, MDCacheConfig, MDCacheInvalidator, Snapshot, StreamState, UseCase
from calib.virtual_loop import run

SYMBOL = "X"
SILENCE_MS = 300
Side = dict[int, int]
Book = tuple[tuple[tuple[float, float], ...], tuple[tuple[float, float], ...]]


class Venue:
    """The true book of one symbol, moved at random; every state of it is kept."""

    def __init__(self, rng: random.Random, *, ranged: bool, lively: bool) -> None:
        self.rng, self.ranged, self.lively = rng, ranged, lively
        self.era, self.id = 0, 1000
        self.bids: Side = dict.fromkeys(range(970, 1000), 1)
        self.asks: Side = dict.fromkeys(range(1001, 1031), 1)
        self.books: dict[tuple[int, int], Book] = {}
        self.times: list[tuple[float, int, int]] = []
        self.keep(0.0)

    def keep(self, now_s: float) -> None:
        bids = tuple((float(tick), float(qty)) for tick, qty in sorted(self.bids.items(), reverse=True))
        asks = tuple((float(tick), float(qty)) for tick, qty in sorted(self.asks.items()))
        self.books[self.era, self.id] = bids, asks
        self.times.append((now_s, self.era, self.id))

    def _move(self) -> tuple[Side, Side]:
        """The next book; the touch moves by some ticks, in a lively market by many."""
        rng, bids, asks = self.rng, dict(self.bids), dict(self.asks)
        far = 12 if self.lively else 3
        if rng.random() < 0.3 and len(bids) > far and len(asks) > far:
            steps = rng.randint(1, far)
            losing, gaining, sign = (bids, asks, -1) if rng.random() < 0.5 else (asks, bids, 1)
            for tick in sorted(losing, reverse=losing is bids)[:steps]:
                del losing[tick]
            best = (max(bids) if losing is asks else min(asks)) if gaining else 1000
            for step in range(1, steps):
                gaining[best + sign * step] = rng.randint(1, 9)
        for side, sign in ((bids, -1), (asks, 1)):
            other = asks if side is bids else bids
            touch = (min(other) if sign < 0 else max(other)) if other else 1000
            for _ in range(rng.randint(0, 2)):
                tick = touch + sign * rng.randint(1, 33)
                if rng.random() < 0.3:
                    side.pop(tick, None)
                else:
                    side[tick] = rng.randint(1, 9)
            while len(side) < 20:
                side[(min(side) if sign < 0 else max(side)) + sign if side else touch + sign] = 1
        return bids, asks

    def message(self, now_s: float, *, empty_side: bool = False, back: int = 0) -> Delta:
        """Move, and say what changed. ``back``: the venue fails over to a lower id, another numbering."""
        bids, asks = self._move()
        if empty_side:
            bids = {}
        before = self.id
        if back:
            self.era += 1
            self.id -= back
            first = self.id
        else:
            self.id += self.rng.randint(1, 3) if self.ranged else 1
            first = before + 1
        changes = [
            [
                (float(tick), float(new.get(tick, 0)))
                for tick in sorted(old.keys() | new.keys())
                if old.get(tick) != new.get(tick)
            ]
            for old, new in ((self.bids, bids), (self.asks, asks))
        ]
        self.bids, self.asks = bids, asks
        self.keep(now_s)
        return Delta(changes[0], changes[1], self.id, first if self.ranged else None)

    def copy(self, now_s: float, lag_s: float) -> tuple[int, int]:
        """(era, id) of the book as it was ``lag_s`` ago."""
        found = [(era, number) for at_s, era, number in self.times if at_s <= now_s - lag_s]
        return found[-1] if found else self.times[0][1:]


@dataclass
class Socket:
    """What was delivered on one connection."""

    name: str
    era: int = 0
    last_frame_ms: float = 0.0
    suspect: bool = False
    open: bool = True


@dataclass
class Tally:
    """What a walk has seen, for the test that its steps prove something."""

    served: int = 0
    stream_reads: int = 0
    guards: int = 0
    lost: int = 0
    rewinds: int = 0
    lagging_copies: int = 0
    problems: list[str] = field(default_factory=list)


class World:
    """One walk.

    Parameters
    ----------
    seed
        Draws everything.
    faults
        False: nothing is ever lost, and no reader, watch or callback may take the book away.
    """

    def __init__(self, seed: int, *, faults: bool = True) -> None:
        self.rng = rng = random.Random(seed)
        self.faults = faults
        self.clock = VirtualClock()
        ranged = rng.random() < 0.7
        self.venue = Venue(rng, ranged=ranged, lively=faults and rng.random() < 0.4)
        self.config = MDCacheConfig(
            enabled=True,
            sequence_rule="range" if ranged else "contiguous",
            max_depth=rng.choice([8, 15]) if faults else 200,  # without faults: known whole, no price runs out of it
            refresh_source=rng.choice(["rest", "rest", "stream"]),
            refresh_timeout_ms=400,
            guard_on_timeout=rng.choice(["unavailable", "stale_last_resort"]),
            skip_pricing_on_stale=rng.random() < 0.3,
            tick_sizes={SYMBOL: 1.0},
            price_jump_ticks=5,
        )
        self.metrics = FlakyMetrics(rng)
        self.cache = MDCache(self.config, self.fetch, clock=self.clock, rng=rng, metrics=self.metrics)
        self.watch = MDCacheInvalidator(self.cache)
        self.sockets = {"a": Socket("a")}
        self.held: tuple[Delta, int] | None = None
        self.last: tuple[Delta, int] | None = None
        self.mode = "good"
        self.running = 0
        self.failures = 0
        self.reads = 0
        self.bodies: set[tuple[int, int]] = set()
        self.tasks: list[asyncio.Task[None]] = []
        self.tally = Tally()
        self.synced = False

    # --- time

    @property
    def now_ms(self) -> float:
        return self.clock.monotonic_ns() / NS_PER_MS

    @property
    def now_s(self) -> float:
        return self.now_ms / 1000

    # --- the venue's answers

    async def fetch(self, symbol: str, depth: int) -> Any:
        self.running += 1
        if self.running > 1:
            self.tally.problems.append("two requests at once")
        mode = self.mode
        try:
            await asyncio.sleep(self.rng.choice([0.0, 0.005, 0.02, 0.06]) if mode != "slow" else 0.25)
            if mode == "hang":
                try:
                    await asyncio.sleep(3)
                except asyncio.CancelledError:
                    self.failures += 1
                    raise OSError("cancelled, says the driver") from None
            if mode == "fail":
                self.failures += 1
                raise OSError("down")
            lag_s = self.rng.choice([0.2, 1.0, 5.0, 25.0]) if mode == "lag" else 0.0
            self.tally.lagging_copies += lag_s > 0
            era, number = self.venue.copy(self.now_s, lag_s)
        finally:
            self.running -= 1
        self.bodies.add((era, number))
        if self.faults and self.rng.random() < 0.2:
            asyncio.get_running_loop().call_soon(self.strike)  # before a reader that waits for this can wake
        bids, asks = self.venue.books[era, number]
        return {"symbol": symbol, "bids": bids[:depth], "asks": asks[:depth], "update_id": number}

    def strike(self) -> None:
        """Something happens between the end of a refresh and its reader's wake-up."""
        kind = self.rng.choice(["lose", "trade", "trade", "invalidate"])
        if kind == "lose":
            self.venue.message(self.now_s)
            self.trade()
        elif kind == "trade":
            self.trade()
        else:
            self.cache.invalidate(SYMBOL)

    # --- the wire

    def heard(self, socket: Socket) -> None:
        socket.suspect = socket.suspect or self.now_ms - socket.last_frame_ms > SILENCE_MS
        socket.last_frame_ms = self.now_ms

    def deliver(self, delta: Delta, era: int) -> None:
        self.last = delta, era
        for socket in self.sockets.values():
            if not socket.open:
                continue
            self.heard(socket)
            action = self.cache.on_book(SYMBOL, delta, connection=socket.name)
            socket.era = era
            if action.value == "applied":
                socket.suspect = False
        self.look()

    def trade(self, **kind: Any) -> None:
        before = self.venue.bids and self.venue.asks
        delta = self.venue.message(self.now_s, **kind)
        if self.held is not None and before:
            self.deliver(*self.held)  # held back, so it comes behind one that it should precede
            self.held = None
        self.deliver(delta, self.venue.era)

    def best(self) -> tuple[float | None, float | None]:
        bids, asks = self.venue.bids, self.venue.asks
        return float(max(bids)) if bids else None, float(min(asks)) if asks else None

    def look(self) -> None:
        """What `peek` serves must be right at every moment."""
        stream = self.cache.stream(SYMBOL)
        if stream is None or not stream.live:
            for socket in self.sockets.values():  # the next book is no older than its snapshot
                socket.suspect = False
        for use_case in ("general", "guards"):
            view = self.cache.peek(SYMBOL, 3, use_case)
            entry = self.cache.entry(SYMBOL)
            if view is not None and entry is not None:
                self.judge_view(view, 3, entry.source, use_case, cached=True)

    # --- readers

    async def read(self, *, leave_after_s: float | None) -> None:
        rng = self.rng
        use_case = rng.choice([item.value for item in UseCase])
        depth = rng.choice([1, 3, 8])
        last = self.cache.stream(SYMBOL)
        expected = None
        if last is not None and last.last_id is not None and rng.random() < 0.4:
            expected = last.last_id + rng.choice([-3, -1, 0, 1, 1, 4])
        reading = self.cache.get_orderbook(SYMBOL, depth, expected_update_id=expected, use_case=use_case)
        try:
            if leave_after_s is None:
                view, meta = await reading
            else:
                async with asyncio.timeout(leave_after_s):
                    view, meta = await reading
        except TimeoutError:
            return
        self.reads += 1
        if view is None:
            if meta.source is not None or meta.update_id is not None:
                self.tally.problems.append(f"no book, and yet {meta}")
            return
        self.tally.served += 1
        self.judge_view(view, depth, meta.source, use_case, cached=meta.cache_hit)
        limit = {"general": 100, "analytics": 100, "pricing": 60, "guards": 50}[use_case]
        assert meta.age_ms is not None
        if meta.age_ms > limit and not meta.used_stale:
            self.tally.problems.append(f"{use_case} at {meta.age_ms} ms is not marked stale: {meta}")
        if meta.age_ms > 5000:
            self.tally.problems.append(f"older than the policy allows: {meta}")
        if use_case == "pricing" and self.config.skip_pricing_on_stale and meta.used_stale:
            self.tally.problems.append(f"a stale book priced: {meta}")

    def judge_view(self, view: Any, depth: int, source: str | None, use_case: str, *, cached: bool) -> None:
        problems = self.tally.problems
        where = f"{use_case} at {self.now_ms} ms, id {view.update_id}, source {source}"
        if not view.bids and not view.asks:
            problems.append(f"an empty book: {where}")
        if use_case in ("guards", "pricing") and not (view.bids and view.asks):
            problems.append(f"half a book: {where}")
        stream = self.cache.stream(SYMBOL)
        if source == "stream" and stream is not None and stream.last_id == view.update_id and stream.live:
            self.tally.stream_reads += 1
            eras = {socket.era for socket in self.sockets.values() if socket.open}
            right = [self.venue.books.get((era, view.update_id)) for era in eras]
        else:
            right = [self.venue.books[key] for key in self.bodies if key[1] == view.update_id]
            if cached and use_case in ("guards", "pricing") and source != "stream":
                problems.append(f"a REST body out of the cache: {where}")
        if (view.bids, view.asks) not in [(book[0][:depth], book[1][:depth]) for book in right if book is not None]:
            problems.append(f"not the venue's book: {where}: {view} for {right}")
        if use_case == "guards" and source == "stream" and cached:
            self.tally.guards += 1
            open_ones = [socket for socket in self.sockets.values() if socket.open]
            sure = [
                socket
                for socket in open_ones
                if not socket.suspect and self.now_ms - socket.last_frame_ms <= SILENCE_MS
            ]
            if stream is not None and stream.live and stream.last_id == view.update_id and not sure:
                problems.append(f"a suspect book for a guard: {where}")

    # --- the walk

    async def step(self) -> None:
        weights = [weight if self.faults else calm for weight, calm in STEPS.values()]
        kind = self.rng.choices(list(STEPS), weights)[0]
        done = getattr(self, f"do_{kind}")()
        if done is not None:
            await done

    async def do_trade(self) -> None:
        for _ in range(self.rng.randint(1, 4)):
            self.trade()
            await asyncio.sleep(self.rng.choice([0.0, 0.01, 0.1]))

    async def do_read(self) -> None:
        for _ in range(self.rng.randint(1, 3)):
            leave = self.rng.choice([None, None, 0.0, 0.01])
            self.tasks.append(asyncio.create_task(self.read(leave_after_s=leave)))
        await asyncio.sleep(self.rng.choice([0.0, 0.0, 0.03, 0.2]))

    def do_trade_and_watch(self) -> None:
        self.trade()
        self.watch.on_message(SYMBOL, *self.best(), connection="a")

    def do_ping(self) -> None:
        for socket in self.sockets.values():
            if socket.open:
                self.heard(socket)
                self.cache.on_alive(socket.name)

    def do_check(self) -> None:
        self.watch.check()

    def do_mode(self) -> None:
        self.mode = self.rng.choice(["good", "good", "lag", "lag", "fail", "slow", "hang"])

    def do_metrics(self) -> None:
        self.metrics.broken = not self.metrics.broken

    def do_resync(self) -> None:
        self.cache.resync(SYMBOL)

    async def do_silence(self) -> None:
        await asyncio.sleep(self.rng.choice([0.31, 0.6, 2.0, 6.0]))

    async def do_outage(self) -> None:
        """A message is lost, and the REST service is down for longer than the fast attempts last."""
        self.mode = "fail"
        self.do_lose()
        for _ in range(60):
            self.trade()
            await asyncio.sleep(2.5)
        self.mode = "good"

    def do_lose(self) -> None:
        self.venue.message(self.now_s)
        self.tally.lost += 1

    def do_hold(self) -> None:
        self.held = None if self.held else (self.venue.message(self.now_s), self.venue.era)

    def do_repeat(self) -> None:
        if self.last is not None:
            self.deliver(*self.last)

    def do_back(self) -> None:
        """Behind what was delivered, or no client could tell: ids that were never seen cannot be missed."""
        self.tally.rewinds += 1
        unseen = self.venue.id - (self.venue.id if self.last is None else self.last[0].last_id)
        self.trade(back=unseen + self.rng.randint(1, 40))

    def do_empty(self) -> None:
        self.trade(empty_side=True)

    async def do_reconnect(self) -> None:
        self.cache.on_disconnect("a")
        alone = len(self.sockets) == 1
        for back in self.rng.choice([[], [0], [0, 0, 0], [60, 0, 0] if alone else [0]]):
            self.venue.message(self.now_s, back=back)
        await asyncio.sleep(self.rng.choice([0.0, 0.5]))
        self.cache.on_connect("a")
        socket = self.sockets["a"]
        socket.open, socket.suspect, socket.last_frame_ms = True, False, self.now_ms

    def do_second_socket(self) -> None:
        stream = self.cache.stream(SYMBOL)
        if "b" not in self.sockets:
            self.cache.on_connect("b")
            self.sockets["b"] = Socket("b", last_frame_ms=self.now_ms)
        elif self.faults or stream is None or stream.connection.name != "b":
            # Closed before the other one is in sync, a socket takes its book with it: no healthy hand-over.
            del self.sockets["b"]
            self.cache.on_disconnect("b")

    def do_invalidate(self) -> None:
        self.cache.invalidate(SYMBOL, self.rng.choice(["manual", "price_jump"]))

    def do_push(self) -> None:
        self.push()

    def push(self) -> None:
        """The venue sends a whole book in the stream."""
        bids, asks = self.venue.books[self.venue.era, self.venue.id]
        for socket in self.sockets.values():
            self.heard(socket)
            snapshot = Snapshot(bids, asks, self.venue.id)
            if self.cache.on_book(SYMBOL, snapshot, connection=socket.name).value == "applied":
                socket.suspect = False
            socket.era = self.venue.era

    async def walk(self, steps: int) -> None:
        self.trade()
        for _ in range(steps):
            await self.step()
            self.after_step()
            if self.tally.problems:
                break
        await asyncio.gather(*self.tasks)
        if not self.tally.problems:
            await self.calm()
        await self.cache.close()

    def after_step(self) -> None:
        self.look()
        stream = self.cache.stream(SYMBOL)
        live = stream is not None and stream.live
        if not self.faults and self.synced and not live:
            self.tally.problems.append(f"a healthy book was taken away at {self.now_ms} ms: {stream and stream.counts}")
        self.synced = self.synced or live

    async def calm(self) -> None:
        """Nothing is wrong any more: within the longest pause and the longest lag the book is there."""
        self.mode, self.held, self.metrics.broken = "good", None, False
        for _ in range(800):
            self.trade()
            await asyncio.sleep(0.1)
            stream = self.cache.stream(SYMBOL)
            if stream is not None and stream.state_at(self.clock.monotonic_ns()) is StreamState.LIVE:
                break
        else:
            self.tally.problems.append(f"dark after 80 s without a fault: {stream and stream.counts}")
        summary = self.cache.metrics_summary()
        if sum(summary["reads"].values()) < self.reads:
            self.tally.problems.append(f"{self.reads} reads, counted {summary['reads']}")
        if summary["symbols"][SYMBOL]["state"] == "failed":
            self.tally.problems.append("failed")


class FlakyMetrics:
    """A metrics object that raises while it is broken."""

    def __init__(self, rng: random.Random) -> None:
        self.broken = False
        self._rng = rng

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("record_"):
            raise AttributeError(name)
        return self._record

    def _record(self, *_: object) -> None:
        if self.broken:
            raise RuntimeError("the metrics server is gone")


STEPS = {
    "trade": (40, 40),
    "read": (25, 25),
    "trade_and_watch": (4, 10),
    "ping": (5, 5),
    "check": (3, 10),
    "mode": (5, 5),
    "metrics": (1, 2),
    "resync": (1, 2),
    "silence": (3, 3),
    "lose": (3, 0),
    "outage": (0.2, 0),
    "hold": (1, 0),
    "repeat": (1, 0),
    "back": (2, 0),
    "empty": (1, 0),
    "reconnect": (1, 0),
    "second_socket": (2, 2),
    "push": (1, 0),
    "invalidate": (2, 0),
}
"""How often each step is taken, with faults and without."""


def explore(seed: int, *, steps: int = 60, faults: bool = True) -> Tally:
    """Walk once."""
    world = World(seed, faults=faults)
    run(world.walk(steps), clock=world.clock)
    return world.tally
