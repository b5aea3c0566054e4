"""The threshold timer: how long a gate has been violating, in event time that data really covers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from calib.experiments.states import State


@dataclass(slots=True)
class Hold:
    """Counts the seconds for which a gate has been violating without one good evaluation between.

    Time counts only from one evaluation with new data to the next, and only over gaps of at most ``max_gap_s``: a clock
    that jumps and a process that was frozen add nothing. Without data the timer pauses. Where the covered part of the
    time since the violation began falls below ``min_coverage``, the timer starts over.

    Parameters
    ----------
    hold_s
        Violating for so long is a violation to act on.
    max_gap_s
        A longer gap between data is not counted.
    min_coverage
        Least share of the time since the beginning that must be covered, in [0, 1].
    """

    hold_s: float = 600.0
    max_gap_s: float = 60.0
    min_coverage: float = 0.5
    held_s: float = 0.0
    """Seconds that count."""
    since: float | None = None
    """When the violation began."""
    last: float | None = None
    """The newest data of the last evaluation that counted."""
    violations: int = 0
    """Violations that began, a running count."""

    def update(self, breached: bool | None, newest: float) -> State:
        """Take one evaluation.

        Parameters
        ----------
        breached
            The reading; None for no data.
        newest
            Time of the newest record that *each* arm involved has: the earlier of the two.
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
        """Whether the violation was held long enough to act."""
        return self.since is not None and self.held_s >= self.hold_s

    def restart(self) -> None:
        """Forget the time held so far: event time went backwards."""
        self.held_s, self.since, self.last = 0.0, None, None

    def to_state(self) -> dict[str, Any]:
        state = asdict(self)
        return {name: state[name] for name in ("held_s", "since", "last", "violations")}

    def load_state(self, state: dict[str, Any]) -> None:
        self.held_s, self.violations = float(state["held_s"]), int(state["violations"])
        self.since = None if state["since"] is None else float(state["since"])
        self.last = None if state["last"] is None else float(state["last"])
