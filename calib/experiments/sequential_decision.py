"""The sequential decision: anytime-valid tests on blocks; the error rate is split over the gates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calib.experiments.blocks import CHANNEL_OF, SCALE_FLOOR, Block, observe
from calib.experiments.persistent import PersistentArms
from calib.experiments.sequential import BoundedMean, SampleRatio, Switchback, SwitchbackPlan
from calib.experiments.states import State
from calib.experiments.verdict import GateVerdict, Verdict, finite

if TYPE_CHECKING:
    from calib.experiments.gates import Gate
    from calib.experiments.settings import ABSettings

SAMPLE_RATIO = "sample_ratio"
"""Name of the sample-ratio check when it acts as a gate."""
MIN_DEADLINE_BLOCK_S = 60.0
"""Shortest block for the bounded-mean test, s: in shorter ones a burst of late ticks violates its assumption."""


def plan_of(gate: Gate, settings: ABSettings) -> SwitchbackPlan:
    """Return the parameters of a gate's switchback test."""
    return _plan(gate.block_margin, gate.channel, settings)


def _plan(margin: float, channel: str, settings: ABSettings) -> SwitchbackPlan:
    horizon = max(1, round(settings.horizon_s / settings.block_s))
    alpha = settings.alpha / len(settings.gates)
    return SwitchbackPlan(alpha, margin, settings.warmup_blocks, horizon, floor=SCALE_FLOOR[channel])


