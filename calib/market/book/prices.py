"""The key of a price: "1.10", "1.1", 1.1 and Decimal("1.1") are the same level of a book.

A key is the double nearest to a decimal of at most 15 significant digits. Every such decimal has its own double, and
`float` of a text or Decimal is correctly rounded: equal decimals have equal keys however they are written, and
different decimals have different keys. A float with a rounding error in its 16th digit (``0.1 + 0.2``) is rounded to
its decimal. A text with more than 15 digits is refused: two different levels could have the same key.
"""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias

from calib.errors import BadLevel

Number: TypeAlias = float | int | str | Decimal
"""A price or quantity in a venue's or a bot's format."""

DIGITS: Final = 15
_SCALE: Final = 1e8


def price_key(price: Number) -> float:
    """Return the key of a price.

    Raises
    ------
    BadLevel
        If it is not a number, NaN, infinite, not positive, or a text with more than 15 significant digits.

    >>> price_key("1.10") == price_key(1.1) == price_key(Decimal("1.100"))
    True
    >>> price_key(0.1 + 0.2)
    0.3
    """
    key = _double(price, "price")
    if not 0.0 < key < math.inf:
        raise BadLevel(f"the price {price!r} is not a positive number", hint="The book needs a new snapshot")
    if isinstance(price, float):
        # Fast path for nearly every price: a multiple of 1e-8 below 1e7 has at most 15 significant digits.
        return key if key < 1e7 and int(key * _SCALE + 0.5) / _SCALE == key else float(f"{key:.{DIGITS}g}")
    if len(str(price)) > DIGITS and len(_decimal(price).normalize().as_tuple().digits) > DIGITS:
        raise BadLevel(
            f"the price {price!r} has more than {DIGITS} significant digits", hint="Round it to the venue's tick"
        )
    return key


def quantity(qty: Number) -> float:
    """Return the quantity as a double.

    Raises
    ------
    BadLevel
        If it is not a number, NaN, infinite or negative.
    """
    value = _double(qty, "quantity")
    if not 0.0 <= value < math.inf:
        raise BadLevel(f"the quantity {qty!r} is not a number >= 0", hint="The book needs a new snapshot")
    return value


def _double(number: Number, what: str) -> float:
    if isinstance(number, bool | bytes | bytearray):  # float() would accept them
        raise BadLevel(f"the {what} {number!r} is not a number", hint="The book needs a new snapshot")
    try:
        return float(number)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadLevel(f"the {what} {number!r} is not a number", hint="The book needs a new snapshot") from error


def _decimal(number: Number) -> Decimal:
    try:
        return Decimal(number)
    except InvalidOperation as error:
        raise BadLevel(f"the price {number!r} is not a number", hint="The book needs a new snapshot") from error
