"""A column by its name: exact, or with dots into an object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_NAN_IS_MISSING: Final = (None, "")


def value_at(row: Mapping[str, Any], name: str) -> Any:
    """The value of a column; None where the row has none, also for an empty text and a NaN.

    A name that stands in the row as it is comes first; else its dots lead into objects, and numbers into arrays.

    >>> value_at({"fee": {"cost": 0.1}, "a.b": 2}, "fee.cost"), value_at({"a.b": 2}, "a.b"), value_at({}, "x")
    (0.1, 2, None)
    """
    value: Any = row
    if name in row:
        value = row[name]
    else:
        for part in name.split("."):
            if isinstance(value, Mapping):
                value = value.get(part)
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            else:
                return None
    if isinstance(value, float) and value != value:
        return None  # how dataframes write that there is no value
    return None if value in _NAN_IS_MISSING else value


def has_column(row: Mapping[str, Any], name: str) -> bool:
    """Whether the row has the column, with or without a value.

    >>> has_column({"fee": None}, "fee"), has_column({"fee": {"cost": 1}}, "fee.currency")
    (True, False)
    """
    if name in row:
        return True
    head, _, last = name.rpartition(".")
    holder = value_at(row, head) if head else None
    return isinstance(holder, Mapping) and last in holder
