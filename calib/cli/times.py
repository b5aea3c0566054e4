"""Times and ranges of the command line: a pure parser with the current time as an argument."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from calib.errors import BadRange, BadTime

DAY_S: Final = 86_400
_UNITS: Final = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": DAY_S, "w": 7 * DAY_S}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|d|w)")
_EXAMPLES: Final = "Examples: 2025-01-01T06:00, 20250101, today, yesterday, now-6h, 1735689600"


@dataclass(frozen=True, slots=True)
class TimeRange:
    """``[start, end)`` in Unix seconds; None for an open side."""

    start: float | None
    end: float | None


def parse_duration(text: str) -> float:
    """Return the seconds of ``90s``, ``15m``, ``6h``, ``2d``, ``1d12h``, ``250ms``.

    Raises
    ------
    BadTime
        If the text is none of these.

    >>> parse_duration("1d12h")
    129600.0
    """
    stripped = text.strip().lower()
    if not stripped or _DURATION.sub("", stripped).strip():
        raise BadTime(f"{text!r} is not a valid duration", hint="Examples: 250ms, 90s, 15m, 6h, 2d, 1d12h")
    return float(sum(float(amount) * _UNITS[unit] for amount, unit in _DURATION.findall(stripped)))


def parse_time(text: str, now: float) -> float:
    """Return the Unix seconds of a time; a time without a zone means UTC.

    Parameters
    ----------
    text
        ISO 8601, ``YYYYMMDD``, ``today``, ``yesterday``, ``now``, ``now-6h``, or an epoch: 9 to 11 digits are seconds,
        12 to 14 milliseconds.
    now
        The current time, Unix seconds.

    Raises
    ------
    BadTime
        If the text is none of these.

    >>> parse_time("2025-01-01", 0.0), parse_time("1735689600000", 0.0), parse_time("now-1h", 7200.0)
    (1735689600.0, 1735689600.0, 3600.0)
    """
    word = text.strip()
    lowered = word.lower()
    midnight = now // DAY_S * DAY_S
    if lowered in ("now", "today", "yesterday"):
        return {"now": now, "today": midnight, "yesterday": midnight - DAY_S}[lowered]
    if match := re.fullmatch(r"now\s*([+-])\s*(.+)", lowered):
        seconds = parse_duration(match[2])
        return now + seconds if match[1] == "+" else now - seconds
    if re.fullmatch(r"\d+(\.\d+)?", word) and len(word.partition(".")[0]) != 8:
        return _epoch(word, text)
    return _iso(word, text)


def parse_range(
    *,
    start: str | None = None,
    end: str | None = None,
    since: str | None = None,
    day: str | None = None,
    now: float,
) -> TimeRange:
    """Return the range of ``--from``/``--to``, ``--since`` or ``--day``.

    Raises
    ------
    BadRange
        If two ways are combined, or the end is not after the start.
    """
    given = [name for name, value in (("--from/--to", start or end), ("--since", since), ("--day", day)) if value]
    if len(given) > 1:
        raise BadRange(f"{' and '.join(given)} cannot be combined", hint="Give one of them")
    if day:
        first = parse_time(day, now) // DAY_S * DAY_S
        return TimeRange(first, first + DAY_S)
    if since:
        return TimeRange(now - parse_duration(since), now)
    first_ = parse_time(start, now) if start else None
    last = parse_time(end, now) if end else None
    if first_ is not None and last is not None and first_ >= last:
        raise BadRange(f"--from {start} is not before --to {end}", hint="The range is [from, to)")
    return TimeRange(first_, last)


def _epoch(word: str, text: str) -> float:
    digits = len(word.partition(".")[0])
    if 9 <= digits <= 11:
        return float(word)
    if 12 <= digits <= 14:
        return float(word) / 1000
    raise BadTime(f"{text!r} has {digits} digits: neither seconds nor milliseconds", hint=_EXAMPLES)


def _iso(word: str, text: str) -> float:
    try:
        moment = datetime.fromisoformat(word)
    except ValueError:
        raise BadTime(f"{text!r} is not a valid time", hint=_EXAMPLES) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1)
