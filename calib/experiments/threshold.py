"""The threshold decision: each gate compares rolling windows and must be violated for 600 s.

Its error rates are in ``docs/explanation/ab-decisions.md``: without any effect it rolls back most experiments within a
day. It is kept for users of the first design; compare it with the sequential decision.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calib.experiments.hold import Hold
from calib.experiments.states import State
from calib.experiments.verdict import GateVerdict, Verdict, finite

if TYPE_CHECKING:
    from calib.experiments.gates import Gate, Reading
    from calib.experiments.settings import ABSettings
    from calib.experiments.windows import ArmMetrics


class ThresholdDecision:
    """One timer per gate over the readings of the rolling windows."""

    def __init__(self, settings: ABSettings) -> None:
        self.settings = settings
        self.gates = settings.gates
        self.holds = {
            gate.name: Hold(settings.hold_s, settings.max_gap_s(gate.kind), settings.min_coverage)
            for gate in self.gates
        }

    def judge(self, now: float, a: ArmMetrics, b: ArmMetrics) -> Verdict:
        """Return the verdict of one grid point."""
        return Verdict("threshold", tuple(self._judge(gate, now, a, b) for gate in self.gates))

    def _judge(self, gate: Gate, now: float, a: ArmMetrics, b: ArmMetrics) -> GateVerdict:
        reading = gate.read(a, b, self.settings.min_records(gate.kind))
        newest = _newest(gate, a, b)
        breached = reading.breached if now - newest <= self.settings.max_gap_s(gate.kind) else None
        hold = self.holds[gate.name]
        state = hold.update(breached, newest)
        act = hold.expired and state is State.VIOLATING
        return GateVerdict(gate.name, state, act, _evidence(reading, hold))

    def restart(self) -> None:
        """Reset the hold timers after event time went backwards."""
        for hold in self.holds.values():
            hold.restart()

    def to_state(self) -> dict[str, Any]:
        return {name: hold.to_state() for name, hold in self.holds.items()}

    def load_state(self, state: dict[str, Any]) -> None:
        for name, hold in self.holds.items():
            hold.load_state(state[name])


def _newest(gate: Gate, a: ArmMetrics, b: ArmMetrics) -> float:
    name = "newest_fill" if gate.kind == "fills" else "newest_tick"
    newest_b = float(getattr(b, name))
    return min(newest_b, float(getattr(a, name))) if gate.needs_control else newest_b


def _evidence(reading: Reading, hold: Hold) -> dict[str, Any]:
    return {
        "metric": reading.metric,
        "a": finite(reading.a),
        "b": finite(reading.b),
        "bound": finite(reading.bound),
        "n_a": finite(reading.n_a),
        "n_b": finite(reading.n_b),
        "held_s": hold.held_s,
        "since": hold.since,
        "violations": hold.violations,
    }
