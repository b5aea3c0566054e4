"""Arithmetic of columns, such as ``fee/(price*qty)``: parsed once, computed for each row."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from calib.errors import UsageError
from calib.importers.base import BadRow
from calib.importers.table.paths import value_at

Compute = Callable[[Mapping[str, Any]], "float | None"]
_TOKEN: Final = re.compile(
    r'\s*(?:(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[^\W\d][\w.]*)|"(?P<quoted>[^"]+)"|(?P<sign>[-+*/()]))'
)
_OPERATOR: Final = re.compile(r"[()*/+]|\s-\s|^-")
_DEEPEST: Final = 50
"""Brackets within brackets."""


def is_arithmetic(text: str) -> bool:
    """Whether a source is arithmetic and not the name of a column; a name in double quotes is a name.

    >>> is_arithmetic("fee/(price*qty)"), is_arithmetic("order-id"), is_arithmetic('"Price (USDT)"')
    (True, False, False)
    """
    alone = re.fullmatch(r'"[^"]+"', text)
    return alone is None and _OPERATOR.search(text) is not None


def as_number(value: Any, name: str) -> float:
    """A finite number of a number or of its text.

    Raises
    ------
    BadRow
        Where it is something else.
    """
    if isinstance(value, bool) or "_" in str(value):
        raise BadRow("bad_type", name, what=f"{str(value)[:40]!r} is not a number")
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise BadRow("bad_type", name, what=f"{str(value)[:40]!r} is not a number") from None
    if not math.isfinite(number):
        raise BadRow("bad_value", name, what=f"{str(value)[:40]} is not finite")
    return number


@dataclass(slots=True)
class Arithmetic:
    """An expression of columns, numbers, ``+ - * /`` and brackets.

    Parameters
    ----------
    text
        The expression. A column whose name holds other characters than letters, digits, ``_`` and dots stands in
        double quotes.

    Attributes
    ----------
    columns
        The columns that it reads.

    Raises
    ------
    UsageError
        Where it cannot be read.

    >>> Arithmetic("-fee / (price * qty)")({"fee": "-1", "price": 10, "qty": 2})
    0.05
    """

    text: str
    columns: list[str] = field(default_factory=list)
    _compute: Compute = field(init=False)

    def __post_init__(self) -> None:
        tokens = list(_tokens(self.text))
        self._compute = _Parser(self.text, tokens, self.columns).whole()

    def __call__(self, row: Mapping[str, Any]) -> float | None:
        """The value for a row; None where a column has none."""
        try:
            return self._compute(row)
        except ZeroDivisionError:
            raise BadRow("bad_value", self.text, what="divides by 0") from None


def _tokens(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    rest = text.rstrip()
    while place < len(rest):
        match = _TOKEN.match(rest, place)
        if match is None:
            raise _unreadable(text, f"character {place + 1}, {rest[place]!r}")
        kind = str(match.lastgroup)
        yield kind, match[kind]
        place = match.end()


def _unreadable(text: str, what: str) -> UsageError:
    return UsageError(
        f"{text!r} cannot be read as arithmetic of columns: {what}",
        hint='Write column names, numbers, + - * / and brackets; a column with other characters in "double quotes"',
    )


class _Parser:
    """Sums of products of factors."""

    def __init__(self, text: str, tokens: list[tuple[str, str]], columns: list[str]) -> None:
        self._text, self._tokens, self._columns = text, tokens, columns
        self._place = self._depth = 0

    def whole(self) -> Compute:
        made = self._sum()
        if self._place < len(self._tokens):
            raise _unreadable(self._text, f"{self._tokens[self._place][1]!r} is one too many")
        return made

    def _sum(self) -> Compute:
        made = self._product()
        while (sign := self._taken("+", "-")) is not None:
            made = _joined(sign, made, self._product())
        return made

    def _product(self) -> Compute:
        made = self._factor()
        while (sign := self._taken("*", "/")) is not None:
            made = _joined(sign, made, self._factor())
        return made

    def _factor(self) -> Compute:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise _unreadable(self._text, f"more than {_DEEPEST} brackets within brackets")
        made = self._one()
        self._depth -= 1
        return made

    def _one(self) -> Compute:
        if self._taken("-"):
            return _joined("-", lambda _row: 0.0, self._factor())
        if self._taken("("):
            made = self._sum()
            if not self._taken(")"):
                raise _unreadable(self._text, "a bracket is not closed")
            return made
        if self._place == len(self._tokens):
            raise _unreadable(self._text, "it ends too early")
        kind, word = self._tokens[self._place]
        self._place += 1
        if kind == "number":
            constant = float(word)
            return lambda _row: constant
        if kind == "sign":
            raise _unreadable(self._text, f"{word!r} where a column or a number is expected")
        self._columns.append(word)
        return lambda row: None if (value := value_at(row, word)) is None else as_number(value, word)

    def _taken(self, *signs: str) -> str | None:
        if self._place < len(self._tokens):
            kind, word = self._tokens[self._place]
            if kind == "sign" and word in signs:
                self._place += 1
                return word
        return None


def _joined(sign: str, left: Compute, right: Compute) -> Compute:
    def compute(row: Mapping[str, Any]) -> float | None:
        one, other = left(row), right(row)
        if one is None or other is None:
            return None
        match sign:
            case "+":
                return one + other
            case "-":
                return one - other
            case "*":
                return one * other
            case _:
                return one / other

    return compute
