"""The gate of a replay: what a cache must reach, and whether it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Limit:
    """One condition: ``name`` must be at least (``>=``) or at most (``<=``) ``limit``, in the unit of the name.

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
        return value >= self.limit if self.sign == ">=" else value <= self.limit


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


_CONDITIONS: Final = (
    ("hit_ratio", ">=", "min_hit_ratio"),
    ("fetch_md_p95_ms", "<=", "max_fetch_p95_ms"),
    ("pricing_on_stale_ratio", "<=", "max_pricing_on_stale"),
    ("error_p95_bps", "<=", "max_error_p95_bps"),
)
"""Name, sign, and the setting below ``replay.`` that holds the limit."""


def limits_from(section: Mapping[str, Any]) -> tuple[Limit, ...]:
    """The limits of a configuration's ``replay`` section; one that is null is not judged."""
    return tuple(Limit(name, sign, section[key]) for name, sign, key in _CONDITIONS if section[key] is not None)


def judge(overall: Mapping[str, Any], limits: tuple[Limit, ...]) -> list[Judged]:
    """The verdict on the figures of a replay."""
    values = {
        "hit_ratio": overall["hit_ratio"],
        "fetch_md_p95_ms": overall["fetch_md_ms"]["with_cache"]["p95"],
        "pricing_on_stale_ratio": overall["pricing_on_stale_ratio"],
        "error_p95_bps": overall["staleness"]["error_bps"]["p95"],
    }
    return [Judged(limit, values[limit.name], limit.holds(values[limit.name])) for limit in limits]
