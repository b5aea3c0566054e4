"""The result of a safety check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class SafetyCheck:
    """Whether a check passed, with its findings.

    Parameters
    ----------
    passed
        True exactly if there are no findings.
    findings
        One sentence each, without a full stop.

    >>> SafetyCheck.of(["wallet still serves balances"]).passed
    False
    """

    passed: bool
    findings: tuple[str, ...] = ()

    @classmethod
    def of(cls, findings: Iterable[str]) -> Self:
        """Return a check that passes if there are no findings."""
        found = tuple(findings)
        return cls(not found, found)
