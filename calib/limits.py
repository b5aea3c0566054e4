"""Limits on measured figures: what a simulation, a replay or a canary must reach."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Limit:
    """One condition: ``name`` must stand to ``limit`` as ``sign`` says (``>=``, ``<=``, ``<``), in its own unit.

    >>> Limit("hit_ratio", ">=", 0.7).holds(0.7), Limit("hit_ratio", ">=", 0.7).holds(None)
    (True, None)
    """

    name: str
    sign: str
    limit: float

    def holds(self, value: float | None) -> bool | None:
        """Whether a value passes; None where there is none to compare. NaN does not pass."""
        if value is None:
            return None
        return {">=": value >= self.limit, "<=": value <= self.limit, "<": value < self.limit}[self.sign]


@dataclass(frozen=True, slots=True)
class LimitResult:
    """A limit with the value it was compared with; ``passed`` is None where there was no value."""

    limit: Limit
    value: float | None
    passed: bool | None

    def as_data(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "name": self.limit.name,
            "sign": self.limit.sign,
            "limit": self.limit.limit,
            "value": self.value,
            "passed": self.passed,
        }


def check_limits(
    limits: Iterable[Limit], values: Mapping[str, float | None], *, missing_fails: bool = False
) -> list[LimitResult]:
    """Compare each limit with the value of its name.

    Parameters
    ----------
    limits
        The conditions, in the order of the results.
    values
        The measured figures by name; None where there was nothing to measure.
    missing_fails
        Whether a missing value does not pass (``passed`` is False); else it is unknown (None).

    Raises
    ------
    KeyError
        Where ``values`` lacks the name of a limit.

    >>> [one.passed for one in check_limits([Limit("a", "<", 1.0), Limit("b", "<=", 2.0)], {"a": 1.0, "b": None})]
    [False, None]
    """
    found = []
    for limit in limits:
        value = values[limit.name]
        passed = limit.holds(value)
        found.append(LimitResult(limit, value, False if passed is None and missing_fails else passed))
    return found
