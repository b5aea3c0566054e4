"""The states of each gate over time, in bounded memory."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from calib.experiments.states import State

MAX_SPANS: Final = 2_000
MAX_POINTS: Final = 2_048


class Timeline:
    """The states of one gate under one decision: spans of equal state, counts, and the first required rollback."""

    __slots__ = ("counts", "first_act", "first_violation", "spans", "spans_lost")

    def __init__(self) -> None:
        self.spans: list[tuple[float, State]] = []
        """Start (Unix s) and state of each span."""
        self.spans_lost = 0
        self.counts: Counter[State] = Counter()
        """Number of evaluations by state."""
        self.first_violation: float | None = None
        self.first_act: float | None = None

    def add(self, ts: float, state: State, act: bool, *, counted: bool = True) -> None:
        """Add one evaluation; evaluations in a long gap without data are not counted."""
        self.counts[state] += counted
        if not self.spans or self.spans[-1][1] is not state:
            self.spans.append((ts, state))
            if len(self.spans) > MAX_SPANS:
                del self.spans[0]
                self.spans_lost += 1
        if state is State.VIOLATING and self.first_violation is None:
            self.first_violation = ts
        if act and self.first_act is None:
            self.first_act = ts

    def to_json(self) -> dict[str, Any]:
        return {
            "evaluations": {str(state): self.counts[state] for state in State if self.counts[state]},
            "first_violation": self.first_violation,
            "first_act": self.first_act,
            "spans": [[ts, str(state)] for ts, state in self.spans],
            "spans_lost": self.spans_lost,
        }


class GateSeries:
    """Points over time; beyond `MAX_POINTS` every second point is dropped, so that the density stays even."""

    __slots__ = ("_skip", "_stride", "points")

    def __init__(self) -> None:
        self.points: list[tuple[float, ...]] = []
        self._stride = 1
        self._skip = 0

    def add(self, point: tuple[float, ...]) -> None:
        """Add one point; after thinning, only every n-th point is kept."""
        self._skip += 1
        if self._skip < self._stride:
            return
        self._skip = 0
        self.points.append(point)
        if len(self.points) > MAX_POINTS:
            self.points = self.points[1::2]
            self._stride *= 2
