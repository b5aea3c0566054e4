"""One setting: its key, type, range and default, and the check of values and texts."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from calib.errors import ConfigError

PREFIX: Final = "CALIB_"
_LONGEST: Final = 200
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("0", "false", "no", "off")


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the configuration.

    Parameters
    ----------
    key
        Dotted name.
    kind
        ``bool``, ``int``, ``float``, ``str``, ``list`` (of strings), ``map`` (string -> float) or ``table`` (string ->
        value checked by ``check_table``).
    default
        The default; None means "not set", which only ``nullable`` keys accept from other sources.
    meaning
        One sentence, with the unit.
    low, high
        Inclusive bounds of a number.
    choices
        The allowed values of a string, or of a list's items.
    nullable
        Whether null is allowed: "off" or "not set".
    metavar
        Placeholder of its value in the help of its flag, such as ``MS``; empty for that of its kind.
    renamed
        Old names of choices with their current names; accepted with a `DeprecationWarning`.
    check_table
        For a table: returns the normalised value, or None if it is not allowed.
    form
        For a table: description of the allowed values.
    """

    key: str
    kind: str
    default: Any
    meaning: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    nullable: bool = False
    metavar: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict, hash=False)
    check_table: Callable[[Any], Any] | None = None
    form: str = ""

    @property
    def variable(self) -> str:
        """Name of the environment variable."""
        return PREFIX + self.key.replace(".", "_").upper()

    @property
    def flag(self) -> str:
        """Name of the command-line flag."""
        return "--" + self.key.rpartition(".")[2].replace("_", "-")

    @property
    def allowed(self) -> str:
        """The allowed range as text, for errors and the reference page."""
        if self.form:
            words = self.form
        elif self.choices:
            words = ", ".join(self.choices)
        elif self.kind in ("int", "float"):
            low = "" if self.low is None else f" from {_plain(self.low)}"
            high = "" if self.high is None else f" to {_plain(self.high)}"
            words = {"int": "whole number", "float": "number"}[self.kind] + low + high
        else:
            words = {"bool": "true or false", "str": "text", "list": "list of texts", "map": "names with numbers"}[
                self.kind
            ]
        return f"{words}, or null" if self.nullable else words

    def check(self, value: Any, where: str) -> Any:
        """Return the value in its proper type.

        Raises
        ------
        ConfigError
            If its type is wrong or it is out of range; the message names the key and the allowed range.
        """
        if value is None and self.nullable:
            return None
        value = self._current(value)
        checked = _CHECKS[self.kind](value) if self.check_table is None else self.check_table(value)
        if checked is None or not self._within(checked):
            raise ConfigError(
                f"{self.key}: {_short(value)} is not allowed",
                where=where,
                hint=f"Allowed: {self.allowed}",
            )
        return checked

    def _current(self, value: Any) -> Any:
        """Return the current name of a choice."""
        if not isinstance(value, str) or value not in self.renamed:
            return value
        current = self.renamed[value]
        warnings.warn(f"{self.key}: {value!r} is now called {current!r}", DeprecationWarning, stacklevel=5)
        return current

    def parse(self, text: str, where: str) -> Any:
        """Return the value of a text from the environment or a flag; see `check`."""
        text = text.strip()
        if self.nullable and text.lower() in ("", "null", "none", "off"):
            return None
        return self.check(_read(self.kind, text), where)

    def _within(self, value: Any) -> bool:
        if self.choices:
            return all(item in self.choices for item in (value if self.kind == "list" else [value]))
        if self.kind in ("int", "float"):
            return (self.low is None or value >= self.low) and (self.high is None or value <= self.high)
        return True


def _short(value: Any) -> str:
    """Return a short text of a value, also if `repr` fails, as for an integer with thousands of digits."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        return "a value that is too long to show"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _plain(number: float) -> str:
    return str(int(number)) if float(number).is_integer() else str(number)


def _check_bool(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _check_int(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _check_float(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # an integer beyond the range of doubles
        return None
    return number if math.isfinite(number) else None


def _check_str(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _check_list(value: Any) -> list[str] | None:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item for item in value):
        return None
    return list(value)


def _check_map(value: Any) -> dict[str, float] | None:
    if not isinstance(value, Mapping):
        return None
    checked = {name: _check_float(number) for name, number in value.items() if isinstance(name, str)}
    if len(checked) != len(value) or None in checked.values():
        return None
    return {name: checked[name] for name in sorted(checked)}  # type: ignore[misc]  # None was refused above


_CHECKS: Final = {
    "bool": _check_bool,
    "int": _check_int,
    "float": _check_float,
    "str": _check_str,
    "list": _check_list,
    "map": _check_map,
}


def _read(kind: str, text: str) -> Any:
    """Parse a text as a value, or return the text itself, which `Setting.check` then refuses."""
    try:
        match kind:
            case "bool":
                return True if text.lower() in _TRUE else False if text.lower() in _FALSE else text
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "list":
                return [item.strip() for item in text.split(",") if item.strip()]
            case "map":
                pairs = (item.partition("=") for item in text.split(",") if item.strip())
                return {name.strip(): float(number) for name, _, number in pairs}
            case "table":
                return json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text
