"""Convert values of a table into values of fields: named conversions, and enums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from calib.importers.base import BadRow
from calib.importers.table.arithmetic import as_number
from calib.importers.table.fees import BPS, assets_of
from calib.importers.table.times import UNITS, unix_seconds

Convert = Callable[[Any, str], Any]
"""Converts a value; the second argument is the name of its field."""


def _time(unit: str) -> Convert:
    return lambda value, name: unix_seconds(value, unit, name)


def _text(value: Any, name: str) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise BadRow("bad_type", name, what=f"{str(value)[:40]!r} is neither text nor a whole number")


def _symbol_with(separator: str) -> Convert:
    def convert(value: Any, name: str) -> str:
        symbol = _text(value, name).upper()
        pair = assets_of(symbol)
        if pair is None and separator:
            raise BadRow("bad_value", name, what=f"{symbol[:40]!r} does not separate base and quote")
        return symbol if pair is None else separator.join(pair)

    return convert


def _bps(value: Any, name: str) -> float:
    return round(as_number(value, name) * BPS, 9)


CONVERSIONS: Final[Mapping[str, Convert]] = {
    **{unit: _time(unit) for unit in (*UNITS, "iso", "unix")},
    "number": as_number,
    "bps": _bps,
    "percent": lambda value, name: round(as_number(value, name) * 100, 9),
    "text": _text,
    "lower": lambda value, name: _text(value, name).lower(),
    "upper": lambda value, name: _text(value, name).upper(),
    "compact": _symbol_with(""),
    "dash": _symbol_with("-"),
    "slash": _symbol_with("/"),
}
"""Word after the last colon of a source -> its conversion."""
MEANINGS: Final[Mapping[str, str]] = {
    "s": "Unix seconds",
    "ms": "Unix milliseconds",
    "us": "Unix microseconds",
    "ns": "Unix nanoseconds",
    "unix": "Unix time whose number of digits says the unit",
    "iso": "a date and time, with a zone or else in UTC",
    "number": "the text of a number",
    "bps": "a fraction, as basis points",
    "percent": "per cent, as basis points",
    "text": "a whole number as text, for ids",
    "lower": "in lower case",
    "upper": "in upper case",
    "compact": "a symbol as BTCUSDT",
    "dash": "a symbol as BTC-USDT",
    "slash": "a symbol as BTC/USDT",
}
"""Conversion -> what it reads or returns, for the documentation."""


def key_of(value: Any) -> str:
    """Return the key of a value in an enum: booleans are ``true`` and ``false``.

    >>> key_of(True), key_of(1), key_of(" BUY ")
    ('true', '1', 'BUY')
    """
    return str(value).lower() if isinstance(value, bool) else str(value).strip()


class Enum:
    """Maps texts to values, ignoring case unless two texts differ in case only."""

    def __init__(self, choices: Mapping[str, Any]) -> None:
        self.choices = dict(choices)
        folded: dict[str, Any] = {}
        for name, value in choices.items():
            folded[name.casefold()] = None if name.casefold() in folded else value
        self._folded = folded

    def __call__(self, value: Any, name: str) -> Any:
        """Return the value for a text.

        Raises
        ------
        BadRow
            If the enum does not have the text: ``not_in_mapping``.
        """
        key = key_of(value)
        found = self.choices.get(key, self._folded.get(key.casefold()))
        if found is None:
            raise BadRow("not_in_mapping", name, damaged=False, what=f"the mapping has no {key[:40]!r}")
        return found
