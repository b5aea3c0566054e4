"""Suppression comments: ``# calib: allow[CAL103] the reason``."""

from __future__ import annotations

import io
import re
import tokenize
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from calib.policy.checker.findings import Finding

_COMMENT: Final = re.compile(r"#\s*calib:\s*allow\s*\[(?P<rules>[^\]]*)\](?P<reason>[^#]*)")


@dataclass(frozen=True, slots=True)
class Allow:
    """One suppression comment.

    Parameters
    ----------
    line
        Line of the comment.
    covered
        First and last line of the covered statement: its own line, or the next code line after a comment of its own.
    rules
        The rule ids in the brackets.
    reason
        The text after the brackets; without a reason the comment has no effect.
    used
        Whether it covers a finding.
    """

    line: int
    covered: tuple[int, int]
    rules: tuple[str, ...]
    reason: str
    used: bool = False

    def covers(self, finding: Finding) -> bool:
        """Return whether it allows this finding."""
        first, last = self.covered
        return bool(self.reason) and finding.rule in self.rules and finding.line <= last and finding.end_line >= first

    @property
    def problem(self) -> str:
        """The problem of the comment, or empty."""
        if not self.reason:
            return "the comment has no effect: the reason is missing"
        return "" if self.used else "the comment has no effect: no finding here matches it"


def allows(source: str) -> list[Allow]:
    """Return the suppression comments in line order.

    >>> allows("x = 1  # calib: allow[CAL103] kept for the chart\\n")
    [Allow(line=1, covered=(1, 1), rules=('CAL103',), reason='kept for the chart', used=False)]
    """
    found = []
    code: list[int] = []
    comments: list[tuple[int, re.Match[str]]] = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                if (match := _COMMENT.match(token.string)) is not None:
                    comments.append((token.start[0], match))
            elif token.type not in (
                tokenize.NL,
                tokenize.NEWLINE,
                tokenize.INDENT,
                tokenize.DEDENT,
                tokenize.ENDMARKER,
            ):
                code.extend((token.start[0], token.end[0]))
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return []
    lines = sorted(set(code))
    for line, match in comments:
        rules = tuple(rule.strip().upper() for rule in match["rules"].split(",") if rule.strip())
        covered = line
        if line not in lines:
            covered = next((later for later in lines if later > line), line)
        found.append(Allow(line, (covered, covered), rules, match["reason"].strip()))
    return found
