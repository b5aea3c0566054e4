"""Formatting of numbers for all reports."""

from __future__ import annotations

from typing import Final

NONE: Final = "-"
"""Placeholder for a missing number."""

DIGITS: Final = 4


def number(value: float | None, digits: int = DIGITS) -> str:
    """Format with significant digits (four), without trailing zeros; scientific below 0.0001 and from ten million on.

    >>> [number(x) for x in (12.3456, 0.1, -1234.56, 1e-7, 0.0, None)]
    ['12.35', '0.1', '-1235', '1e-7', '0', '-']
    """
    if value is None:
        return NONE
    if value == 0:
        return "0"
    # Rounded before choosing the format: 0.000099999 becomes 0.0001, not 1e-4.
    mantissa, _, power = f"{value:.{digits - 1}e}".partition("e")
    exponent = int(power)
    if -4 <= exponent < 7:
        text = f"{value:.{max(0, digits - 1 - exponent)}f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return f"{mantissa.rstrip('0').rstrip('.')}e{exponent}"


def count(value: int) -> str:
    """Format an integer with thousands separators.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{value:,}"


def percent(part: float, whole: float) -> str:
    """Format a share in percent with one decimal; never rounded to 0 or 100 if it is neither.

    >>> percent(1, 3), percent(1, 100000), percent(99999, 100000), percent(0, 0)
    ('33.3 %', '<0.1 %', '>99.9 %', '-')
    """
    if not whole:
        return NONE
    share = 100 * part / whole
    if 0 < share < 0.1:
        return "<0.1 %"
    if 99.9 < share < 100:
        return ">99.9 %"
    return f"{share:.1f} %".replace(".0 %", " %")


def duration(seconds: int) -> str:
    """Format a duration in whole units, exactly.

    >>> duration(5400), duration(90001), duration(45)
    ('1 h 30 min', '1 d 1 h 1 s', '45 s')
    """
    parts = []
    for size, name in ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")):
        amount, seconds = divmod(seconds, size)
        if amount:
            parts.append(f"{amount} {name}")
    return " ".join(parts) or "0 s"


def moment(iso: str) -> str:
    """Format an ISO 8601 time for reading.

    >>> moment("2025-01-01T06:05:00Z")
    '2025-01-01 06:05:00'
    """
    return iso.replace("T", " ").removesuffix("Z")
