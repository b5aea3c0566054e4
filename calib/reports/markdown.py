"""Markdown that is safe against texts from feeds, with tables aligned in the source.

Text from outside (symbols, file names) is wrapped by `code` or `cell` in a code span, where Markdown and HTML have no
effect. Characters that are unsafe in a span are escaped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

_ESCAPED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that are invisible, so that two different symbols could look equal.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)


def visible(text: str) -> str:
    """Return the text with invisible characters and the backslash as Python escapes.

    The backslash is escaped because Markdown renderers interpret ``\\\\|`` in a table differently.

    >>> print(visible("A\\u202eB"), visible("a\\\\b"), visible("a\\nb"))
    A\\u202eB a\\x5cb a\\nb
    """
    return "".join(_escape(char) for char in text)


def _escape(char: str) -> str:
    if char == "\\":
        return "\\x5c"
    category = unicodedata.category(char)
    if category in _ESCAPED or (category == "Zs" and char != " ") or _INVISIBLE.match(char):
        return char.encode("unicode_escape").decode("ascii")
    return char


def code(text: str) -> str:
    """Return the text as a code span; in a table use `cell`.

    >>> print(code("BTC-USDT"), code("tick`ed"))
    `BTC-USDT` ``tick`ed``
    """
    shown = visible(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    pad = " " if not shown.strip() or shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def cell(text: str) -> str:
    """Return the text as a code span for a table, where a bar would end the cell even inside a span.

    >>> print(cell("a|b"))
    `a\\|b`
    """
    return code(text).replace("|", "\\|")


def block(text: str) -> str:
    """Return lines as a fenced block with a fence longer than any in the text."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}sh\n{text}\n{fence}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """Return a table with columns aligned in the source.

    Parameters
    ----------
    header, rows
        Cells; wrap text from outside in `cell`.
    align
        ``l`` or ``r`` for each column.

    Raises
    ------
    ValueError
        If a row has a different number of cells.
    """
    widths = [max(3, *(width(text) for text in column)) for column in zip(header, *rows, strict=True)]
    rule = ["-" * (wide - 1) + ":" if side == "r" else "-" * wide for side, wide in zip(align, widths, strict=True)]
    lines = [header, rule, *rows]
    return "\n".join(
        "| " + " | ".join(_pad(*each) for each in zip(line, align, widths, strict=True)) + " |" for line in lines
    )


def width(text: str) -> int:
    """Return the width of the text in terminal columns.

    >>> width("ab"), width("漢")
    (2, 2)
    """
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _pad(text: str, side: str, wide: int) -> str:
    space = " " * (wide - width(text))
    return space + text if side == "r" else text + space
