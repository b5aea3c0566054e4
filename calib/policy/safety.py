"""What a check of safety found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class SafetyCheck:
    """Whether a check passed, and what stands against it.

    Parameters
    ----------
    passed
        True exactly where there are no findings.
    findings
        One sentence each, without a full stop.

    >>> SafetyCheck.of(["wallet still serves balances"]).passed
    False
    """

    passed: bool
    findings: tuple[str, ...] = ()

    @classmethod
    def of(cls, findings: Iterable[str]) -> Self:
        """Passed where there are no findings."""
        found = tuple(findings)
        return cls(not found, found)
