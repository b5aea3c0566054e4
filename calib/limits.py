"""Limits on measured values, for simulations, replays and canaries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Limit:
    """One condition: the value of ``name`` compared with ``limit`` by ``sign`` (``>=``, ``<=``, ``<``).

    >>> Limit("hit_ratio", ">=", 0.7).holds(0.7), Limit("hit_ratio", ">=", 0.7).holds(None)
    (True, None)
    """

    name: str
    sign: str
    limit: float

    def holds(self, value: float | None) -> bool | None:
        """Whether a value is within the limit; None if there is no value. NaN is not."""
        if value is None:
            return None
        return {">=": value >= self.limit, "<=": value <= self.limit, "<": value < self.limit}[self.sign]


@dataclass(frozen=True, slots=True)
class LimitResult:
    """A limit with the value it was compared with; ``passed`` is None if there was no value."""

    limit: Limit
    value: float | None
    passed: bool | None

    def as_data(self) -> dict[str, Any]:
        """The result as plain values."""
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
        The measured values by name; None if nothing was measured.
    missing_fails
        Whether a missing value fails (``passed`` is False); otherwise the result is unknown (None).

    Raises
    ------
    KeyError
        If ``values`` lacks the name of a limit.

    >>> [one.passed for one in check_limits([Limit("a", "<", 1.0), Limit("b", "<=", 2.0)], {"a": 1.0, "b": None})]
    [False, None]
    """
    found = []
    for limit in limits:
        value = values[limit.name]
        passed = limit.holds(value)
        found.append(LimitResult(limit, value, False if passed is None and missing_fails else passed))
    return found
