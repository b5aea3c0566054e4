"""Arithmetic of columns, such as ``fee/(price*qty)``: parsed once, evaluated for each row."""

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
_MAX_DEPTH: Final = 50
"""Most nested brackets."""


def is_arithmetic(text: str) -> bool:
    """Return whether a source is arithmetic and not a column name; text in double quotes is a column name.

    >>> is_arithmetic("fee/(price*qty)"), is_arithmetic("order-id"), is_arithmetic('"Price (USDT)"')
    (True, False, False)
    """
    alone = re.fullmatch(r'"[^"]+"', text)
    return alone is None and _OPERATOR.search(text) is not None


def as_number(value: Any, name: str) -> float:
    """Return a finite number from a number or its text.

    Raises
    ------
    BadRow
        If it is not a finite number.
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
        The expression. A column name with characters other than letters, digits, ``_`` and dots must be in double
        quotes.

    Attributes
    ----------
    columns
        The columns that it reads.

    Raises
    ------
    UsageError
        If the text is not a valid expression.

    >>> Arithmetic("-fee / (price * qty)")({"fee": "-1", "price": 10, "qty": 2})
    0.05
    """

    text: str
    columns: list[str] = field(default_factory=list)
    _compute: Compute = field(init=False)

    def __post_init__(self) -> None:
        tokens = list(_tokens(self.text))
        self._compute = _Parser(self.text, tokens, self.columns).parse()

    def __call__(self, row: Mapping[str, Any]) -> float | None:
        """Return the value for a row; None if a column has no value."""
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
            raise _invalid(text, f"unexpected {rest[place]!r} at position {place + 1}")
        kind = str(match.lastgroup)
        yield kind, match[kind]
        place = match.end()


def _invalid(text: str, what: str) -> UsageError:
    return UsageError(
        f"{text!r} is not valid arithmetic of columns: {what}",
        hint='Use column names, numbers, + - * / and brackets; put names with other characters in "double quotes"',
    )


class _Parser:
    """A recursive descent parser: a sum of products of factors."""

    def __init__(self, text: str, tokens: list[tuple[str, str]], columns: list[str]) -> None:
        self._text, self._tokens, self._columns = text, tokens, columns
        self._place = self._depth = 0

    def parse(self) -> Compute:
        """Return the expression as a function of a row."""
        value = self._sum()
        if self._place < len(self._tokens):
            raise _invalid(self._text, f"unexpected {self._tokens[self._place][1]!r} after the expression")
        return value

    def _sum(self) -> Compute:
        value = self._product()
        while (sign := self._accept("+", "-")) is not None:
            value = _binary(sign, value, self._product())
        return value

    def _product(self) -> Compute:
        value = self._factor()
        while (sign := self._accept("*", "/")) is not None:
            value = _binary(sign, value, self._factor())
        return value

    def _factor(self) -> Compute:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _invalid(self._text, f"more than {_MAX_DEPTH} nested brackets")
        value = self._operand()
        self._depth -= 1
        return value

    def _operand(self) -> Compute:
        if self._accept("-"):
            return _binary("-", lambda _row: 0.0, self._factor())
        if self._accept("("):
            value = self._sum()
            if not self._accept(")"):
                raise _invalid(self._text, "a bracket is not closed")
            return value
        if self._place == len(self._tokens):
            raise _invalid(self._text, "unexpected end")
        kind, word = self._tokens[self._place]
        self._place += 1
        if kind == "number":
            constant = float(word)
            return lambda _row: constant
        if kind == "sign":
            raise _invalid(self._text, f"expected a column or a number, found {word!r}")
        self._columns.append(word)
        return lambda row: None if (value := value_at(row, word)) is None else as_number(value, word)

    def _accept(self, *signs: str) -> str | None:
        if self._place < len(self._tokens):
            kind, word = self._tokens[self._place]
            if kind == "sign" and word in signs:
                self._place += 1
                return word
        return None


def _binary(sign: str, left: Compute, right: Compute) -> Compute:
    def compute(row: Mapping[str, Any]) -> float | None:
        left_value, right_value = left(row), right(row)
        if left_value is None or right_value is None:
            return None
        match sign:
            case "+":
                return left_value + right_value
            case "-":
                return left_value - right_value
            case "*":
                return left_value * right_value
            case _:
                return left_value / right_value

    return compute
