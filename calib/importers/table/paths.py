"""Look up a column by its exact name, or by a dotted path into objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_MISSING: Final = (None, "")


def value_at(row: Mapping[str, Any], name: str) -> Any:
    """Return the value of a column; None if it is absent, an empty text or NaN.

    An exact name takes precedence; else the name is split at its dots into keys of objects and indexes of arrays.

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
        return None  # dataframes write missing values as NaN
    return None if value in _MISSING else value


def has_column(row: Mapping[str, Any], name: str) -> bool:
    """Return whether the row has the column, with or without a value.

    >>> has_column({"fee": None}, "fee"), has_column({"fee": {"cost": 1}}, "fee.currency")
    (True, False)
    """
    if name in row:
        return True
    head, _, last = name.rpartition(".")
    holder = value_at(row, head) if head else None
    return isinstance(holder, Mapping) and last in holder
