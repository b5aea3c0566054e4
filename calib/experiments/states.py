"""The words of the verdicts."""

from __future__ import annotations

import enum


class Mode(enum.StrEnum):
    """How far an experiment may go."""

    DRY = "dry"
    """Recorded under the arms that would be; everything is routed to A."""
    SHADOW = "shadow"
    """Routed and judged; never rolled back."""
    ONLINE = "online"
    """Routed, judged, and rolled back on a violation."""


class State(enum.StrEnum):
    """What a gate, or the whole experiment, says."""

    OK = "OK"
    VIOLATING = "VIOLATING"
    """A gate's rule is broken (and, for the experiment, has not yet led to a rollback)."""
    NODATA = "NODATA"
    """Too little or too old data in an arm: neither good nor bad, and no time passes for a rollback."""
    INCONCLUSIVE = "INCONCLUSIVE"
    """The data cannot carry a verdict: warm-up, a sample-ratio mismatch, arms that cannot be compared."""
    ROLLED_BACK = "ROLLED_BACK"
    """Latched: every symbol runs A until an operator resets it with a reason."""


_RANK = (State.ROLLED_BACK, State.VIOLATING, State.INCONCLUSIVE, State.NODATA, State.OK)


def worst(states: list[State]) -> State:
    """The state that speaks for all: a violation before doubt, doubt before missing data, both before OK.

    >>> worst([State.OK, State.NODATA]), worst([])
    (<State.NODATA: 'NODATA'>, <State.NODATA: 'NODATA'>)
    """
    return next((state for state in _RANK if state in states), State.NODATA)
