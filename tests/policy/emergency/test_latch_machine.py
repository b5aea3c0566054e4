"""A state machine for the latch: processes come, violate, are killed, lose files; operators resume."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from calib.clock import VirtualClock
from calib.policy.emergency.latch import Latch
from calib.policy.emergency.resume import resume
from calib.policy.emergency.state import CacheViolation, Phase, StepOutcome
from calib.policy.emergency.store import STATE_NAME, EmergencyStore
from calib.policy.safety import SafetyCheck

OWNERS = ("maker", "hedger")


class LatchMachine(RuleBasedStateMachine):
    """The model: an emergency is in force from the first violation until a resume that was not refused."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="calib-latch-"))
        self.store = EmergencyStore(self.directory)
        self.clock = VirtualClock(1_735_689_600.0)
        self.processes: dict[str, Latch] = {}
        self.in_force = False
        self.components: set[str] = set()
        self.unsafe: set[str] = set()
        """Processes whose procedure is not complete since the last violation or restart."""

    @initialize()
    def begin(self) -> None:
        for owner in OWNERS:
            self.start(owner)

    def start(self, owner: str) -> None:
        self.processes[owner] = Latch(self.store, owner, self.clock)

    @rule(owner=st.sampled_from(OWNERS), component=st.sampled_from(("wallet", "books")))
    def violate(self, owner: str, component: str) -> None:
        latch = self.processes[owner]
        new = latch.set(CacheViolation("t", component, self.clock.time()))
        assert new is False or not self.in_force or latch.look() is Phase.LATCHED
        assert latch.wait_saved(10)
        # What is new to the emergency concerns every process; more of the same, the one that saw it.
        known = self.in_force and component in self.components
        self.unsafe |= {owner} if known else set(OWNERS)
        self.components = {component} | (self.components if self.in_force else set())
        self.in_force = True

    @precondition(lambda self: self.in_force)
    @rule(owner=st.sampled_from(OWNERS), passes=st.booleans())
    def run_procedure(self, owner: str, passes: bool) -> None:
        latch = self.processes[owner]
        assert latch.look() is Phase.LATCHED
        emergency = latch.emergency
        assert emergency is not None
        due = latch.procedure.due(emergency.components, retry=True, unseen=emergency.unseen(owner))
        if not due:
            return  # every step is done and has passed since the last violation
        for step, component in due:
            safety = SafetyCheck.of([] if passes else ["still cached"]) if step.value.startswith("validate") else None
            ok = safety is None or safety.passed
            outcome = StepOutcome(step.value, component, ok, self.clock.time(), "" if ok else "still cached")
            latch.step(outcome, safety, tuple(one.id for one in emergency.violations))
        assert latch.wait_saved(10)
        self.unsafe.discard(owner) if passes else self.unsafe.add(owner)

    @rule(owner=st.sampled_from(OWNERS))
    def kill_and_restart(self, owner: str) -> None:
        self.start(owner)

    @rule(owner=st.sampled_from(OWNERS))
    def lose_the_state_file_beside_a_running_process(self, owner: str) -> None:
        if self.in_force and self.processes[owner].look() is Phase.LATCHED:
            (self.directory / STATE_NAME).unlink(missing_ok=True)
            self.unsafe = set(OWNERS)  # the audit has the emergency, not what was done about it

    @rule(ms=st.integers(1, 10_000))
    def time_passes(self, ms: int) -> None:
        self.clock.advance_ms(ms)

    @rule(late=st.booleans())
    def operator_resumes(self, late: bool) -> None:
        now = self.clock.time()
        until = now if late else now - 1e6
        decision = resume(self.store, reason="r", by="0", paper_traded_until=until, now=now, residual_monitoring_s=5)
        if not self.in_force:
            assert decision.emergency is None
            return
        assert decision.emergency is not None
        if decision.resumed is not None:
            assert late
            assert not self.unsafe & set(decision.emergency.procedures)
            self.in_force = False
            self.unsafe = set()
        else:
            assert decision.obstacles

    @invariant()
    def every_process_knows_what_is_in_force(self) -> None:
        for latch in self.processes.values():
            assert (latch.look() is Phase.LATCHED) is self.in_force
        fresh = Latch(self.store, "fresh", self.clock)
        assert (fresh.look() is Phase.LATCHED) is self.in_force

    def teardown(self) -> None:
        for latch in self.processes.values():
            latch.wait_saved(10)
        shutil.rmtree(self.directory, ignore_errors=True)


LatchMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
TestLatchMachine = LatchMachine.TestCase
