"""Columns of chunks by the kernel; the lines that it hands back are decided, and written, in Python."""

from __future__ import annotations

import ctypes
import struct
import weakref
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final, NamedTuple

from calib.feeds.reading.decoding import RowDecoder, Rows
from calib.feeds.reading.native.plans import NO_COLUMN, RecordLayout, new_kernel
from calib.feeds.reading.packing import ColumnPlan, Packed
from calib.feeds.reading.rejects import Reject
from calib.feeds.reading.stats import MAX_UNKNOWN
from calib.feeds.schema.records import record_writer
from calib.feeds.schema.table import FEEDS, Type

MAX_FIELDS: Final = 60
"""Fields that a kernel knows, unknown ones that were learned included."""
MAX_STAGES: Final = 16


_HANDED_BACK: Final = struct.Struct("@QQII")
"""A line that the kernel hands back, see ``struct handed_back``: offset, size, number of the line, zero."""


class HandedBack(NamedTuple):
    """A line that the kernel hands back: where it is in the chunk, and its number there."""

    offset: int
    size: int
    line: int


class ChunkFound(ctypes.Structure):
    """The kernel's results for the lines of a chunk, see ``struct chunk``."""

    _fields_ = (
        ("records", ctypes.c_void_p),
        ("lines", ctypes.c_void_p),
        ("places", ctypes.c_void_p),
        ("handed_back", ctypes.c_void_p),
        ("used", ctypes.c_uint64),
        ("room", ctypes.c_uint64),
        ("handed", ctypes.c_uint64),
        ("handed_room", ctypes.c_uint64),
        ("line_count", ctypes.c_uint64),
    )

    def back(self) -> list[HandedBack]:
        """The lines that were handed back."""
        entries = ctypes.string_at(self.handed_back, self.handed * _HANDED_BACK.size) if self.handed else b""
        return [HandedBack(*entry[:3]) for entry in _HANDED_BACK.iter_unpack(entries)]


@dataclass(frozen=True, slots=True)
class Judged:
    """What Python made of the lines that a kernel handed back; numbers of lines are the chunk's own.

    Parameters
    ----------
    lines, records, texts
        Of the valid ones: their numbers, their records in the kernel's layout, their placed texts by column.
    rejects
        The others.
    unknown
        Names of unknown fields of all lines, the kernel's too, in the order in which they first occur.
    """

    lines: Sequence[int]
    records: bytes
    texts: Mapping[str, Sequence[str | None]]
    rejects: list[Reject]
    unknown: list[str]


class NativeDecoder:
    """A kernel and the decoder in Python beside it, for the chunks of one file, in one thread.

    Parameters
    ----------
    library
        From `calib.feeds.reading.native.library`.
    plan
        The columns; `suits` says whether a kernel can carry it out.
    """

    def __init__(self, library: Any, plan: ColumnPlan) -> None:
        self.library = library
        stages = list(dict.fromkeys(name.partition(".")[2] for name in plan.columns if "." in name))
        self._decoder = RowDecoder(plan.kind, plan.first_ts, stages)
        self.layout = RecordLayout.of(plan, self._decoder.stages)
        self.kernel = new_kernel(library, plan, self.layout)
        weakref.finalize(self, library.kernel_free, self.kernel)
        self._known: list[str] = []
        self._room = MAX_FIELDS - len(FEEDS[plan.kind].fields)
        self._write = record_writer(self.layout.slots)
        self._choices = {field.name: field.choices for field in FEEDS[plan.kind].fields}
        self._codes = [self._codes_of(slot.name) for slot in self.layout.slots if slot.type is Type.STRING]

    def parse(self, chunk: Any, address: int | bytes, size: int) -> None:
        """Let the kernel read whole lines; the caller keeps them where they are meanwhile."""
        if self.library.kernel_parse(self.kernel, ctypes.addressof(chunk), address, size):
            raise MemoryError

    def judge(self, back: Sequence[HandedBack], texts: Sequence[bytes]) -> Judged:
        """Decide the lines that were handed back; ``texts`` in their order."""
        numbers = [entry.line for entry in back]
        met = self._unknown_met()
        found = self._decoder.decode(b"\n".join(texts) + b"\n") if texts else Rows(0, [], [])
        for name, (line, position) in found.unknown.items():
            at = numbers[line], position
            met[name] = min(met.get(name, at), at)
        self._learn()
        return Judged(
            [numbers[line] for line in found.lines],
            self._write(found.rows, *self._codes),
            {name: list(map(attrgetter(name), found.rows)) for name in self.layout.placed},
            [reject.at(numbers[reject.line]) for reject in found.rejects],
            sorted(met, key=lambda name: met[name])[:MAX_UNKNOWN],
        )

    def tables(self) -> dict[str, list[str | None]]:
        """The texts that the codes of each string slot stand for."""
        names = [slot.name for slot in self.layout.slots if slot.type is Type.STRING]
        return {name: [None, *(self._choices[name] or self.symbols())] for name in names}

    def symbols(self, after: int = 0) -> list[str]:
        """The symbols met so far, by code from 1; those of the first ``after`` codes are left out."""
        size = ctypes.c_uint32()
        names = []
        for code in range(after + 1, self.library.kernel_symbol_count(self.kernel)):
            address = self.library.kernel_symbol(self.kernel, code, ctypes.addressof(size))
            names.append(ctypes.string_at(address, size.value).decode())
        return names

    def oversized(self, head: bytes) -> Rows:
        """The only line of a chunk of which no more than the beginning was kept."""
        return self._decoder.oversized(head)

    def _codes_of(self, name: str) -> Mapping[str | None, int]:
        if choices := self._choices[name]:
            return {None: 0, **{choice: code for code, choice in enumerate(choices, 1)}}
        return _SymbolCodes(self)

    def _unknown_met(self) -> dict[str, tuple[int, int]]:
        """Where unknown fields first stand in the lines that the kernel vouched for."""
        found = [self.library.kernel_first_met(self.kernel, n) for n in range(len(self._known))]
        return {self._known[n]: (line - 1, n) for n, line in enumerate(found) if line}

    def _learn(self) -> None:
        """Tell the kernel the unknown fields that the decoder has learned."""
        for name in self._decoder.unknown[len(self._known) : self._room]:
            if self.library.kernel_unknown(self.kernel, name.encode(), len(name)):
                raise MemoryError
            self._known.append(name)


