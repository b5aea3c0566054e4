"""A file's content in reused buffers: whole lines that are parsed in place; any thread may hash them."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Final

from calib.feeds.reading.chunks import HEAD, MAX_LINE
from calib.feeds.reading.compression import StoredFile, contents
from calib.feeds.reading.days import Form

CHUNK: Final = 2 << 20
"""Bytes of a buffer; a longer line makes it larger."""
_BOM: Final = b"\xef\xbb\xbf"
_BLOCK: Final = 1 << 20


class PooledBuffer:
    """A piece of memory with a fixed address until it is made larger."""

    def __init__(self, size: int = CHUNK) -> None:
        self._resize(size)

    def _resize(self, size: int) -> None:
        self.data = bytearray(size)
        self.view = memoryview(self.data)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self.data))

    def grow(self, used: int) -> None:
        """Twice the size; the first ``used`` bytes stay."""
        kept = bytes(self.view[:used])
        self._resize(2 * len(self.data))
        self.view[:used] = kept

    def __len__(self) -> int:
        return len(self.data)


@dataclass(slots=True)
class LineChunk:
    """Whole lines in a buffer.

    Parameters
    ----------
    buffer, begin, end
        Where they are.
    offset
        Where they begin in the file's content, bytes.
    read_from, read_to
        The bytes of the buffer that came from the disk as they are, to be hashed; nothing of a compressed file.
    unended
        True for the last line of the content where no newline ends it; it stands alone.
    head
        The beginning of a line longer than the limit; there is no other line then.
    """

    buffer: PooledBuffer
    begin: int
    end: int
    offset: int
    read_from: int
    read_to: int
    unended: bool = False
    head: bytes | None = None

    @property
    def size(self) -> int:
        """Bytes of the lines."""
        return self.end - self.begin

    @property
    def address(self) -> int:
        """Of the first byte of the lines."""
        return self.buffer.address + self.begin

    def part(self, offset: int, size: int) -> bytes:
        """Some bytes of the lines."""
        begin = self.begin + offset
        return bytes(self.buffer.view[begin : begin + size])


class LineSource:
    """Cuts one file's content into chunks of whole lines; a byte-order mark at its beginning is left out.

    Parameters
    ----------
    stored, form
        The file, to be read once.
    max_line
        Bytes past which a line is oversized; judged where a buffer is full, so that a shorter one never is.
    """

    def __init__(self, stored: StoredFile, form: Form, *, max_line: int = MAX_LINE) -> None:
        self._stored, self._max_line = stored, max_line
        self._blocks = None if form is Form.PLAIN else contents(stored, form, _BLOCK)
        self._pending = memoryview(b"")
        self._carried = b""
        """The beginning of the line that the last buffer ended in."""
        self._head: bytes | None = None
        """The beginning of an oversized line whose end has not come yet."""
        self._at_start, self._ended = True, False
        self._position = 0
        """Where the next buffer begins in the content."""

    @property
    def exhausted(self) -> bool:
        """Whether everything was given."""
        return self._ended and not self._carried and self._head is None

    def read(self, buffer: PooledBuffer) -> LineChunk:
        """What the next buffer full holds; perhaps no line at all."""
        filled = kept = len(self._carried)
        while len(buffer) < kept + CHUNK // 2:
            buffer.grow(0)
        buffer.view[:filled] = self._carried
        while True:
            before = filled
            filled += self._fill(buffer.view[filled:])
            newline = buffer.data.rfind(b"\n", before, filled)
            if newline >= 0 or self._ended or filled > self._max_line:
                break
            buffer.grow(filled)
        hashed = (kept, filled) if self._blocks is None else (0, 0)
        place = self._position
        if self._head is not None or (newline < 0 and filled > self._max_line):
            chunk = self._oversized(buffer, filled, place, hashed)
        else:  # without a newline the last line of all; or nothing
            begin, end = self._begin(buffer, filled), newline + 1 if newline >= 0 else filled
            self._carried = bytes(buffer.view[end:filled])
            chunk = LineChunk(buffer, begin, end, place + begin, *hashed, unended=newline < 0)
        self._position = place + filled - len(self._carried)
        return chunk

    def _oversized(self, buffer: PooledBuffer, filled: int, place: int, hashed: tuple[int, int]) -> LineChunk:
        """Its beginning, once its end has come; until then no line."""
        if self._head is None:
            self._head = bytes(buffer.view[self._begin(buffer, filled) : HEAD])
        end = buffer.data.find(b"\n", 0, filled)
        self._carried = bytes(buffer.view[end + 1 : filled]) if end >= 0 else b""
        if end < 0 and not self._ended:
            return LineChunk(buffer, 0, 0, place, *hashed)
        head, self._head = self._head, None
        return LineChunk(buffer, 0, 0, place, *hashed, unended=end < 0, head=head)

    def _begin(self, buffer: PooledBuffer, filled: int) -> int:
        """Where the lines begin: behind a byte-order mark, where this is the beginning of the content."""
        marked = self._at_start and bytes(buffer.view[: min(filled, 3)]) == _BOM
        self._at_start = False
        return len(_BOM) if marked else 0

    def _fill(self, room: memoryview) -> int:
        """As many bytes as there is room for, fewer only at the end of the content."""
        total = 0
        while total < len(room):
            size = self._stored.fill(room[total:]) if self._blocks is None else self._unpacked(room[total:])
            if not size:
                self._ended = True
                break
            total += size
        return total

    def _unpacked(self, room: memoryview) -> int:
        assert self._blocks is not None
        if not self._pending:
            self._pending = memoryview(next(self._blocks, b""))
        size = min(len(room), len(self._pending))
        room[:size] = self._pending[:size]
        self._pending = self._pending[size:]
        return size
