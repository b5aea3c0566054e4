"""Cut a stream of bytes into chunks of whole lines of limited size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

CHUNK: Final = 8 << 20
"""Approximate size of a chunk, bytes; larger only for a longer line. Large enough that its fixed costs are small."""
RECORDS_CHUNK: Final = 1 << 15
"""Size if each line becomes a record, bytes: small enough that the records stay in the processor's cache."""
MAX_LINE: Final = 16 << 20
"""Largest size of a line without its newline, bytes. A longer one is ``bad_json``, and only its beginning is kept."""
HEAD: Final = 4096
"""Number of bytes kept of an oversized line."""
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ByteSpan:
    """Position of consecutive whole lines in the content.

    Parameters
    ----------
    offset, size
        Offset of the first line, and size of all with their newlines, bytes.
    unended
        True for the last line of the content if it has no newline. It is the only line of its span.
    oversized
        True for a line longer than the limit. It is the only line of its span.
    """

    offset: int
    size: int
    unended: bool = False
    oversized: bool = False

    @property
    def end(self) -> int:
        """Offset after the last byte."""
        return self.offset + self.size


class Cutter:
    """Finds the spans of a content that is passed in blocks. It does not store the content.

    Parameters
    ----------
    size
        Smallest size of a span of whole lines, bytes.
    max_line
        Largest size of a line, bytes, at least the 3 of a byte-order mark. It is checked at the end of each block, so
        a line that exceeds it and ends within the same block is not marked as oversized; the decoder rejects that one.
    begin
        Offset of the first block in the content; a line must begin there.
    """

    def __init__(self, size: int = CHUNK, max_line: int = MAX_LINE, begin: int = 0) -> None:
        self._size, self._max_line = size, max_line
        self._begin = begin
        """Offset of the next span."""
        self._lines_end = begin
        """Offset after the last newline seen; at least ``begin``."""
        self._end = begin

    @property
    def in_oversized(self) -> bool:
        """Whether the content after the last span is one incomplete line that already exceeds the limit."""
        return self._lines_end == self._begin and self._end - self._begin > self._max_line

    def add(self, block: bytes | bytearray, size: int) -> list[ByteSpan]:
        """Add the first ``size`` bytes of a block to the content; return the spans that are complete now."""
        spans: list[ByteSpan] = []
        in_oversized, start, searched = self.in_oversized, self._end, 0
        self._end += size
        if in_oversized:
            searched = block.find(b"\n", 0, size) + 1
            if not searched:
                return spans
            spans.append(self._cut(start + searched, oversized=True))
        if last := block.rfind(b"\n", searched, size) + 1:
            self._lines_end = start + last
        if self._end - self._begin >= self._size and self._lines_end > self._begin:
            spans.append(self._cut(self._lines_end))
        return spans

    def finish(self) -> list[ByteSpan]:
        """Return the spans of the rest at the end of the content."""
        spans = [self._cut(self._lines_end)] if self._lines_end > self._begin else []
        if self._end > self._begin:
            spans.append(ByteSpan(self._begin, self._end - self._begin, unended=True, oversized=self.in_oversized))
        return spans

    def _cut(self, end: int, *, oversized: bool = False) -> ByteSpan:
        span = ByteSpan(self._begin, end - self._begin, oversized=oversized)
        self._begin = self._lines_end = end
        return span


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive whole lines.

    Parameters
    ----------
    data
        The lines with their newlines; of an oversized line only the beginning.
    span
        Their position in the content.
    """

    data: bytes
    span: ByteSpan


def cut(blocks: Iterable[bytes], size: int = CHUNK, max_line: int = MAX_LINE, begin: int = 0) -> Iterator[Chunk]:
    """Cut blocks of any sizes into chunks of whole lines; a byte-order mark at offset 0 is removed.

    ``begin`` is the offset of the first block in the content.

    >>> [chunk.data for chunk in cut([b"one\\ntw", b"o\\nthr", b"ee"], size=4)]
    [b'one\\n', b'two\\n', b'three']
    """
    cutter = Cutter(size, max_line, begin)
    held: list[bytes] = []
    """The content after the last span; of an oversized line only the beginning."""
    read = begin
    for block in blocks:
        if not cutter.in_oversized:
            held.append(block)
        read += len(block)
        for span in cutter.add(block, len(block)):
            data = b"".join(held)
            if span.oversized:
                held = [block[len(block) - (read - span.end) :]]
            else:
                data, held = data[: span.size], [data[span.size :]]
            yield Chunk(without_mark(data, span), span)
        if cutter.in_oversized:
            held = [b"".join(held)[:HEAD]]
    for span in cutter.finish():
        data = b"".join(held)
        held = [data[span.size :]]
        yield Chunk(without_mark(data[: span.size], span), span)


def without_mark(data: bytes, span: ByteSpan) -> bytes:
    """Return the data of a span without a byte-order mark at offset 0 of the content."""
    return data.removeprefix(_BOM) if span.offset == 0 else data
