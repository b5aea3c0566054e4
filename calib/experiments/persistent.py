"""The sequential decision if symbols keep their arm: difference in differences, or "inconclusive"."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from calib.experiments.blocks import Block, observe
from calib.experiments.routing import A, B
from calib.experiments.sequential.paired import KPSS_LIMIT, MIN_ARM, MIN_PRE_S, MIN_SYMBOLS, PairedBlocks
from calib.experiments.sequential.switchback import RunningBaseline, difference
from calib.experiments.states import State
from calib.experiments.verdict import GateVerdict

if TYPE_CHECKING:
    from calib.experiments.gates import Gate
    from calib.experiments.settings import ABSettings


class PersistentArms:
    """One paired-block test per gate, and the conditions for using it.

    Symbols that join after the pre-period are left out: they have no pre-period mean to be compared with.
    """

    def __init__(self, settings: ABSettings, alpha: float, horizon: int) -> None:
        self.settings = settings
        self.tests = {
            gate.name: PairedBlocks(alpha, 0.0 if gate.limit is not None else gate.block_margin, horizon)
            for gate in settings.gates
        }
        self.baselines = {gate.name: RunningBaseline((0,), 1.0) for gate in settings.gates}
        self.arm_of: dict[str, str] = {}
        self.first_block: int | None = None
        self.newest_block = -1

    def take(self, block: Block, symbols: list[str]) -> None:
        """Add one closed block."""
        for symbol in symbols:
            if symbol in block.symbols:
                self.arm_of.setdefault(symbol, block.symbols[symbol].bucket)
        self.first_block = block.index if self.first_block is None else self.first_block
        self.newest_block = block.index
        start = self.settings.treatment_from
        if start is None:
            return
        before = (block.index + 1) * self.settings.block_s <= start
        for gate in self.settings.gates:
            seen = observe(block, symbols, gate.channel)
            baseline = self.baselines[gate.name]
            baseline.grow(len(symbols))
            counts = np.where(baseline.count > 0, seen.counts, 0.0)
            sums = np.where(baseline.count > 0, seen.sums, 0.0)
            d = float(difference(sums, counts, seen.is_b, baseline.predict()))
            self.tests[gate.name].update(gate.worse * d, before=before)
            if before:
                baseline.update(seen.sums, seen.counts)

    def obstacle(self) -> str:
        """Return the reason why no verdict is possible; empty if one is."""
        in_b = sum(arm == B for arm in self.arm_of.values())
        in_a = sum(arm == A for arm in self.arm_of.values())
        start = self.settings.treatment_from
        if start is None:
            return "persistent arms without a pre-period: set ab.treatment_from (when B began), or use switchback"
        if in_a + in_b < MIN_SYMBOLS:
            return f"persistent arms need at least {MIN_SYMBOLS} symbols, got {in_a + in_b}"
        if min(in_a, in_b) < MIN_ARM:
            return f"each arm needs at least {MIN_ARM} symbols, got {in_a} in A and {in_b} in B"
        first = start if self.first_block is None else self.first_block * self.settings.block_s
        if start - first < MIN_PRE_S:
            return f"the pre-period must be at least 24 h, got {max(0.0, start - first) / 3600:.1f} h"
        return ""

    def judge(self, gate: Gate) -> GateVerdict:
        """Return the verdict of one gate."""
        test = self.tests[gate.name]
        evidence: dict[str, Any] = {
            "p": test.p_value,
            "alpha": test.alpha,
            "blocks": test.count,
            "blocks_before": len(test.pre),
            "margin": test.margin,
            "effect": gate.worse * test.post_total / test.count if test.count else None,
            "why": self.obstacle(),
        }
        if gate.limit is not None:
            evidence["why"] = evidence["why"] or "persistent arms cannot test an absolute limit; use switchback"
        need = int(MIN_PRE_S / self.settings.block_s / 2)
        if not evidence["why"] and len(test.pre) < need:
            evidence["why"] = f"the pre-period has {len(test.pre)} complete blocks, {need} are needed"
        if not evidence["why"] and not test.period.stationary:
            evidence["why"] = (
                f"the difference of the arms is not stationary in the pre-period (KPSS {test.period.kpss:.2f} > "
                f"{KPSS_LIMIT}): the symbols cannot be compared over days; use switchback"
            )
        if evidence["why"]:
            return GateVerdict(gate.name, State.INCONCLUSIVE, False, evidence)
        if test.count == 0:
            return GateVerdict(gate.name, State.NODATA, False, evidence | {"why": "no complete block since B began"})
        if test.rejected:
            why = "the excess over the pre-period reached its bound"
            return GateVerdict(gate.name, State.VIOLATING, True, evidence | {"why": why})
        return GateVerdict(gate.name, State.OK, False, evidence | {"why": "not shown to be worse than the margin"})

    def to_state(self) -> dict[str, Any]:
        return {
            "tests": {name: test.to_state() for name, test in self.tests.items()},
            "baselines": {name: [b.total.tolist(), b.count.tolist()] for name, b in self.baselines.items()},
            "arm_of": self.arm_of,
            "first_block": self.first_block,
            "newest_block": self.newest_block,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        for name, test in self.tests.items():
            test.load_state(state["tests"][name])
        for name, baseline in self.baselines.items():
            baseline.load(*state["baselines"][name])
        self.arm_of = dict(state["arm_of"])
        self.first_block, self.newest_block = state["first_block"], int(state["newest_block"])
