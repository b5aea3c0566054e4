"""Conditions on a cache's figures: what a gate asks of a simulation or a replay."""

from __future__ import annotations

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
        """Whether a value passes; None where there is none to judge."""
        if value is None:
            return None
        return {">=": value >= self.limit, "<=": value <= self.limit, "<": value < self.limit}[self.sign]


@dataclass(frozen=True, slots=True)
class Judged:
    """A condition with the value it met; ``passed`` is None where there was nothing to judge."""

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
