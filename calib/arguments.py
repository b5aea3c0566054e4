"""Arguments as callers of the library give them: points in time, and symbols."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeAlias

from calib.errors import BadTime

Moment: TypeAlias = float | int | str | datetime
"""Unix seconds, ISO 8601 text (without a zone it means UTC), or an aware `datetime.datetime`."""


def unix_seconds(moment: Moment) -> float:
    """A point in time as Unix seconds.

    Raises
    ------
    calib.errors.BadTime
        If text is not ISO 8601, a datetime has no time zone, or a number is not finite.

    >>> unix_seconds("2025-01-01T00:00"), unix_seconds("2025-01-01T01:00+01:00"), unix_seconds(1735689600)
    (1735689600.0, 1735689600.0, 1735689600.0)
    """
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise BadTime(f"{moment.isoformat()} has no time zone", hint="Give it one, e.g. tzinfo=datetime.UTC")
        return moment.timestamp()
    if isinstance(moment, str):
        try:
            parsed = datetime.fromisoformat(moment.strip())
        except ValueError:
            raise BadTime(f"{moment!r} is not ISO 8601", hint="Examples: 2025-01-01T06:00, 2025-01-01") from None
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    if type(moment) not in (int, float) or not math.isfinite(moment):
        hint = "Give Unix seconds, ISO 8601 text or an aware datetime"
        raise BadTime(f"{moment!r} is not a point in time", hint=hint)
    return float(moment)


def symbol_list(symbols: str | Iterable[str]) -> tuple[str, ...]:
    """The symbols as a tuple; a single string is one symbol, not a sequence of letters.

    >>> symbol_list("BTCUSDT"), symbol_list(["A", "B"])
    (('BTCUSDT',), ('A', 'B'))
    """
    return (symbols,) if isinstance(symbols, str) else tuple(symbols)
