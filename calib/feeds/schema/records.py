"""Rows as records of fixed width; one column after the other would take twice as long.

The writer of records is generated as source text for its columns, like the methods of dataclasses: each value is read
by plain attribute access, which is the fastest way.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from calib.feeds.schema.table import Type

NULL_FLAG: Final = 2
"""The byte of a null boolean."""
_FORMATS: Final = {Type.NUMBER: "d", Type.INTEGER: "q", Type.BOOLEAN: "b", Type.STRING: "I"}


@dataclass(frozen=True, slots=True)
class Slot:
    """The position of a column in a record.

    Parameters
    ----------
    name
        The column.
    type
        `Type.NUMBER` uses 8 bytes (NaN is null), `Type.INTEGER` 8 (and one more if nullable: 1 is null),
        `Type.BOOLEAN` 1 (2 is null), `Type.STRING` 4: a code.
    nullable
        Whether a null can be written.
    holder, attribute
        The attribute of a row with the value; with ``holder``, the attribute of the object in that attribute.
    """

    name: str
    type: Type
    nullable: bool
    holder: str
    attribute: str

    def is_null(self, row: Any) -> bool:
        """Whether the row's value is null."""
        owner = getattr(row, self.holder) if self.holder else row
        return owner is None or getattr(owner, self.attribute) is None


class Codes(dict[str | None, int]):
    """A number for each text, in the order of first occurrence."""

    def __missing__(self, text: str | None) -> int:
        code = self[text] = len(self)
        return code


def record_writer(slots: Sequence[Slot]) -> Callable[..., bytes]:
    """Return a function of the rows and the `Codes` of each string slot that writes packed records.

    It raises `struct.error`, `TypeError` or `AttributeError` if a slot that is not nullable has a null.

    >>> from types import SimpleNamespace
    >>> record_writer([Slot("ok", Type.BOOLEAN, False, "", "ok")])([SimpleNamespace(ok=True)])
    b'\\x01'
    """
    format_ = "=" + "".join(_FORMATS[slot.type] + "b" * (slot.nullable and slot.type is Type.INTEGER) for slot in slots)
    holders = list(dict.fromkeys(slot.holder for slot in slots if slot.holder))
    coded = [slot.name for slot in slots if slot.type is Type.STRING]
    arguments = ", ".join(["rows", *(f"codes_{number}" for number in range(len(coded)))])
    values = ", ".join(_value(slot, holders, coded) for slot in slots)
    held = "".join(f" for held_{number} in (row.{name},)" for number, name in enumerate(holders))
    # Every name in it is a field of the table, or a numbered name.
    made: Callable[..., bytes] = eval(
        f"lambda {arguments}: join([write({values}) for row in rows{held}])",
        {"join": b"".join, "write": struct.Struct(format_).pack, "nan": math.nan},
    )
    return made


def _value(slot: Slot, holders: list[str], coded: list[str]) -> str:
    owner = f"held_{holders.index(slot.holder)}" if slot.holder else "row"
    value = f"{owner}.{slot.attribute}"
    if slot.type is Type.STRING:
        return f"codes_{coded.index(slot.name)}[{value}]"
    if not slot.nullable:
        return value
    null = f"{owner} is None or {value} is None" if slot.holder else f"{value} is None"
    instead = {Type.NUMBER: "nan", Type.INTEGER: "0", Type.BOOLEAN: str(NULL_FLAG)}[slot.type]
    choice = f"({instead} if {null} else {value})"
    return f"{choice}, {null}" if slot.type is Type.INTEGER else choice
