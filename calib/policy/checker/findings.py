"""The types of rules and findings."""

from __future__ import annotations

import ast
import enum
import hashlib
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from calib.policy.checker.module import Module


class Severity(enum.StrEnum):
    """The severity of a finding: an error can cause losses, a warning should be reviewed."""

    ERROR = "error"
    WARNING = "warning"


def code(text: str) -> str:
    """Return an example program of a rule without its indentation."""
    return textwrap.dedent(text.rstrip(" ")).removeprefix("\n")


@dataclass(frozen=True, slots=True)
class Hit:
    """One match of a rule: a syntax node and a message."""

    node: ast.AST
    message: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the static checker.

    Parameters
    ----------
    id
        ``CAL`` and three digits; an id is never reused.
    name
        Short name, lower case with dashes.
    severity
        Error or warning.
    title
        What the rule finds, one sentence without a full stop.
    why
        Why it is a problem, and what to write instead.
    wrong, right
        An example with a finding, and its corrected version without findings.
    find
        Yields the matches in one module.
    """

    id: str
    name: str
    severity: Severity
    title: str
    why: str
    wrong: str
    right: str
    find: Callable[[Module], Iterator[Hit]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding in one file.

    Parameters
    ----------
    path
        With forward slashes, relative to the working directory if it is below it.
    line, column, end_line
        From 1.
    scope
        The enclosing class and function, ``Bot.get_balance``, or empty.
    fingerprint
        16 hex digits that do not change when lines move: a hash of rule, path, scope, line text and the number among
        identical lines.
    baseline
        Whether it is in the baseline file.
    suppressed
        The reason of the ``calib: allow`` comment that covers it, or empty.
    """

    rule: str
    path: str
    line: int
    column: int
    end_line: int
    message: str
    severity: Severity
    scope: str
    text: str
    fingerprint: str
    baseline: bool = False
    suppressed: str = ""

    @property
    def counts(self) -> bool:
        """Whether it makes the command exit with 1."""
        return not self.baseline and not self.suppressed


def fingerprint(rule: str, path: str, scope: str, text: str, occurrence: int) -> str:
    """Return 16 hex digits that do not change when lines are added above.

    >>> fingerprint("CAL101", "bot.py", "Bot.get", "@lru_cache", 0)
    'f4d17f70f3a6ab23'
    """
    parts = "\0".join((rule, path, scope, " ".join(text.split()), str(occurrence)))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:16]
