"""Validation of plain JSON data, field by field, so that an error names the damaged field of a state file."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any, str], None]
"""Takes a value and its path; raises ValueError if the value is invalid."""


def number(low: float = -math.inf, high: float = math.inf, *, whole: bool = False) -> Check:
    """Return a check for a finite number (or integer) in [low, high].

    >>> number(0)(-1, "held_s")
    Traceback (most recent call last):
    ...
    ValueError: held_s is -1, not a number from 0 to inf
    """

    def check(value: Any, path: str) -> None:
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not _finite(value) or not low <= value <= high:
            name = "a whole number" if whole else "a number"
            raise ValueError(f"{path} is {_short(value)}, not {name} from {low:g} to {high:g}")

    return check


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def text(*choices: str, empty: bool = False) -> Check:
    """Return a check for a string, or for one of ``choices``."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, str) or not (value or empty) or (choices and value not in choices):
            raise ValueError(f"{path} is {_short(value)}, not {' or '.join(choices) if choices else 'a string'}")

    return check


def boolean(value: Any, path: str) -> None:
    """Check for true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{path} is {_short(value)}, not true or false")


def anything(value: Any, path: str) -> None:
    """Accept any value: data that is shown and not computed with."""


def optional(check: Check) -> Check:
    """Return a check for null or a value that ``check`` accepts."""

    def either(value: Any, path: str) -> None:
        if value is not None:
            check(value, path)

    return either


def items(check: Check, length: int | None = None) -> Check:
    """Return a check for a list (of exactly ``length``) whose items all pass ``check``."""

    def each(value: Any, path: str) -> None:
        if not isinstance(value, list) or (length is not None and len(value) != length):
            raise ValueError(f"{path} is {_short(value)}, not a list{'' if length is None else f' of {length}'}")
        for index, item in enumerate(value):
            check(item, f"{path}[{index}]")

    return each


def mapping(check: Check) -> Check:
    """Return a check for an object whose values all pass ``check``."""

    def each(value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{path} is {_short(value)}, not an object")
        for key, item in value.items():
            check(item, f"{path}.{key}")

    return each


def record(required: Mapping[str, Check], more: Mapping[str, Check] | None = None) -> Check:
    """Return a check for an object with these fields; other fields are accepted."""

    def each(value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{path or 'it'} is {_short(value)}, not an object")
        for key, check in required.items():
            if key not in value:
                raise ValueError(f"{path or 'it'} has no {key}")
            check(value[key], f"{path}.{key}" if path else key)
        for key, check in (more or {}).items():
            if key in value:
                check(value[key], f"{path}.{key}" if path else key)

    return each


def _short(value: Any) -> str:
    return f"{type(value).__name__}" if isinstance(value, dict | list) else repr(value)[:60]


TS = number(0, 4_102_444_800)
"""Unix seconds up to 2100."""
COUNT = number(0, 1e15)
"""A count, stored as an integer or a float."""
TEXTS = items(text())
