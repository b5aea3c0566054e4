"""The stream against a model of a venue whose wire loses, repeats and reorders, and whose snapshots come as they like.

The invariant: a book that is served is the venue's book at its update id. And it never gets stuck: without a book,
either a snapshot is on its way, or one is there and waits for its bridge.
"""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from calib.clock import NS_PER_MS
from calib.market import (
    Action,
    Backoff,
    BookStream,
    Connection,
    Delta,
    Failed,
    Invalidated,
    Outcome,
    Reason,
    Resync,
    Snapshot,
    StreamSettings,
    StreamState,
)

Sides = tuple[dict[int, int], dict[int, int]]

atoms = st.lists(st.tuples(st.booleans(), st.integers(0, 9), st.integers(0, 4)), min_size=1, max_size=4)


class Venue:
    """Atomic changes with ids, sent in messages of several; bids stay at or below tick 10, asks at or above."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.id = 100
        self.sent = 100
        self.sides: Sides = ({10: 1, 9: 1}, {11: 1, 12: 1})
        self.history: dict[int, Sides] = {}
        self.remember()

    def remember(self) -> None:
        self.history[self.id] = (dict(self.sides[0]), dict(self.sides[1]))

    def trade(self, changes: list[tuple[bool, int, int]], jump: int) -> Delta:
        first = None
        touched: Sides = ({}, {})
        for is_bid, offset, qty in changes[: 1 if self.kind == "contiguous" else None]:
            self.id += jump if self.kind == "previous" else 1
            first = self.id if first is None else first
            side, tick = (0, 10 - offset) if is_bid else (1, 10 + offset)
            touched[side][tick] = qty
            if qty:
                self.sides[side][tick] = qty
            else:
                self.sides[side].pop(tick, None)
            self.remember()
        delta = Delta(
            [(str(tick), qty) for tick, qty in touched[0].items()],
            [(tick, str(qty)) for tick, qty in touched[1].items()],
            self.id,
            None if self.kind == "contiguous" else first,
            self.sent if self.kind == "previous" else None,
        )
        self.sent = self.id
        return delta

    def snapshot(self, back: int, epoch: int | None) -> Snapshot:
        update_id = sorted(self.history)[max(-1 - back, -len(self.history))]
        bids, asks = self.history[update_id]
        return Snapshot(list(bids.items()), list(asks.items()), update_id, epoch)


class StreamMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0
        self.wire: list[Delta] = []
        self.pending: list[Resync] = []
        self.flying: list[Snapshot] = []
        self.epochs: list[int] = []
        self.frames: list[int] = []
        self.verified = 0

    @initialize(kind=st.sampled_from(["contiguous", "range", "previous"]), small=st.booleans())
    def make(self, kind: str, small: bool) -> None:
        self.venue = Venue(kind)
        self.link = Connection("x", silence_ns=300 * NS_PER_MS)
        self.stream = BookStream(
            "X",
            self.link,
            random=Random(7).random,
            settings=StreamSettings(
                sequence_rule=kind,
                backoff=Backoff(max_attempts=1_000),
                buffer_deltas=3 if small else 100,
                bridge_wait_ms=2_000,
            ),
        )
        self.connect()

    def frame(self) -> None:
        self.frames.append(self.now)

    def take(self, outcome: Outcome, was_live: bool) -> None:
        lost = [effect for effect in outcome.effects if isinstance(effect, Invalidated)]
        if was_live and not self.stream.live:
            assert len(lost) == 1, "a book was lost and nobody was told"
        assert not (lost and not was_live), "a book was said to be lost that was not there"
        for effect in outcome.effects:
            assert not isinstance(effect, Failed)
            if isinstance(effect, Resync):
                assert effect.epoch == self.stream.epoch
                self.pending = [effect]
                self.epochs.append(effect.epoch)

    @rule(changes=atoms, jump=st.integers(1, 3))
    def trade(self, changes: list[tuple[bool, int, int]], jump: int) -> None:
        self.wire.append(self.venue.trade(changes, jump))

    def hand_in(self, delta: Delta) -> None:
        was_live = self.stream.live
        self.frame()
        outcome = self.stream.on_delta(delta, self.now)
        if outcome.action is Action.APPLIED:
            self.verified = self.now
        self.take(outcome, was_live)

    @precondition(lambda self: self.wire)
    @rule(count=st.integers(1, 5))
    def deliver(self, count: int) -> None:
        for delta in self.wire[:count]:
            self.hand_in(delta)
        del self.wire[:count]

    @precondition(lambda self: self.wire)
    @rule()
    def lose(self) -> None:
        del self.wire[0]

    @precondition(lambda self: self.wire)
    @rule()
    def repeat(self) -> None:
        self.hand_in(self.wire[0])

    @precondition(lambda self: len(self.wire) > 1)
    @rule()
    def swap(self) -> None:
        self.wire[0], self.wire[1] = self.wire[1], self.wire[0]

    @precondition(lambda self: self.pending)
    @rule(back=st.sampled_from([0, 0, 0, 1, 2, 10]))
    def fetch(self, back: int) -> None:
        effect = self.pending.pop()
        if self.stream.resync_started(effect.epoch, self.now):
            self.flying.append(self.venue.snapshot(back, effect.epoch))

    @precondition(lambda self: self.flying)
    @rule(index=st.integers(0, 3))
    def answer(self, index: int) -> None:
        snapshot = self.flying.pop(index % len(self.flying))
        was_live = self.stream.live
        before = self.stream.state_at(self.now)
        outcome = self.stream.on_snapshot(snapshot, self.now)
        if snapshot.epoch != self.epochs[-1]:
            assert outcome.action is Action.REFUSED
            assert self.stream.state_at(self.now) is before
        if outcome.action is Action.APPLIED:
            self.verified = self.now
        self.take(outcome, was_live)

    @precondition(lambda self: self.flying)
    @rule()
    def fetch_fails(self) -> None:
        snapshot = self.flying.pop()
        assert snapshot.epoch is not None
        self.take(self.stream.resync_failed(snapshot.epoch, self.now), self.stream.live)

    @precondition(lambda self: self.flying)
    @rule()
    def answer_crossed(self) -> None:
        snapshot = self.flying.pop()
        was_live = self.stream.live
        outcome = self.stream.on_snapshot(snapshot._replace(bids=[*snapshot.bids, (99, 1)], asks=[(98, 1)]), self.now)
        if outcome.action is Action.APPLIED:
            self.verified = self.now
        self.take(outcome, was_live)

    @rule(age=st.integers(1, 5))
    def answer_of_an_older_epoch(self, age: int) -> None:
        before = (self.stream.book.version, self.stream.state_at(self.now))
        outcome = self.stream.on_snapshot(Snapshot([(1, 1)], [(2, 1)], 10**6, self.stream.epoch - age), self.now)
        assert outcome == Outcome(Action.REFUSED)
        assert (self.stream.book.version, self.stream.state_at(self.now)) == before

    @rule()
    def pushed_snapshot(self) -> None:
        """The venue pushes one in the stream: what was on the wire before it has been overtaken."""
        self.wire.clear()
        was_live = self.stream.live
        self.frame()
        snapshot = self.venue.snapshot(0, None)
        self.venue.sent = snapshot.update_id
        outcome = self.stream.on_snapshot(snapshot, self.now)
        if outcome.action is Action.APPLIED:
            self.verified = self.now
        self.take(outcome, was_live)

    @rule()
    def connect(self) -> None:
        self.wire.clear()
        was_live = self.stream.live
        self.frame()
        self.take(self.stream.connect(self.now), was_live)

    @rule(again=st.booleans())
    def disconnect(self, again: bool) -> None:
        was_live = self.stream.live
        self.take(self.stream.disconnect(self.now), was_live)
        self.pending.clear()
        if self.wire:
            self.hand_in(self.wire[0])  # a straggler of the dead connection
        assert self.stream.state_at(self.now) is StreamState.DOWN
        if again:
            self.connect()

    @rule(ms=st.sampled_from([1, 100, 300, 301, 3_000]))
    def wait(self, ms: int) -> None:
        self.now += ms * NS_PER_MS

    @rule()
    def ping(self) -> None:
        self.frame()
        self.link.alive(self.now)

    @invariant()
    def what_is_served_is_the_venues_book(self) -> None:
        if not hasattr(self, "stream"):
            return
        view = self.stream.view(100)
        assert (view is not None) is self.stream.live
        assert self.stream.book.problems() == []
        if view is None:
            return
        assert view.update_id is not None
        bids, asks = self.venue.history[view.update_id]
        assert dict(view.bids) == bids
        assert dict(view.asks) == asks
        assert view.update_id == self.stream.last_id
        assert not self.stream.book.crossed

    @invariant()
    def it_never_gets_stuck(self) -> None:
        if not hasattr(self, "stream"):
            return
        state = self.stream.state_at(self.now)
        if state in (StreamState.SYNCING, StreamState.GAP):
            epochs = [effect.epoch for effect in self.pending] + [snapshot.epoch for snapshot in self.flying]
            assert self.stream.epoch in epochs or self.stream._at is not None

    @invariant()
    def silence_is_seen_and_only_a_delta_ends_it(self) -> None:
        if not hasattr(self, "stream") or not self.stream.live:
            return
        gaps = zip(self.frames, self.frames[1:], strict=False)
        ended = [after for before, after in gaps if after - before > 300 * NS_PER_MS]
        silent = self.now - self.frames[-1] > 300 * NS_PER_MS or any(end > self.verified for end in ended)
        assert self.stream.state_at(self.now) is (StreamState.SUSPECT if silent else StreamState.LIVE)

    def teardown(self) -> None:
        """Whatever happened, an honest wire and fresh snapshots bring the book back."""
        if not hasattr(self, "stream"):
            return
        if self.stream.state_at(self.now) is StreamState.DOWN:
            self.connect()
        self.wire.clear()
        for index in range(4):
            self.trade([(True, 2, 1 + index % 2)], 1)
            self.now += 5_000 * NS_PER_MS
            self.deliver(5)
            if self.pending:
                self.fetch(0)
            while self.flying:
                self.answer(0)
        self.what_is_served_is_the_venues_book()
        assert self.stream.live
        assert self.stream.last_id == self.venue.id


TestStream = StreamMachine.TestCase
TestStream.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)

#: How often each step is taken on a long walk: mostly trading, delivering and syncing, sometimes a mishap.
WEIGHTS = {
    "trade": 30,
    "deliver": 25,
    "fetch": 12,
    "answer": 12,
    "lose": 2,
    "repeat": 1,
    "swap": 1,
    "fetch_fails": 1,
    "answer_crossed": 1,
    "answer_of_an_older_epoch": 1,
    "pushed_snapshot": 1,
    "connect": 1,
    "disconnect": 1,
    "wait": 8,
    "ping": 3,
}


def step(machine: StreamMachine, random: Random) -> None:
    name = random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
    match name:
        case "trade":
            atom = (random.random() < 0.5, random.randrange(10), random.randrange(5))
            machine.trade([atom, *((True, random.randrange(10), 1) for _ in range(random.randrange(3)))], 2)
        case "deliver":
            machine.deliver(random.randrange(1, 6))
        case "fetch" if machine.pending:
            machine.fetch(random.choice([0, 0, 0, 1, 2, 10]))
        case "answer" if machine.flying:
            machine.answer(random.randrange(4))
        case "lose" | "repeat" if machine.wire:
            getattr(machine, name)()
        case "swap" if len(machine.wire) > 1:
            machine.swap()
        case "fetch_fails" | "answer_crossed" if machine.flying:
            getattr(machine, name)()
        case "answer_of_an_older_epoch":
            machine.answer_of_an_older_epoch(random.randrange(1, 6))
        case "disconnect":
            machine.disconnect(True)
        case "pushed_snapshot" | "connect" | "ping":
            getattr(machine, name)()
        case "wait":
            machine.wait(random.choice([1, 100, 300, 301, 3_000]))


@pytest.mark.parametrize("kind", ["contiguous", "range", "previous"])
@pytest.mark.parametrize("seed", range(4))
def test_on_long_walks_what_is_served_is_the_venues_book(kind: str, seed: int) -> None:
    """Far more steps than Hypothesis can take, without its shrinking; the same rules and invariants."""
    random = Random(f"{kind} {seed}")
    served = 0
    for walk in range(60):
        machine = StreamMachine()
        machine.make(kind, walk % 4 == 0)
        for _ in range(150):
            step(machine, random)
            machine.what_is_served_is_the_venues_book()
            machine.it_never_gets_stuck()
            machine.silence_is_seen_and_only_a_delta_ends_it()
            served += machine.stream.live
        machine.teardown()
    assert served > 500  # else the walks prove nothing


def test_the_model_venue_is_right_by_itself() -> None:
    """Bare application of all messages over the first book leads to the last one: the model's own check."""
    venue, random = Venue("range"), Random(1)
    sides: Any = ({10: 1, 9: 1}, {11: 1, 12: 1})
    for _ in range(200):
        delta = venue.trade([(random.random() < 0.5, random.randrange(10), random.randrange(3)) for _ in range(3)], 1)
        for side, changes in zip(sides, (delta.bids, delta.asks), strict=True):
            for tick, qty in changes:
                side[int(tick)] = int(qty)
    assert tuple({tick: qty for tick, qty in side.items() if qty} for side in sides) == venue.sides


@pytest.mark.parametrize("reason", list(Reason))
def test_reasons_are_names_for_metrics(reason: Reason) -> None:
    assert reason.value == reason.value.lower().replace("-", "_")
