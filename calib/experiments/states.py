"""The modes of an experiment and the states of its verdicts."""

from __future__ import annotations

import enum


class Mode(enum.StrEnum):
    """The mode of an experiment."""

    DRY = "dry"
    """Records are assigned to arms; every symbol is routed to A."""
    SHADOW = "shadow"
    """Symbols are routed and gates evaluated; no rollback."""
    ONLINE = "online"
    """Symbols are routed and gates evaluated; a violation rolls back."""


class State(enum.StrEnum):
    """The state of a gate or of the whole experiment."""

    OK = "OK"
    VIOLATING = "VIOLATING"
    """A gate is violated (and, for the experiment, has not yet caused a rollback)."""
    NODATA = "NODATA"
    """Too few or too old records in an arm: no verdict, and the hold timer pauses."""
    INCONCLUSIVE = "INCONCLUSIVE"
    """The data does not allow a verdict: warm-up, a sample-ratio mismatch, arms that cannot be compared."""
    ROLLED_BACK = "ROLLED_BACK"
    """Latched: every symbol runs A until an operator resets it with a reason."""


_RANK = (State.ROLLED_BACK, State.VIOLATING, State.INCONCLUSIVE, State.NODATA, State.OK)


def worst(states: list[State]) -> State:
    """Return the most severe state, in the order ROLLED_BACK, VIOLATING, INCONCLUSIVE, NODATA, OK.

    >>> worst([State.OK, State.NODATA]), worst([])
    (<State.NODATA: 'NODATA'>, <State.NODATA: 'NODATA'>)
    """
    return next((state for state in _RANK if state in states), State.NODATA)
