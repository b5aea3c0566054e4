"""Rows as records of fixed width: one column after the other would take twice as long.

A writer of records is made for its columns as source text, as dataclasses make their methods: each value is fetched by
a plain attribute access, the quickest thing that the language has.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from calib.feeds.schema.table import Type

NULL_FLAG: Final = 2
"""A boolean's byte where there is none."""
_FORMATS: Final = {Type.NUMBER: "d", Type.INTEGER: "q", Type.BOOLEAN: "b", Type.STRING: "I"}


@dataclass(frozen=True, slots=True)
class Slot:
    """A column's place in a record.

    Parameters
    ----------
    name
        The column.
    type
        `Type.NUMBER` takes 8 bytes (NaN is null), `Type.INTEGER` 8 (and one more where nullable: 1 is null),
        `Type.BOOLEAN` 1 (2 is null), `Type.STRING` 4: a code.
    nullable
        Whether a null can be written.
    holder, attribute
        Where a row has the value: an attribute, of the object in another attribute where ``holder`` is not empty.
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
    """A number for each text, in the order in which they first occur."""

    def __missing__(self, text: str | None) -> int:
        code = self[text] = len(self)
        return code


def record_writer(slots: Sequence[Slot]) -> Callable[..., bytes]:
    """What writes rows as records without gaps: a function of the rows, and of the `Codes` of each string slot.

    It raises `struct.error`, `TypeError` or `AttributeError` where a slot that is not nullable meets a null.

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
    # Every name in it is a field of our own table, or has a number for what it stands for.
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
