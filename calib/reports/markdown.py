"""Markdown that no text from a feed can break, and tables that read well unrendered.

Text that calib did not write itself (symbols, file names) goes through `code` or `cell`: a code span, in which Markdown
and HTML mean nothing. What a span cannot hold safely is spelled out.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

_SPELLED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Letters and marks that show nothing, and so could make two symbols look alike.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)


def visible(text: str) -> str:
    """The text with everything invisible, and the backslash, spelled out as Python would.

    The backslash is spelled because Markdown readers disagree on what ``\\\\|`` in a table means.

    >>> print(visible("A\\u202eB"), visible("a\\\\b"), visible("a\\nb"))
    A\\u202eB a\\x5cb a\\nb
    """
    return "".join(_spell(char) for char in text)


def _spell(char: str) -> str:
    if char == "\\":
        return "\\x5c"
    category = unicodedata.category(char)
    if category in _SPELLED or (category == "Zs" and char != " ") or _INVISIBLE.match(char):
        return char.encode("unicode_escape").decode("ascii")
    return char


def code(text: str) -> str:
    """The text as a code span; in a table use `cell`.

    >>> print(code("BTC-USDT"), code("tick`ed"))
    `BTC-USDT` ``tick`ed``
    """
    shown = visible(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    pad = " " if not shown.strip() or shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def cell(text: str) -> str:
    """The text as a code span within a table, where even there a bar would end the cell.

    >>> print(cell("a|b"))
    `a\\|b`
    """
    return code(text).replace("|", "\\|")


def block(text: str) -> str:
    """Lines as a fenced block that no line in it can close."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}sh\n{text}\n{fence}"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """A table whose columns line up unrendered too.

    Parameters
    ----------
    header, rows
        Cells; what came from outside went through `cell`.
    align
        ``l`` or ``r`` for each column.

    Raises
    ------
    ValueError
        Where a row has another number of cells.
    """
    widths = [max(3, *(width(text) for text in column)) for column in zip(header, *rows, strict=True)]
    rule = ["-" * (wide - 1) + ":" if side == "r" else "-" * wide for side, wide in zip(align, widths, strict=True)]
    lines = [header, rule, *rows]
    return "\n".join(
        "| " + " | ".join(_pad(*each) for each in zip(line, align, widths, strict=True)) + " |" for line in lines
    )


def width(text: str) -> int:
    """Columns that the text takes in a terminal.

    >>> width("ab"), width("漢")
    (2, 2)
    """
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _pad(text: str, side: str, wide: int) -> str:
    space = " " * (wide - width(text))
    return space + text if side == "r" else text + space
