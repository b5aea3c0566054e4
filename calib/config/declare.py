"""Declaration of settings as dataclass fields, so that each default and range is defined once."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from calib.config.setting import Setting

T = TypeVar("T")
_KEY: Final = "calib.setting"
_KINDS: Final = {bool: "bool", int: "int", float: "float", str: "str", tuple: "list", dict: "map"}


def setting(
    default: T,
    meaning: str,
    low: float | None = None,
    high: float | None = None,
    *,
    kind: str = "",
    choices: tuple[str, ...] = (),
    nullable: bool = False,
    metavar: str = "",
    hashed: bool | None = None,
    renamed: Mapping[str, str] | None = None,
) -> T:
    """Declare a dataclass field that is also a setting.

    Parameters
    ----------
    default
        Default of the field and the setting. A tuple declares a list, a dict a map.
    meaning
        One sentence, with the unit.
    low, high, choices, nullable, metavar, renamed
        As in `Setting`.
    kind
        Kind of the setting; required only if the default is None.
    hashed
        ``hash`` of `dataclasses.field`.

    >>> @dataclasses.dataclass(frozen=True)
    ... class Example:
    ...     ttl_ms: int = setting(100, "Age up to which a book is fresh, ms", 10, 5000)
    >>> Example().ttl_ms, settings_of(Example, "cache")["cache.ttl_ms"].allowed
    (100, 'whole number from 10 to 5000')
    """
    kind = kind or _KINDS[type(default)]
    stored: Any = list(default) if isinstance(default, tuple) else default
    row = Setting("", kind, stored, meaning, low, high, choices, nullable, metavar, renamed or {})
    metadata = {_KEY: row}
    made: Any
    if isinstance(default, dict):
        made = dataclasses.field(default_factory=dict, metadata=metadata, hash=hashed)
    else:
        made = dataclasses.field(default=default, metadata=metadata, hash=hashed)
    return made  # type: ignore[no-any-return]  # dataclasses replaces the field by its default


def settings_of(owner: type, section: str = "") -> dict[str, Setting]:
    """Return the settings of a dataclass by key, in the order of its fields; ``section`` prefixes each name."""
    prefix = f"{section}." if section else ""
    return {
        prefix + item.name: dataclasses.replace(item.metadata[_KEY], key=prefix + item.name)
        for item in dataclasses.fields(owner)
        if _KEY in item.metadata
    }


def check_fields(instance: Any, settings: Mapping[str, Setting], section: str = "") -> None:
    """Check a frozen dataclass's settings in its ``__post_init__``; an int is converted to a float setting.

    Raises
    ------
    calib.errors.ConfigError
        For the first value that is out of range; the message names its key.
    """
    prefix = f"{section}." if section else ""
    for item in dataclasses.fields(instance):
        row = settings.get(prefix + item.name)
        if row is not None:
            value = getattr(instance, item.name)
            number = float(value) if row.kind == "float" and type(value) is int else value
            object.__setattr__(instance, item.name, row.check(number, row.key))