class _SymbolCodes(dict[str | None, int]):
    """The kernel's code of each symbol."""

    def __init__(self, decoder: NativeDecoder) -> None:
        super().__init__()
        self._library, self._kernel = decoder.library, decoder.kernel

    def __missing__(self, symbol: str) -> int:
        name = symbol.encode()
        code: int = self._library.kernel_symbol_code(self._kernel, name, len(name))
        if not code:
            raise MemoryError
        self[symbol] = code
        return code


class NativePacker:
    """What `calib.feeds.reading.packing.Packer` gives, by the kernel."""

    def __init__(self, library: Any, plan: ColumnPlan) -> None:
        self._decoder = NativeDecoder(library, plan)
        self._chunk = new_room(library)
        self.handed_back_used = 0
        """Valid lines of the last chunk that the kernel had handed back."""

    def pack(self, data: bytes) -> Packed:
        """The planned columns of a chunk of whole lines."""
        chunk, layout = self._chunk, self._decoder.layout
        self._decoder.parse(chunk, data, len(data))
        back = chunk.back()
        judged = self._decoder.judge(back, [data[line.offset : line.offset + line.size] for line in back])
        stride, used = len(layout.nulls), chunk.used
        self.handed_back_used = len(judged.lines)
        records, texts = ctypes.string_at(chunk.records, used * stride) if used else b"", self._texts(data)
        own = array("I", ctypes.string_at(chunk.lines, used * 4) if used else b"")
        lines: Sequence[int] = own
        if judged.lines:
            cuts = list(cuts_of(own, judged.lines))
            records = b"".join(merged(records, judged.records, cuts, stride))
            for name, values in texts.items():
                texts[name] = [text for part in merged(values, judged.texts[name], cuts, 1) for text in part]
            lines = array("I", b"".join(merged(own.tobytes(), array("I", judged.lines).tobytes(), cuts, 4)))
        if len(lines) == chunk.line_count:
            lines = range(chunk.line_count)
        return Packed(
            chunk.line_count,
            len(lines),
            lines,
            records,
            layout.slots,
            self._decoder.tables(),
            texts,
            judged.rejects,
            judged.unknown,
        )

    def oversized(self, head: bytes) -> Packed:
        """The only line of a chunk of which no more than the beginning was kept."""
        found = self._decoder.oversized(head)
        return Packed(found.count, 0, found.lines, b"", self._decoder.layout.slots, {}, {}, found.rejects, [])

    def _texts(self, data: bytes) -> dict[str, list[str | None]]:
        """The placed texts of the kernel's records."""
        names, used = self._decoder.layout.placed, self._chunk.used
        if not names or not used:
            return {name: [] for name in names}
        places = array("I", ctypes.string_at(self._chunk.places, 8 * used * len(names)))
        step = 2 * len(names)
        return {
            name: [
                None if size == NO_COLUMN else data[offset : offset + size].decode()
                for offset, size in zip(places[2 * n :: step], places[2 * n + 1 :: step], strict=True)
            ]
            for n, name in enumerate(names)
        }


def new_room(library: Any) -> Any:
    """Return memory for the results of a chunk, reusable for records of the same width; freed with the object."""
    address = library.chunk_new()
    if address is None:
        raise MemoryError
    chunk = ChunkFound.from_address(address)
    weakref.finalize(chunk, library.chunk_free, address)
    return chunk


def suits(plan: ColumnPlan) -> bool:
    """Return whether a kernel can carry out a plan: it has room for `MAX_STAGES`."""
    return sum("." in name for name in plan.columns) <= MAX_STAGES


def cuts_of(own: Sequence[int], others: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where each of the other lines goes among the kernel's: (how many of those come before it, its own place)."""
    before = 0
    for place, line in enumerate(others):
        while before < len(own) and own[before] < line:
            before += 1
        yield before, place


def merged(own: Any, others: Any, cuts: Sequence[tuple[int, int]], step: int) -> Iterator[Any]:
    """Pieces of both, ``step`` entries a record, in the order of the lines."""
    begin = 0
    for before, place in cuts:
        yield own[begin * step : before * step]
        yield others[place * step : (place + 1) * step]
        begin = before
    yield own[begin * step :]
