"""Convert times of a table into Unix seconds."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from calib.feeds.schema.table import EARLIEST_TS, LATEST_TS
from calib.importers.base import BadRow

UNITS: Final = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
"""Unit -> units per second."""
_WORDS: Final = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds", "unix": "a Unix time"}
_ISO: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2})?)(?:[.,](\d{1,9}))?\s*(Z|UTC|[+-]\d{2}:?\d{2})?", re.IGNORECASE
)


def unix_seconds(value: Any, unit: str, name: str) -> float:
    """Return a time as Unix seconds.

    Parameters
    ----------
    unit
        ``s``, ``ms``, ``us``, ``ns``, ``iso``, or ``unix`` for the unit that the number of digits shows; ignored for
        the typed times of parquet and Arrow files.

    Raises
    ------
    BadRow
        If it is not a time in that unit; the reject names the unit that the number looks like.

    >>> unix_seconds(1735689600500, "unix", "ts"), unix_seconds("1735689600500000", "unix", "ts")
    (1735689600.5, 1735689600.5)
    >>> unix_seconds("2025-01-01 01:00:00.5+01:00", "iso", "ts"), unix_seconds(1735689600500, "ms", "ts")
    (1735689600.5, 1735689600.5)
    """
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        raise BadRow("bad_value", name, what=f"{value} is a day without a time")
    return _of_iso(value, name) if unit == "iso" else _of_number(value, unit, name)


def _of_number(value: Any, unit: str, name: str) -> float:
    if isinstance(value, bool):
        raise BadRow("bad_type", name)
    try:
        exact = Decimal(str(value).strip() if "_" not in str(value) else "")
    except InvalidOperation:
        hint = "; is it iso?" if isinstance(value, str) and _ISO.fullmatch(value.strip()) else ""
        raise BadRow("bad_type", name, what=f"{str(value)[:40]!r} is not a number of {_WORDS[unit]}{hint}") from None
    if not exact.is_finite():
        raise BadRow("bad_value", name)
    if unit == "unix":
        unit = unit_of(float(exact)) or "s"
    seconds = float(exact / UNITS[unit])
    if not EARLIEST_TS <= seconds <= LATEST_TS:
        looks = unit_of(float(exact))
        found = f" looks like {_WORDS[looks]};" if looks else ""
        raise BadRow("bad_value", name, what=f"{str(value)[:30]}{found} the mapping says {_WORDS[unit]}")
    return seconds


def unit_of(number: float) -> str:
    """Return the unit in which a number is a time between 2001 and 2096; empty if there is none.

    >>> unit_of(1735689600), unit_of(1735689600500), unit_of(42)
    ('s', 'ms', '')
    """
    return next((unit for unit, count in UNITS.items() if 1e9 <= number / count < 4e9), "")


def is_iso(value: Any) -> bool:
    """Return whether the value is the text of a date and a time.

    >>> is_iso("2025-01-01 00:00:00"), is_iso("2025-01-01")
    (True, False)
    """
    return isinstance(value, str) and _ISO.fullmatch(value.strip()) is not None


def _of_iso(value: Any, name: str) -> float:
    match = _ISO.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise BadRow("bad_type", name, what=f"{str(value)[:40]!r} is not a date and time, such as 2025-01-01T00:00:00Z")
    day, clock, fraction, zone = match.groups()
    offset = "+00:00" if zone is None or zone.upper() in ("Z", "UTC") else zone
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}{offset}")
    except ValueError:
        raise BadRow("bad_value", name, what=f"{value[:40]!r} is not a time of the calendar") from None
    return float(Decimal(int(whole.timestamp())) + Decimal(f"0.{fraction or 0}"))
