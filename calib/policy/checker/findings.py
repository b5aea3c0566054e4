"""What a rule is, and what it finds."""

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
    """How sure and how grave: an error loses money, a warning is worth a look."""

    ERROR = "error"
    WARNING = "warning"


def code(text: str) -> str:
    """A program that is written with an indent in a rule's file, as it stands in a file of its own."""
    return textwrap.dedent(text.rstrip(" ")).removeprefix("\n")


@dataclass(frozen=True, slots=True)
class Hit:
    """One place that a rule objects to."""

    node: ast.AST
    message: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the static checker.

    Parameters
    ----------
    id
        ``CAL`` and three digits; never used again for something else.
    name
        Short name in words, lower case with dashes.
    severity
        Error or warning.
    title
        What the rule finds, one sentence without a full stop.
    why
        What it costs, and what to write instead.
    wrong, right
        A program that the rule finds something in, and one of the same purpose that no rule objects to.
    find
        The places in one module.
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
        With forward slashes, relative to the working directory where it lies below it.
    line, column, end_line
        From 1.
    scope
        The class and function around it, ``Bot.get_balance``, or empty.
    fingerprint
        16 hex digits that stay the same when lines move: rule, path, scope, the text of the line, and a number
        among equals.
    baseline
        It is in the baseline file.
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
        """Whether it makes the run end with 1."""
        return not self.baseline and not self.suppressed


def fingerprint(rule: str, path: str, scope: str, text: str, occurrence: int) -> str:
    """16 hex digits of what does not change when lines are added above.

    >>> fingerprint("CAL101", "bot.py", "Bot.get", "@lru_cache", 0)
    'f4d17f70f3a6ab23'
    """
    parts = "\0".join((rule, path, scope, " ".join(text.split()), str(occurrence)))
    return hashlib.sha256(parts.encode("utf-8", "surrogatepass")).hexdigest()[:16]
