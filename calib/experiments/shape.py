"""Checks of plain JSON data, field by field: what a state file must look like, so that damage is found by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any, str], None]
"""Takes a value and its path; raises ValueError where the value is not what it should be."""


def number(low: float = -math.inf, high: float = math.inf, *, whole: bool = False) -> Check:
    """A finite number (a whole one) in [low, high].

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
    """A string; one of ``choices`` where there are any."""

    def check(value: Any, path: str) -> None:
        if not isinstance(value, str) or not (value or empty) or (choices and value not in choices):
            raise ValueError(f"{path} is {_short(value)}, not {' or '.join(choices) if choices else 'a text'}")

    return check


def boolean(value: Any, path: str) -> None:
    """True or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{path} is {_short(value)}, not true or false")


def anything(value: Any, path: str) -> None:
    """Any value: evidence that is shown, never computed with."""


def optional(check: Check) -> Check:
    """Null, or what ``check`` accepts."""

    def either(value: Any, path: str) -> None:
        if value is not None:
            check(value, path)

    return either


def items(check: Check, length: int | None = None) -> Check:
    """A list of such values (of exactly ``length``)."""

    def each(value: Any, path: str) -> None:
        if not isinstance(value, list) or (length is not None and len(value) != length):
            raise ValueError(f"{path} is {_short(value)}, not a list{'' if length is None else f' of {length}'}")
        for index, item in enumerate(value):
            check(item, f"{path}[{index}]")

    return each


def mapping(check: Check) -> Check:
    """An object whose values are all such."""

    def each(value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise ValueError(f"{path} is {_short(value)}, not an object")
        for key, item in value.items():
            check(item, f"{path}.{key}")

    return each


def record(required: Mapping[str, Check], more: Mapping[str, Check] | None = None) -> Check:
    """An object with these fields; further ones are left alone."""

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
"""A number of things, also as a float."""
TEXTS = items(text())
