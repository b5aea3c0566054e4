"""Columns of a chunk as flat buffers, made without polars so that a worker process starts in a blink."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import starmap
from operator import attrgetter
from typing import Any, Final

from calib.feeds.decoding import RowDecoder, Rows
from calib.feeds.rejects import Reject
from calib.feeds.schema import FEEDS, Type
from calib.feeds.types import columns_of, learnable

NULL_FLAG: Final = 2
"""A boolean's byte where there is none."""
_FIXED: Final = {Type.NUMBER: "d", Type.INTEGER: "q", Type.BOOLEAN: "b"}
"""How `struct` writes the values that have a width of their own."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its type, its values in a buffer or a list, and what else they need.

    Parameters
    ----------
    type
        `Type.NUMBER` (doubles, NaN is null), `Type.INTEGER` (64 bits; ``extra`` is a byte per value, 1 is null, or
        None), `Type.BOOLEAN` (a byte each, 2 is null) or `Type.STRING` (a list; or codes into the list ``extra``).
    values
        None where every value is null.
    """

    type: Type
    values: Any
    extra: Any = None


@dataclass(frozen=True, slots=True)
class Packed:
    """A chunk's rows as columns, with everything else that the tally needs; numbers of lines as in `Rows`.

    Parameters
    ----------
    records
        The columns in which no value is null, row by row, without gaps.
    layout
        Name and type of each of these columns, in their order within a row.
    columns
        All other columns.
    """

    count: int
    used: int
    lines: Sequence[int]
    records: bytes
    layout: tuple[tuple[str, Type], ...]
    columns: dict[str, Column]
    rejects: list[Reject]
    unknown: list[str]


@dataclass(frozen=True, slots=True)
class Plan:
    """Which columns to make of which feed file.

    Parameters
    ----------
    kind, first_ts
        The feed, and the Unix seconds at which its file's day begins.
    columns
        Names of fields; ``field.stage`` is one stage of a stages field.
    """

    kind: str
    first_ts: int
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        flat = columns_of(FEEDS[self.kind])
        for name in self.columns:
            if name not in flat and not (is_stage(self.kind, name) and learnable(name.partition(".")[2])):
                raise ValueError(f"{self.kind} has no column {name!r}; it has {', '.join(flat)}")

    def packer(self) -> Packer:
        """What carries the plan out."""
        stages = [name.partition(".")[2] for name in self.columns if "." in name]
        return Packer(self, RowDecoder(self.kind, self.first_ts, stages))

    def type_of(self, name: str) -> Type:
        """The type of a column."""
        return Type.NUMBER if is_stage(self.kind, name) else FEEDS[self.kind].field(name).type


def is_stage(kind: str, column: str) -> bool:
    """Whether a column is one stage of a stages field, as in ``stage_latencies.fetch_md``.

    >>> is_stage("pipeline_ticks", "stage_latencies.fetch_md"), is_stage("pipeline_ticks", "ts")
    (True, False)
    """
    name, _, stage = column.partition(".")
    return bool(stage) and any(field.name == name and field.type is Type.STAGES for field in FEEDS[kind].fields)


class Packer:
    """Packs the chunks of one file, and learns on the way which columns hold nulls.

    To write the columns without nulls row by row takes half the time of one column after the other.
    """

    def __init__(self, plan: Plan, decoder: RowDecoder) -> None:
        self._plan, self.decoder = plan, decoder
        types = [(name, plan.type_of(name)) for name in plan.columns if not is_stage(plan.kind, name)]
        self._lay_out((name, type_) for name, type_ in types if type_ in _FIXED)

    def pack(self, found: Rows) -> Packed:
        """The planned columns of a chunk's rows."""
        lines = found.lines if isinstance(found.lines, range) else array("q", found.lines)
        records = self._records(found.rows)
        together = {name for name, _ in self._layout} if found.rows else set(self._plan.columns)
        columns = {name: self._column(name, found.rows) for name in self._plan.columns if name not in together}
        return Packed(found.count, len(found.rows), lines, records, self._layout, columns, found.rejects, found.unknown)

    def _lay_out(self, columns: Iterable[tuple[str, Type]]) -> None:
        layout = tuple(columns)
        # Of a single column the getter would give values, not tuples.
        self._layout = layout if len(layout) > 1 else ()
        self._values = attrgetter(*(name for name, _ in self._layout)) if self._layout else None
        self._write = struct.Struct("=" + "".join(_FIXED[type_] for _, type_ in self._layout)).pack

    def _records(self, rows: list[Any]) -> bytes:
        if self._values is None:
            return b""
        try:
            return b"".join(starmap(self._write, map(self._values, rows)))
        except struct.error:  # a null among them
            self._lay_out(entry for entry in self._layout if None not in map(attrgetter(entry[0]), rows))
            return self._records(rows)

    def _column(self, name: str, rows: list[Any]) -> Column:
        if is_stage(self._plan.kind, name):
            return _numbers(_stage_values(self.decoder, name, rows))
        values = list(map(attrgetter(name), rows))
        match self._plan.type_of(name):
            case Type.NUMBER:
                return _numbers(values)
            case Type.INTEGER:
                return _integers(values)
            case Type.BOOLEAN:
                return _booleans(values)
            case _:
                return _strings(values)


def _stage_values(decoder: RowDecoder, name: str, rows: list[Any]) -> list[float | None]:
    field, _, stage = name.partition(".")
    attribute = f"stage_{decoder.stages.index(stage)}"
    holders, value = map(attrgetter(field), rows), attrgetter(attribute)
    # A row decoded before a stage was learned is of an older type, but the planned stages are in every type.
    return [None if holder is None else value(holder) for holder in holders]


def _numbers(values: list[float | None]) -> Column:
    try:
        return Column(Type.NUMBER, array("d", values))
    except TypeError:
        if _all_null(values):
            return Column(Type.NUMBER, None)
        return Column(Type.NUMBER, array("d", [math.nan if value is None else value for value in values]))


def _integers(values: list[int | None]) -> Column:
    try:
        return Column(Type.INTEGER, array("q", values))
    except TypeError:
        if _all_null(values):
            return Column(Type.INTEGER, None)
        nulls = bytes([value is None for value in values])
        return Column(Type.INTEGER, array("q", [0 if value is None else value for value in values]), nulls)


def _booleans(values: list[bool | None]) -> Column:
    try:
        return Column(Type.BOOLEAN, bytes(values))  # type: ignore[arg-type]  # a None raises, and is rare
    except TypeError:
        if _all_null(values):
            return Column(Type.BOOLEAN, None)
        return Column(Type.BOOLEAN, bytes([NULL_FLAG if value is None else value for value in values]))


def _strings(values: list[str | None]) -> Column:
    if _all_null(values):
        return Column(Type.STRING, None)
    codes = {value: code for code, value in enumerate(dict.fromkeys(values))}
    if 4 * len(codes) > len(values):
        return Column(Type.STRING, values)
    return Column(Type.STRING, array("I", list(map(codes.__getitem__, values))), list(codes))


def _all_null(values: list[Any]) -> bool:
    return values[0] is None and values.count(None) == len(values)
