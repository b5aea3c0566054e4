"""The timer of the threshold decision: how long a gate has been violated, in event time covered by data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from calib.experiments.states import State


@dataclass(slots=True)
class Hold:
    """Counts the seconds for which a gate has been violated without a passing evaluation.

    Time counts only from one evaluation with new data to the next, and only over gaps of at most ``max_gap_s``: clock
    jumps and a suspended process add nothing. Without data the timer pauses. If the covered share of the time since the
    violation began falls below ``min_coverage``, the timer restarts.

    Parameters
    ----------
    hold_s
        Duration of a violation that causes a rollback, s.
    max_gap_s
        Longest gap between data that counts, s.
    min_coverage
        Minimum covered share of the time since the violation began, in [0, 1].
    """

    hold_s: float = 600.0
    max_gap_s: float = 60.0
    min_coverage: float = 0.5
    held_s: float = 0.0
    """Seconds counted so far."""
    since: float | None = None
    """When the violation began, Unix s."""
    last: float | None = None
    """Time of the newest data at the last evaluation that counted, Unix s."""
    violations: int = 0
    """Number of violations that began."""

    def update(self, breached: bool | None, newest: float) -> State:
        """Add one evaluation and return the state.

        Parameters
        ----------
        breached
            The reading; None for no data.
        newest
            Time (Unix s) up to which *each* arm involved has data: the earlier of the arms' newest records.
        """
        if breached is None:
            return State.NODATA
        if not breached:
            self.held_s, self.since, self.last = 0.0, None, None
            return State.OK
        if self.since is None or self.last is None:
            self.since = self.last = newest
            self.held_s = 0.0
            self.violations += 1
        elif newest > self.last:
            gap = newest - self.last
            self.held_s += gap if gap <= self.max_gap_s else 0.0
            self.last = newest
            if self.held_s < self.min_coverage * (newest - self.since):
                self.since, self.held_s = newest, 0.0
        return State.VIOLATING

    @property
    def expired(self) -> bool:
        """Whether the violation has lasted for ``hold_s``."""
        return self.since is not None and self.held_s >= self.hold_s

    def restart(self) -> None:
        """Reset the timer after event time went backwards."""
        self.held_s, self.since, self.last = 0.0, None, None

    def to_state(self) -> dict[str, Any]:
        state = asdict(self)
        return {name: state[name] for name in ("held_s", "since", "last", "violations")}

    def load_state(self, state: dict[str, Any]) -> None:
        self.held_s, self.violations = float(state["held_s"]), int(state["violations"])
        self.since = None if state["since"] is None else float(state["since"])
        self.last = None if state["last"] is None else float(state["last"])
