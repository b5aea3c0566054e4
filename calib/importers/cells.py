"""Shared parsing of cells of comma-separated tables: numbers, levels, and times whose digits give the unit."""

from __future__ import annotations

import math
from typing import Final

from calib.importers.base import BadRow

_LONGEST_INTEGER: Final = 19
"""Digits of the largest 64-bit integer; ids and times of venues have no more."""
MAX_LEVELS: Final = 200_000
"""Most levels of one message in a table with a row per level; more would exceed the readers' limit for a line."""
UNITS: Final = {10: "seconds", 13: "milliseconds", 16: "microseconds", 19: "nanoseconds"}
"""Digits of a present-day Unix time -> its unit."""


def number(text: str, field: str) -> float:
    """Return a finite number >= 0; underscores, which `float` accepts, are refused."""
    try:
        value = float("" if "_" in text else text)
    except ValueError:
        raise BadRow("bad_type", field) from None
    if not math.isfinite(value) or value < 0:
        raise BadRow("bad_value", field)
    return value


def whole_number(text: str, field: str) -> int:
    """Return a whole number >= 0 of at most 19 digits."""
    if not (text.isascii() and text.isdigit()):
        raise BadRow("bad_type", field)
    if len(text) > _LONGEST_INTEGER:
        raise BadRow("bad_value", field, what=f"a whole number of {len(text)} digits")
    return int(text)


def price_above_0(text: str, field: str) -> float:
    """Return a finite number > 0."""
    value = number(text, field)
    if value == 0:
        raise BadRow("bad_value", field)
    return value


def level_or_empty(price: str, price_field: str, qty: str, qty_field: str) -> list[list[float]]:
    """Return the level as a list of one; an empty list if both cells are empty or 0, which means no orders."""
    if not price.strip() and not qty.strip():
        return []
    level = [number(price, price_field), number(qty, qty_field)]
    if level == [0, 0]:
        return []
    if level[0] == 0:
        raise BadRow("bad_value", price_field)
    return [level]


def wrong_unit(text: str, field: str, expected: str) -> BadRow:
    """Return the reject of a time that is not in the format's unit."""
    unit = UNITS.get(len(text))
    found = f"looks like {unit}" if unit else f"has {len(text)} digits"
    return BadRow("bad_value", field, what=f"{text[:30]} {found}; expected {expected}")
