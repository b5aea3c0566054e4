"""Cutting a stream of bytes into bounded pieces of whole lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

CHUNK: Final = 8 << 20
"""Bytes of a chunk, about; only a longer line makes a larger one. What it costs beside its lines is then little."""
RECORDS_CHUNK: Final = 1 << 15
"""As much, where each line becomes a record: so few that they stay in the processor's cache until they are used."""
MAX_LINE: Final = 16 << 20
"""Bytes without the newline past which a line is a ``bad_json`` of which the beginning is kept."""
HEAD: Final = 4096
"""Bytes kept of an oversized line."""
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ByteSpan:
    """Where whole lines lie in the content, one after the other.

    Parameters
    ----------
    offset, size
        Where they begin and how long they are with their newlines, bytes.
    unended
        True for the last line of the content where no newline ends it; it stands alone.
    oversized
        True for a line longer than the limit; it stands alone.
    """

    offset: int
    size: int
    unended: bool = False
    oversized: bool = False

    @property
    def end(self) -> int:
        """Past the last of its bytes."""
        return self.offset + self.size


class Cutter:
    """Finds the spans of a content that comes in blocks, and holds none of it.

    Parameters
    ----------
    size
        Bytes from which on whole lines are a span.
    max_line
        Bytes past which a line is oversized; judged at the end of each block, so that one which ends within the block
        that goes past them is not: the decoder sees to that. At least the three of a byte-order mark.
    begin
        Where the first block begins in the content: the beginning of a line.
    """

    def __init__(self, size: int = CHUNK, max_line: int = MAX_LINE, begin: int = 0) -> None:
        self._size, self._max_line = size, max_line
        self._begin = begin
        """Where the next span begins."""
        self._lines_end = begin
        """Past the last newline seen; not before ``begin``."""
        self._end = begin

    @property
    def in_oversized(self) -> bool:
        """Whether what is in no span yet is one line that is too long already."""
        return self._lines_end == self._begin and self._end - self._begin > self._max_line

    def add(self, block: bytes | bytearray, size: int) -> list[ByteSpan]:
        """The spans that the next block completes; its first ``size`` bytes are the content's next."""
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
        """The spans of what is left at the end of the content."""
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
    """Whole lines, one after the other.

    Parameters
    ----------
    data
        The lines with their newlines; of an oversized line only the beginning.
    span
        Where they lie in the content.
    """

    data: bytes
    span: ByteSpan


def cut(blocks: Iterable[bytes], size: int = CHUNK, max_line: int = MAX_LINE, begin: int = 0) -> Iterator[Chunk]:
    """Cut blocks of any sizes into chunks of whole lines; a byte-order mark at the very beginning is left out.

    ``begin`` is where the first block begins in the content.

    >>> [chunk.data for chunk in cut([b"one\\ntw", b"o\\nthr", b"ee"], size=4)]
    [b'one\\n', b'two\\n', b'three']
    """
    cutter = Cutter(size, max_line, begin)
    held: list[bytes] = []
    """The content that is in no span yet; of an oversized line only the beginning."""
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
    """The data of a span without the byte-order mark with which a content may begin."""
    return data.removeprefix(_BOM) if span.offset == 0 else data
