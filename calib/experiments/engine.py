"""The evaluation: takes records, returns verdicts on an event-time grid; no clock, no file, no lock.

The live harness and the evaluation of recorded feeds both run this code, so their verdicts agree.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from calib.experiments.blocks import OpenBlocks
from calib.experiments.hold import Hold
from calib.experiments.records import Fill, TickRecord
from calib.experiments.routing import A, Assignment, B, Router, block_of
from calib.experiments.sequential_decision import SAMPLE_RATIO, SequentialDecision
from calib.experiments.states import State
from calib.experiments.threshold import ThresholdDecision
from calib.experiments.timeline import GateSeries, Timeline
from calib.experiments.verdict import GateVerdict, Verdict
from calib.experiments.windows import ArmMetrics, ArmWindow

if TYPE_CHECKING:
    from calib.experiments.settings import ABSettings

_BY_TIME = itemgetter(0)
DECISIONS = ("threshold", "sequential")


@dataclass(frozen=True, slots=True)
class EvaluationStep:
    """One evaluated grid point."""

    ts: float
    threshold: Verdict
    sequential: Verdict
    forced: GateVerdict | None
    """Set if the nodata policy requires a rollback."""

    def verdict(self, decision: str) -> Verdict:
        """Return the verdict of ``threshold`` or ``sequential``."""
        return self.threshold if decision == "threshold" else self.sequential

    def acting(self, decision: str) -> GateVerdict | None:
        """Return the gate that requires a rollback under ``decision``, or None."""
        return self.verdict(decision).acting or self.forced


class ExperimentEngine:
    """Windows, blocks, both decisions and their timelines.

    Parameters
    ----------
    settings
        The rules, thresholds and windows of the experiment.
    router
        The arm of each symbol, the lists and the expected split.
    """

    def __init__(self, settings: ABSettings, router: Router) -> None:
        self.settings, self.router = settings, router
        self.arms = {arm: ArmWindow(settings.window, settings.window_s) for arm in (A, B)}
        self.blocks = OpenBlocks(settings.block_s, settings.grace_s)
        self.threshold = ThresholdDecision(settings)
        self.sequential = SequentialDecision(settings, switchback=router.rule is Assignment.SWITCHBACK)
        self.absent_b = Hold(settings.hold_s, settings.max_gap_ticks_s, settings.min_coverage)
        self.grid: float | None = None
        """The newest evaluated grid point, Unix s."""
        self.first = math.inf
        """Time of the first record."""
        self.newest = -math.inf
        self.pending: list[Fill | TickRecord] = []
        self.counts: Counter[str] = Counter()
        self.metrics: dict[str, ArmMetrics] = {}
        self.timelines = {(d, gate.name): Timeline() for d in DECISIONS for gate in settings.gates}
        self.timelines["sequential", SAMPLE_RATIO] = Timeline()
        self.series = {gate.name: GateSeries() for gate in settings.gates}
        self.last: EvaluationStep | None = None
        self._resumed = False

    def take(self, records: list[Fill | TickRecord]) -> None:
        """Add records in any order; those before the newest grid point are counted as late and left out."""
        grid = self.grid
        if grid is not None:
            timely = [record for record in records if record.ts >= grid]
            self.counts["late"] += len(records) - len(timely)
            records = timely
        self.pending.extend(records)

    def advance(self, now: float) -> Iterator[EvaluationStep]:
        """Evaluate every grid point up to ``now`` less the allowed lateness."""
        step = self.settings.eval_s
        due = math.floor((now - self.settings.lateness_s) / step) * step
        self.pending.sort(key=_BY_TIME)
        if self.grid is None:
            if not self.pending or self.pending[0].ts >= due:
                return
            self.grid = math.floor(self.pending[0].ts / step) * step
        self._resume()
        position = 0
        try:
            while self.grid + step <= due:
                self.grid = self._next(position, step, due)
                position = self._drain(position, self.grid)
                yield self._judge(self.grid)
        finally:
            del self.pending[:position]

    @property
    def _past_max_gap(self) -> bool:
        """Whether the gap since the newest record is so long that no gate can change before the next record."""
        settings = self.settings
        longest = max(settings.max_gap_fills_s, settings.max_gap_ticks_s)
        return (self.grid or 0.0) - self.newest > longest + settings.grace_s + 2 * settings.block_s

    def _next(self, position: int, step: float, due: float) -> float:
        """Return the next grid point; a long gap without records is skipped in one step."""
        grid = self.grid or 0.0
        if not self._past_max_gap:
            return _on_grid(grid + step, step)
        upcoming = self.pending[position].ts if position < len(self.pending) else due
        return _on_grid(max(grid + step, min(math.floor(upcoming / step) * step, due)), step)

    def _resume(self) -> None:
        """Drop the current block after a restart: only a part of it was recorded."""
        if self._resumed and self.pending:
            self.blocks.drop(block_of(self.pending[0].ts, self.settings.block_s))
            self._resumed = False

    def _drain(self, position: int, until: float) -> int:
        pending, arms, blocks, router = self.pending, self.arms, self.blocks, self.router
        while position < len(pending) and pending[position].ts < until:
            record = pending[position]
            position += 1
            self.first = min(self.first, record.ts)
            if isinstance(record, TickRecord):
                arms[record.bucket].add_tick(record)
                if not router.listed(record.symbol):
                    blocks.add_tick(record)
            else:
                arms[record.bucket].add_fill(record)
                if not router.listed(record.symbol):
                    blocks.add_fill(record)
            self.newest = record.ts
        return position

    def _judge(self, now: float) -> EvaluationStep:
        closed = self.blocks.close(now)
        for block in closed:
            self.sequential.take(block, self.router.expected_counts())
        a, b = self.arms[A].metrics(now), self.arms[B].metrics(now)
        self.metrics = {A: a, B: b}
        step = EvaluationStep(
            now, self.threshold.judge(now, a, b), self.sequential.judge(now), self._judge_absence(now, a, b)
        )
        for decision, verdict in (("threshold", step.threshold), ("sequential", step.sequential)):
            for gate in verdict.gates:
                self.timelines[decision, gate.gate].add(now, gate.state, gate.act, counted=not self._past_max_gap)
        ratio = step.sequential.ratio
        self.timelines["sequential", SAMPLE_RATIO].add(now, ratio.state if ratio else State.OK, ratio is not None)
        if closed:
            self._plot(now, step)
        self.last = step
        return step

    def _plot(self, now: float, step: EvaluationStep) -> None:
        for threshold, sequential in zip(step.threshold.gates, step.sequential.gates, strict=True):
            b, bound = threshold.evidence["b"], threshold.evidence["bound"]
            excess = b - bound if b is not None and bound is not None else math.nan
            self.series[threshold.gate].add((now, excess, sequential.evidence["p"]))

    def _judge_absence(self, now: float, a: ArmMetrics, b: ArmMetrics) -> GateVerdict | None:
        newest_a = max(a.newest_fill, a.newest_tick)
        newest_b = max(b.newest_fill, b.newest_tick)
        gap = self.settings.max_gap_ticks_s
        absent = now - newest_b > gap if now - newest_a <= gap else None
        state = self.absent_b.update(absent, newest_a)
        if self.settings.nodata == "rollback" and self.absent_b.expired and state is State.VIOLATING:
            evidence = {"held_s": self.absent_b.held_s, "why": "A has data, B has none"}
            return GateVerdict("nodata", State.VIOLATING, True, evidence)
        return None

    def rebase(self, now: float) -> None:
        """Restart the grid and reset the hold timers after event time went back by more than the largest gap."""
        self.grid = None
        self.newest = -math.inf
        self.threshold.restart()
        self.absent_b.restart()
        self.arms = {arm: ArmWindow(self.settings.window, self.settings.window_s) for arm in (A, B)}
        self.pending = [record for record in self.pending if record.ts <= now]
        closed = block_of(now, self.settings.block_s)
        self.blocks = OpenBlocks(self.settings.block_s, self.settings.grace_s)
        self.blocks.drop(closed)
        self.counts["rebased"] += 1

    def to_state(self) -> dict[str, Any]:
        """Return the state that a restart needs: grid, timers and tests.

        Windows are not included: after a restart a gate has no data until they fill again.
        """
        return {
            "grid": self.grid,
            "threshold": self.threshold.to_state(),
            "sequential": self.sequential.to_state(),
            "absent_b": self.absent_b.to_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.grid = state["grid"]
        self.threshold.load_state(state["threshold"])
        self.sequential.load_state(state["sequential"])
        self.absent_b.load_state(state["absent_b"])
        self._resumed = True


def _on_grid(ts: float, step: float) -> float:
    """Return the nearest multiple of the step: repeated addition of a step such as 0.1 accumulates rounding errors."""
    return round(ts / step) * step
