"""A chunk's columns as flat buffers, made without polars so that a worker process starts in a blink."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from operator import attrgetter
from typing import Any, Final, Protocol

from calib.feeds.reading.decoding import RowDecoder, Rows
from calib.feeds.reading.rejects import Reject
from calib.feeds.reading.stats import MAX_UNKNOWN
from calib.feeds.schema.records import Codes, Slot, record_writer
from calib.feeds.schema.table import FEEDS, Type
from calib.feeds.schema.types import columns_of, learnable

_BLOCK: Final = 1 << 18
"""Bytes decoded at a time: their rows fit into a core's own cache."""
_FEW_TEXTS: Final = 1000
_NULL_MET: Final = (struct.error, TypeError, AttributeError)


@dataclass(frozen=True, slots=True)
class Packed:
    """A chunk's rows as columns, with everything else that the tally needs; numbers of lines as in `Rows`.

    Parameters
    ----------
    records, slots
        The rows, one record each, and what a record holds.
    tables
        The texts that the codes of a string slot stand for.
    texts
        The string columns that have no slot, because most of their values differ.
    """

    count: int
    used: int
    lines: Sequence[int]
    records: bytes
    slots: tuple[Slot, ...]
    tables: dict[str, list[str | None]]
    texts: dict[str, list[str | None]]
    rejects: list[Reject]
    unknown: list[str]


@dataclass(frozen=True, slots=True)
class ColumnPlan:
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


def is_stage(kind: str, column: str) -> bool:
    """Whether a column is one stage of a stages field, as in ``stage_latencies.fetch_md``.

    >>> is_stage("pipeline_ticks", "stage_latencies.fetch_md"), is_stage("pipeline_ticks", "ts")
    (True, False)
    """
    name, _, stage = column.partition(".")
    return bool(stage) and any(field.name == name and field.type is Type.STAGES for field in FEEDS[kind].fields)


class PlanCarrier(Protocol):
    """Carries out a plan of columns, chunk after chunk of one file: `Packer`, or the kernel."""

    def pack(self, data: bytes) -> Packed:
        """The planned columns of a chunk of whole lines."""
        ...

    def oversized(self, head: bytes) -> Packed:
        """The only line of a chunk of which no more than the beginning was kept."""
        ...


class Packer:
    """Carries out a plan, chunk after chunk of one file; learns on the way which columns hold nulls or many texts."""

    def __init__(self, plan: ColumnPlan) -> None:
        stages = [name.partition(".")[2] for name in plan.columns if "." in name]
        self._decoder = RowDecoder(plan.kind, plan.first_ts, stages)
        self._lay_out([column_slot(plan.kind, name, self._decoder.stages) for name in plan.columns], [])

    def pack(self, data: bytes) -> Packed:
        """The planned columns of a chunk of whole lines."""
        while (packed := self._attempt(data)) is None:
            pass  # a column was not as it had been so far; that is known now, and lasts for the file
        return packed

    def oversized(self, head: bytes) -> Packed:
        """The only line of a chunk of which no more than the beginning was kept."""
        found = self._decoder.oversized(head)
        return Packed(found.count, 0, found.lines, b"", self._slots, {}, {}, found.rejects, list(found.unknown))

    def _attempt(self, data: bytes) -> Packed | None:
        codes = {slot.name: Codes() for slot in self._slots if slot.type is Type.STRING}
        texts: dict[str, list[str | None]] = {name: [] for name in self._apart}
        tally, records = _Tally(), []
        for block in _blocks(data):
            found = self._decoder.decode(block)
            try:
                records.append(self._write(found.rows, *codes.values()))
            except _NULL_MET:
                self._learn_nulls(found.rows)
                return None
            for name, values in texts.items():
                values += map(attrgetter(name), found.rows)
            tally.add(found)
        many = {name for name, table in codes.items() if len(table) > max(_FEW_TEXTS, tally.used // 4)}
        if many:
            self._lay_out([slot for slot in self._slots if slot.name not in many], [*self._apart, *sorted(many)])
            return None
        tables = {name: list(table) for name, table in codes.items()}
        return tally.packed(b"".join(records), self._slots, tables, texts)

    def _learn_nulls(self, rows: list[Any]) -> None:
        def with_null(slot: Slot) -> bool:
            return not slot.nullable and slot.type is not Type.STRING and any(map(slot.is_null, rows))

        learned = [replace(slot, nullable=True) if with_null(slot) else slot for slot in self._slots]
        if learned == list(self._slots):
            raise AssertionError("a row could not be written, and no null is the cause")
        self._lay_out(learned, self._apart)

    def _lay_out(self, slots: Sequence[Slot], apart: Sequence[str]) -> None:
        self._slots, self._apart = tuple(slots), tuple(apart)
        self._write = record_writer(self._slots)


def column_slot(kind: str, name: str, stages: Sequence[str], *, nullable: bool = False) -> Slot:
    """The place of a column, by name or by stage; ``stages`` are those that the decoder of the rows knows."""
    if is_stage(kind, name):
        holder, _, stage = name.partition(".")
        # A row decoded before a stage was learned is of an older type, but the planned stages are in every type.
        return Slot(name, Type.NUMBER, nullable, holder, f"stage_{stages.index(stage)}")
    return Slot(name, FEEDS[kind].field(name).type, nullable, "", name)


def _blocks(data: bytes) -> Iterator[bytes]:
    """The lines in parts of a block's size, about."""
    begin = 0
    while begin < len(data):
        end = len(data)
        if end - begin > _BLOCK:
            end = data.rfind(b"\n", begin, begin + _BLOCK) + 1 or data.find(b"\n", begin + _BLOCK) + 1 or end
        yield data[begin:end]
        begin = end


@dataclass(slots=True)
class _Tally:
    """What was found in the blocks of one chunk, beside the values."""

    count: int = 0
    used: int = 0
    lines: list[Sequence[int]] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    unknown: dict[str, None] = field(default_factory=dict)

    def add(self, found: Rows) -> None:
        first = self.count
        self.count += found.count
        self.used += len(found.rows)
        whole = isinstance(found.lines, range)
        self.lines.append(range(first, self.count) if whole else [first + number for number in found.lines])
        self.rejects += [reject.at(first + reject.line) for reject in found.rejects]
        self.unknown |= dict.fromkeys(found.unknown)

    def packed(
        self,
        records: bytes,
        slots: tuple[Slot, ...],
        tables: dict[str, list[str | None]],
        texts: dict[str, list[str | None]],
    ) -> Packed:
        whole = self.used == self.count
        lines = range(self.count) if whole else array("q", chain.from_iterable(self.lines))
        unknown = list(self.unknown)[:MAX_UNKNOWN]
        return Packed(self.count, self.used, lines, records, slots, tables, texts, self.rejects, unknown)
