"""A state machine: whatever happens in whatever order, the latch holds, ramping is monotone, B is sticky."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from calib.experiments import ABHarness, ABSettings, State
from calib.experiments.latch import read_audit
from calib.experiments.rollback import reset_by_hand

NAMES = [f"M{i}" for i in range(8)]
SETTINGS = ABSettings(assignment="rank", decision="threshold", hold_s=30.0, min_fills=1, min_ticks=1, lateness_s=0.0)


class Experiment(RuleBasedStateMachine):
    """The model: who should be in B at least, and whether a rollback is latched."""

    @initialize(split=st.sampled_from([0.0, 0.25, 0.5]))
    def begin(self, split: float) -> None:
        self.home = tempfile.TemporaryDirectory()
        self.path = Path(self.home.name)
        self.now = 1_750_000_000.0
        self.split = split
        self.joined: list[str] = []
        self.in_b: set[str] = set()
        self.latched = self.hurt = False
        self.rollbacks = self.resets = 0
        self.ab = self.open()

    def open(self) -> ABHarness:
        return ABHarness("online", self.split, settings=SETTINGS, directory=self.path)

    def look(self) -> set[str]:
        return {symbol for symbol in self.joined if self.ab.router.arm(symbol, self.now) == "B"}

    @rule(symbol=st.sampled_from(NAMES))
    def join(self, symbol: str) -> None:
        self.ab.assign_symbols([symbol], self.now)
        self.joined = list(dict.fromkeys([*self.joined, symbol]))
        assert self.in_b <= self.look()
        self.in_b = self.look()

    @rule(more=st.sampled_from([0.0, 0.25, 0.5]))
    def ramp(self, more: float) -> None:
        self.split = min(1.0, self.split + more)
        self.ab.set_split(self.split)
        assert self.in_b <= self.look()
        self.in_b = self.look()

    @rule(seconds=st.integers(5, 60), bad=st.booleans())
    def trade(self, seconds: int, bad: bool) -> None:
        for _ in range(seconds):
            self.now += 1
            for symbol in self.joined:
                worse = bad and symbol in self.in_b
                self.hurt = self.hurt or worse
                price = 100.1 if worse else 100.0
                self.ab.record_fill(symbol, self.now, "buy", price, 1.0, "maker", quote_price=100.0)
            if self.now % 5 == 0:
                self.ab.evaluate(self.now)
        self.evaluate()

    def evaluate(self) -> None:
        """Evaluate, and follow a rollback: only fills of B that were worse can be its cause."""
        self.ab.evaluate(self.now)
        if self.ab.rollback is not None and not self.latched:
            assert self.hurt
            self.latched = True
            self.rollbacks += 1

    @rule(seconds=st.sampled_from([60, 3600, 100_000]))
    def sleep(self, seconds: int) -> None:
        """A frozen process or a forward jump: on its own it must roll nothing back.

        The last fills count at the next step of 5 s, also if it is over the jump: that step is taken before.
        """
        self.now += -self.now % 5
        self.evaluate()
        self.now += seconds
        self.ab.evaluate(self.now)
        assert (self.ab.rollback is not None) == self.latched

    @rule()
    def restart(self) -> None:
        held = self.ab.engine.threshold.holds["slippage_degradation"].held_s
        evaluated = self.ab.engine.grid is not None
        self.ab = self.open()
        self.ab.assign_symbols(self.joined, self.now)
        if evaluated and not self.latched:
            assert self.ab.engine.threshold.holds["slippage_degradation"].held_s == held

    @rule()
    def operator(self) -> None:
        self.ab._save()
        cleared = reset_by_hand(self.ab.store, "looked at it", self.now, lambda _latch: {"progress": None})
        assert bool(cleared) == self.latched
        self.resets += bool(cleared)
        self.latched = False
        self.ab.evaluate(self.now)

    @invariant()
    def the_latch_holds(self) -> None:
        assert (self.ab.rollback is not None) == self.latched
        assert (self.ab.state is State.ROLLED_BACK) == self.latched
        if self.latched:
            assert all(self.ab.bucket(symbol, self.now) == "A" for symbol in NAMES)
        else:
            assert {s for s in self.joined if self.ab.bucket(s, self.now) == "B"} == self.in_b

    @invariant()
    def the_audit_tells_it_all(self) -> None:
        events = [event["event"] for event in read_audit(self.path / "audit.jsonl")]
        assert events.count("rollback") == self.rollbacks
        assert events.count("reset") == self.resets

    def teardown(self) -> None:
        if hasattr(self, "home"):
            self.home.cleanup()


TestExperiment = Experiment.TestCase
TestExperiment.settings = settings(max_examples=50, stateful_step_count=20, deadline=None)
