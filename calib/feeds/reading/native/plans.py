"""A plan of columns as the kernel takes it: field by field from the one table, and where each value goes."""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from calib.feeds.reading.packing import ColumnPlan, column_slot, is_stage
from calib.feeds.schema.records import NULL_FLAG, Slot
from calib.feeds.schema.table import EARLIEST_TS, FEEDS, Field, Type
from calib.feeds.schema.types import last_moment

NO_COLUMN: Final = 2**32 - 1
CHECKED, CODED, PLACED = range(3)
"""What becomes of a text: only checked, a code in the record, its place in the content."""
_ORDER: Final = (Type.STRING, Type.NUMBER, Type.INTEGER, Type.BOOLEAN, Type.STAGES, Type.LEVELS)
_NULLS: Final = {Type.NUMBER: struct.pack("=d", math.nan), Type.INTEGER: bytes(8), Type.STRING: bytes(4)}


@dataclass(frozen=True, slots=True)
class RecordLayout:
    """Where the kernel puts the values of a plan.

    Parameters
    ----------
    slots
        What a record holds; a string's code 0 is null.
    offsets
        Where each slot begins.
    placed
        The string columns of which the kernel tells where they lie in the content.
    nulls
        A record of nulls.
    """

    slots: tuple[Slot, ...]
    offsets: dict[str, int]
    placed: tuple[str, ...]
    nulls: bytes

    @classmethod
    def of(cls, plan: ColumnPlan, stages: Sequence[str]) -> RecordLayout:
        slots, placed = [], []
        offsets: dict[str, int] = {}
        nulls = b""
        for name in plan.columns:
            field = None if is_stage(plan.kind, name) else FEEDS[plan.kind].field(name)
            if field is not None and field.type is Type.STRING and not (field.symbol or field.choices):
                placed.append(name)
                continue
            slot = column_slot(plan.kind, name, stages, nullable=field is None or not field.required)
            slots.append(slot)
            offsets[name] = len(nulls)
            nulls += _null(slot)
        return cls(tuple(slots), offsets, tuple(placed), nulls)


def _null(slot: Slot) -> bytes:
    if slot.type is Type.BOOLEAN:
        return bytes([NULL_FLAG])
    return _NULLS[slot.type] + (b"\x01" if slot.type is Type.INTEGER and slot.nullable else b"")


def new_kernel(library: Any, plan: ColumnPlan, layout: RecordLayout) -> int:
    """A kernel for the plan, to be freed with ``kernel_free``."""
    seed = int.from_bytes(os.urandom(8), "little")
    kernel: int | None = library.kernel_new(layout.nulls, len(layout.nulls), len(layout.placed), seed)
    if kernel is None:
        raise MemoryError
    tell_fields(library, kernel, plan, layout)
    return kernel


def tell_fields(library: Any, kernel: int, plan: ColumnPlan, layout: RecordLayout) -> None:
    """Tell a new kernel every field of the feed."""
    for number, field in enumerate(FEEDS[plan.kind].fields):
        _tell_field(library, kernel, number, field, plan, layout)


def _tell_field(library: Any, kernel: int, number: int, field: Field, plan: ColumnPlan, layout: RecordLayout) -> None:
    kept, column = CHECKED, layout.offsets.get(field.name, NO_COLUMN)
    if field.name in layout.placed:
        kept, column = PLACED, layout.placed.index(field.name)
    elif field.type is Type.STRING and column != NO_COLUMN:
        kept = CODED
    low = -math.inf if field.ge is None and field.gt is None else float(field.gt or field.ge or 0)
    high = math.inf if field.le is None else field.le
    if field.name == "ts":
        low, high = max(plan.first_ts, EARLIEST_TS), last_moment(plan.first_ts)
    name = field.name.encode()
    above = field.gt is not None
    flags = _ORDER.index(field.type), kept, field.required, field.symbol
    _must(library.kernel_field(kernel, name, len(name), *flags, low, above, high, column))
    for choice in field.choices:
        _must(library.kernel_choice(kernel, number, choice.encode(), len(choice)))
    for wanted, offset in layout.offsets.items():
        owner, _, stage = wanted.partition(".")
        if owner == field.name and stage:
            _must(library.kernel_stage(kernel, number, stage.encode(), len(stage), offset))


def _must(failed: int) -> None:
    if failed:
        raise MemoryError
