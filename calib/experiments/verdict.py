"""The verdict of a decision at one evaluation, gate by gate."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from calib.experiments.states import State, worst


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """The verdict of one gate under one decision.

    Parameters
    ----------
    gate
        Name of the gate.
    state
        OK, VIOLATING, NODATA or INCONCLUSIVE.
    act
        Whether this gate requires a rollback now.
    evidence
        The figures behind the verdict, as written to the audit; missing ones are None.
    """

    gate: str
    state: State
    act: bool
    evidence: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {"gate": self.gate, "state": str(self.state), "act": self.act, "evidence": self.evidence}


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict of one decision over all its gates."""

    decision: str
    gates: tuple[GateVerdict, ...]
    ratio: GateVerdict | None = None
    """The sample-ratio check if it requires a rollback."""

    @property
    def state(self) -> State:
        """The most severe state of all gates."""
        return worst([gate.state for gate in self.gates] + ([self.ratio.state] if self.ratio else []))

    @property
    def acting(self) -> GateVerdict | None:
        """The first gate that requires a rollback, or None."""
        return next((gate for gate in self.gates if gate.act), self.ratio)

    def to_json(self) -> dict[str, Any]:
        return {
            "decision": self.decision,
            "state": str(self.state),
            "gates": [gate.to_json() for gate in self.gates],
            "sample_ratio": None if self.ratio is None else self.ratio.to_json(),
        }


def finite(value: float | None) -> float | None:
    """Return the value, or None if it is NaN or infinite, which JSON cannot represent."""
    return None if value is None or not math.isfinite(value) else float(value)
