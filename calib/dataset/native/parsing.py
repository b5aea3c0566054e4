"""One chunk of lines as records, ready to be settled in the order of the file."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from calib.feeds.reading.native.packer import Judged, NativeDecoder, cuts_of, merged
from calib.feeds.reading.native.plans import NO_COLUMN, RecordLayout
from calib.feeds.reading.native.stream import LineChunk
from calib.feeds.reading.native.sums import NativeSums, Settlement

_IN_OTHER = 1 << 31
"""Added to the offset of a text that Python kept."""


@dataclass(slots=True)
class ThreadDecoder:
    """A thread's decoder of one file, and what its codes of symbols stand for.

    Parameters
    ----------
    decoder
        The kernel with the decoder in Python.
    names
        The symbols that it has met, by code from 1.
    codes
        The number of each of them in the sums; filled when chunks are settled.
    """

    decoder: NativeDecoder
    names: list[str] = field(default_factory=list)
    codes: array[int] = field(default_factory=lambda: array("I", [0]))

    def parse(self, chunk: LineChunk, found: Any) -> ParsedChunk:
        """The chunk's records in ``found``; runs without the interpreter's lock while the kernel reads."""
        if chunk.head is not None:
            rows = self.decoder.oversized(chunk.head)
            self.decoder.parse(found, b"", 0)
            return ParsedChunk(self, found, Judged([], b"", {}, rows.rejects, []), rows.count, len(self.names))
        self.decoder.parse(found, chunk.address, chunk.size)
        back = found.back()
        judged = self.decoder.judge(back, [chunk.part(line.offset, line.size) for line in back])
        self.names += self.decoder.symbols(after=len(self.names))
        return ParsedChunk(self, found, judged, found.line_count, len(self.names))

    def codes_of(self, sums: NativeSums, symbols: int) -> int:
        """Return the address of the codes of the first ``symbols`` symbols."""
        self.codes.extend(sums.symbol(name) for name in self.names[len(self.codes) - 1 : symbols])
        return self.codes.buffer_info()[0]


@dataclass(slots=True)
class ParsedChunk:
    """Records and rejects of the lines of a chunk.

    Parameters
    ----------
    by
        Whose codes its symbols are.
    found
        The kernel's records.
    judged
        What Python decided.
    count
        Lines, blank ones too.
    symbols
        How many of the decoder's symbols can occur in it.
    """

    by: ThreadDecoder
    found: Any
    judged: Judged
    count: int
    symbols: int

    def settle(
        self, sums: NativeSums, content: int, last_line: int, markouts: Callable[[bytes], array[float]] | None
    ) -> tuple[Settlement, list[int], int]:
        """Give the records to the sums.

        Parameters
        ----------
        content
            Address of the chunk's lines.
        last_line
            Lines from this number in the chunk on are left out.
        markouts
            Gives the markouts of records, three each; None where there are none.

        Returns
        -------
        tuple
            The settlement, the lines that are duplicates, and the number of the last valid line, -1 without any.
        """
        kept = _Kept.of(self, self.by.decoder.layout)
        repeated = array("I", bytes(4 * kept.count)) if sums.options.kind == "fills" else array("I")
        values = None if markouts is None else markouts(kept.bytes())
        settlement = Settlement(
            records=kept.records,
            lines=kept.lines,
            places=kept.places,
            content=content,
            other=kept.other,
            codes=self.by.codes_of(sums, self.symbols),
            markouts=None if values is None else values.buffer_info()[0],
            repeated=repeated.buffer_info()[0],
            count=kept.count,
            last_line=last_line,
        )
        sums.settle(settlement)
        numbers = kept.numbers(list(repeated[: settlement.repeated_count]))
        return settlement, numbers, kept.last_line()


@dataclass(frozen=True, slots=True)
class _Kept:
    """Addresses of the records to settle, and what keeps them alive."""

    records: int | None
    lines: int | None
    places: int | None
    other: int | None
    count: int
    stride: int
    owner: Any

    @classmethod
    def of(cls, chunk: ParsedChunk, layout: RecordLayout) -> _Kept:
        found, stride = chunk.found, len(layout.nulls)
        if not chunk.judged.lines:
            return cls(found.records, found.lines, found.places, None, found.used, stride, found)
        owner = _merge(found, chunk.judged, layout)
        records, lines, places, other = owner
        addresses = _address(records), lines.buffer_info()[0], _address(places), _address(other)
        return cls(*addresses, len(lines), stride, owner)

    def bytes(self) -> bytes:
        """The records."""
        return ctypes.string_at(self.records, self.count * self.stride) if self.count and self.records else b""

    def numbers(self, positions: Sequence[int]) -> list[int]:
        """The line of each of these records."""
        if not positions or self.lines is None:
            return []
        lines = (ctypes.c_uint32 * self.count).from_address(self.lines)
        return [lines[position] for position in positions]

    def last_line(self) -> int:
        """The line of the last record."""
        return self.numbers([self.count - 1])[0] if self.count else -1


def _merge(found: Any, judged: Judged, layout: RecordLayout) -> tuple[Any, array[int], Any, Any]:
    """The kernel's records and Python's in the order of their lines: records, lines, places, texts of Python's."""
    used, stride, texts = found.used, len(layout.nulls), 8 * len(layout.placed)
    own = array("I", ctypes.string_at(found.lines, 4 * used) if used else b"")
    records = ctypes.string_at(found.records, stride * used) if used else b""
    places = ctypes.string_at(found.places, texts * used) if used and texts else b""
    cuts = list(cuts_of(own, judged.lines))
    other, placed = _placed(judged, layout)
    lines = array("I", b"".join(merged(own.tobytes(), array("I", judged.lines).tobytes(), cuts, 4)))
    return (
        _buffer(b"".join(merged(records, judged.records, cuts, stride))),
        lines,
        _buffer(b"".join(merged(places, placed, cuts, texts))),
        _buffer(other),
    )


def _placed(judged: Judged, layout: RecordLayout) -> tuple[bytes, bytes]:
    """The texts of Python's rows in one piece, and the places in it."""
    other, places = bytearray(), array("I")
    for row in range(len(judged.lines)):
        for name in layout.placed:
            text = judged.texts[name][row]
            if text is None:
                places.extend((0, NO_COLUMN))
                continue
            encoded = text.encode()
            places.extend((len(other) + _IN_OTHER, len(encoded)))
            other += encoded
    return bytes(other), places.tobytes()


def _buffer(data: bytes) -> Any:
    return ctypes.create_string_buffer(data, len(data) + 1)


def _address(buffer: Any) -> int:
    return ctypes.addressof(buffer)