class SequentialDecision:
    """The tests of every gate, updated block by block.

    Parameters
    ----------
    settings
        Thresholds, alpha and the tuning.
    switchback
        Whether symbols change their arm from block to block; otherwise the arms are persistent.
    """

    def __init__(self, settings: ABSettings, *, switchback: bool) -> None:
        self.settings, self.switchback = settings, switchback
        self.gates = settings.gates
        self.symbols: list[str] = []
        self.alpha = settings.alpha / len(self.gates)
        horizon = max(1, round(settings.horizon_s / settings.block_s))
        self.tests = {gate.name: Switchback(plan_of(gate, settings), (0,)) for gate in self.gates}
        self.effects = {name: Switchback(_plan(0.0, name, settings), (0,)) for name in CHANNEL_OF.values()}
        """The same test for each of the six metrics, for the intervals of a report."""
        self.limits = {
            gate.name: BoundedMean(self.alpha, gate.limit, settings.warmup_blocks)
            for gate in self.gates
            if gate.limit is not None
        }
        self.persistent = PersistentArms(settings, self.alpha, horizon)
        self.units_a = self.units_b = 0
        self.expected_a = self.expected_b = 0.0
        self.last_block: dict[str, int] = {}
        """The newest block with data in both arms, by gate."""
        self.newest_block = -1
        self.last_difference: dict[str, float] = {}

    def take(self, block: Block, expected: tuple[float, float]) -> None:
        """Add one closed block; ``expected`` is the number of symbols assigned to A and B, for the ratio check."""
        self.newest_block = max(self.newest_block, block.index)
        known = set(self.symbols)
        self.symbols += sorted(s for s in block.symbols if s not in known)
        counted = [sums for sums in block.symbols.values() if not sums.mixed]
        in_b = sum(sums.bucket == "B" for sums in counted)
        self.units_a += len(counted) - in_b
        self.units_b += in_b
        self.expected_a += expected[0]
        self.expected_b += expected[1]
        if self.switchback:
            self._switchback(block)
        else:
            self.persistent.take(block, self.symbols)

    def _switchback(self, block: Block) -> None:
        for name, effect in self.effects.items():
            seen = observe(block, self.symbols, name)
            effect.grow(len(self.symbols))
            effect.update(seen.sums, seen.counts, seen.is_b)
        for gate in self.gates:
            seen = observe(block, self.symbols, gate.channel)
            test = self.tests[gate.name]
            test.grow(len(self.symbols))
            d = float(test.update(gate.worse * seen.sums, seen.counts, seen.is_b))
            if d == d:
                self.last_block[gate.name] = block.index
                self.last_difference[gate.name] = d
            limit = self.limits.get(gate.name)
            ticks_b = seen.counts[seen.is_b].sum()
            if limit is not None and ticks_b > 0 and self.settings.block_s >= MIN_DEADLINE_BLOCK_S:
                limit.update(seen.sums[seen.is_b].sum() / ticks_b)

    @property
    def sample_ratio(self) -> SampleRatio:
        """The units with data in each arm, and the share of B that the assignment expects."""
        expected = self.expected_a + self.expected_b
        return SampleRatio(self.units_a, self.units_b, self.expected_b / expected if expected else 0.5)

    def judge(self, now: float) -> Verdict:
        """Return the verdict after the blocks so far."""
        if not self.switchback:
            return Verdict("sequential", tuple(self.persistent.judge(gate) for gate in self.gates))
        return Verdict("sequential", tuple(self._judge(gate, now) for gate in self.gates), self._judge_ratio())

    def _judge_ratio(self) -> GateVerdict | None:
        """Return the sample-ratio check as a gate if B has significantly too few units, else None."""
        ratio = self.sample_ratio
        if self.settings.srm_policy != "rollback" or not (ratio.significant and ratio.b_underrepresented):
            return None
        evidence = {
            "units_a": ratio.a,
            "units_b": ratio.b,
            "expected_b": ratio.expected_b,
            "p": ratio.anytime_p,
            "why": "B has fewer units with data than it was assigned",
        }
        return GateVerdict(SAMPLE_RATIO, State.VIOLATING, True, evidence)

    def _judge(self, gate: Gate, now: float) -> GateVerdict:
        test, limit = self.tests[gate.name], self.limits.get(gate.name)
        rejected = bool(test.rejected) and (limit is None or bool(limit.rejected))
        state, why = self._state(gate, rejected, now)
        evidence: dict[str, Any] = {
            "p": float(test.p_value),
            "alpha": self.alpha,
            "blocks": int(test.count),
            "margin": gate.block_margin,
            "effect": finite(gate.worse * float(test.total / test.count)) if test.count else None,
            "why": why,
        }
        if limit is not None:
            evidence |= {"p_limit": float(limit.p_value), "limit": limit.limit, "blocks_limit": int(limit.seen)}
        return GateVerdict(gate.name, state, state is State.VIOLATING, evidence)

    def _state(self, gate: Gate, rejected: bool, now: float) -> tuple[State, str]:
        mismatch = "sample-ratio mismatch: the units with data are not split as assigned"
        if rejected and not self.sample_ratio.mismatch:
            return State.VIOLATING, "the e-process reached 1 / alpha"
        if rejected and self.settings.srm_policy == "rollback":
            return State.VIOLATING, f"the e-process reached 1 / alpha; {mismatch}"
        if self.sample_ratio.mismatch:
            return State.INCONCLUSIVE, mismatch
        if gate.limit is not None and self.settings.block_s < MIN_DEADLINE_BLOCK_S:
            return State.INCONCLUSIVE, "blocks are shorter than 60 s: bursts of late ticks would invalidate the test"
        last = self.last_block.get(gate.name)
        stale_s = self.settings.max_gap_s(gate.kind) + self.settings.grace_s + self.settings.block_s
        if last is None or now - (last + 1) * self.settings.block_s > stale_s:
            return State.NODATA, "no block with data in both arms lately"
        if self.tests[gate.name].count == 0:
            return State.INCONCLUSIVE, "warm-up: the scale is being measured"
        return State.OK, "not shown to be worse than the margin"

    def to_state(self) -> dict[str, Any]:
        return {
            "switchback": self.switchback,
            "symbols": self.symbols,
            "tests": {name: test.to_state() for name, test in self.tests.items()},
            "effects": {name: test.to_state() for name, test in self.effects.items()},
            "limits": {name: test.to_state() for name, test in self.limits.items()},
            "persistent": self.persistent.to_state(),
            "units": [self.units_a, self.units_b, self.expected_a, self.expected_b],
            "last_block": self.last_block,
            "newest_block": self.newest_block,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.symbols = list(state["symbols"])
        if len(set(self.symbols)) != len(self.symbols):
            raise ValueError("a symbol is listed twice")
        for part, tests in (("tests", self.tests), ("effects", self.effects)):
            for name, test in tests.items():
                test.load_state(state[part][name])
                if test.baseline.total.shape[-1] > len(self.symbols):
                    raise ValueError(f"{part}.{name} has figures for more symbols than the state lists")
        for name, limit in self.limits.items():
            limit.load_state(state["limits"][name])
        self.persistent.load_state(state["persistent"])
        self.units_a, self.units_b = (int(n) for n in state["units"][:2])
        self.expected_a, self.expected_b = (float(n) for n in state["units"][2:])
        self.last_block = {name: int(index) for name, index in state["last_block"].items()}
        self.newest_block = int(state["newest_block"])
