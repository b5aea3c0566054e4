"""Format numbers and times for text."""

from __future__ import annotations

from datetime import UTC, datetime


def counted(number: int, word: str, *, thousands: bool = False) -> str:
    """Return a number with its noun, singular or plural.

    Parameters
    ----------
    number
        The count, >= 0.
    word
        The singular; the plural ends in ``s``, or in ``ies`` for ``y`` after a consonant.
    thousands
        Whether to separate thousands with commas.

    >>> counted(1, "file"), counted(0, "file"), counted(12_000, "entry", thousands=True)
    ('1 file', '0 files', '12,000 entries')
    """
    return f"{number:{',' if thousands else ''}} {word if number == 1 else plural(word)}"


def plural(word: str) -> str:
    """Return the plural of an English noun.

    >>> plural("day"), plural("query"), plural("breach")
    ('days', 'queries', 'breaches')
    """
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s"


def moment_text(ts: float) -> str:
    """Format Unix seconds as UTC, to the second.

    >>> moment_text(1735689600.9)
    '2025-01-01 00:00:00'
    """
    return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%d %H:%M:%S")
