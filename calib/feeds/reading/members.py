"""The compressed members of a file: gzip members and zstd frames, each decompressed in pieces of bounded size."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, Protocol

import zstandard

ZSTD_BLOCK: Final = 128 << 10
"""Most bytes that one block of a zstd frame decompresses to (RFC 8878, 3.1.1.2)."""
ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
"""First bytes of a zstd frame."""
_RLE: Final = 1
_DICTIONARY_ID: Final = (0, 1, 2, 4)
_CONTENT_SIZE: Final = (0, 2, 4, 8)


class Member(Protocol):
    """One gzip member or zstd frame, which is decompressed once."""

    ended: bool
    """Whether its end was met."""
    rest: bytes
    """What followed its end in the data that `feed` received last."""

    def feed(self, data: bytes, limit: int) -> Iterator[bytes]:
        """The content of the next stored bytes, in pieces of at most ``limit`` bytes; errors of its library."""


class GzipMember:
    """A gzip member."""

    def __init__(self) -> None:
        self.ended, self.rest = False, b""
        self._inflater = zlib.decompressobj(wbits=31)

    def feed(self, data: bytes, limit: int) -> Iterator[bytes]:
        """The content of the next stored bytes, in pieces of at most ``limit`` bytes.

        Raises
        ------
        zlib.error
            Where it is damaged.
        """
        inflater = self._inflater
        while True:
            content = inflater.decompress(data, limit)
            if content:
                yield content
            data = inflater.unconsumed_tail
            # A full piece may leave content in the inflater that needs no more input.
            if inflater.eof or (not data and len(content) < limit):
                break
        if inflater.eof:
            self.ended, self.rest = True, inflater.unused_data


class ZstdFrame:
    """A zstd frame.

    The library does not bound what one call returns, and a few bytes may stand for megabytes. So it receives at most
    as many blocks at once as a piece has room for; `_Blocks` finds where they end.
    """

    def __init__(self) -> None:
        self.ended, self.rest = False, b""
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._blocks = _Blocks()

    def feed(self, data: bytes, limit: int) -> Iterator[bytes]:
        """The content of the next stored bytes, in pieces of at most ``limit`` bytes, or of two blocks.

        Raises
        ------
        zstandard.ZstdError
            Where it is damaged.
        """
        half = limit // 2
        held: list[bytes] = []
        size = 0
        view = memoryview(data)
        try:
            while view:
                end = self._blocks.end_of(view, max(1, half // ZSTD_BLOCK))
                content = self._frame.decompress(view[:end])
                view = view[end:]
                held.append(content)
                size += len(content)
                if self._frame.eof:
                    self.ended, self.rest = True, self._frame.unused_data + bytes(view)
                    break
                if size >= half:
                    yield b"".join(held)
                    held.clear()
                    size = 0
        except zstandard.ZstdError:
            if size:
                yield b"".join(held)  # what came before the damage
            raise
        if size:
            yield b"".join(held)


class _Blocks:
    """Finds where the blocks of a zstd frame end, from their headers alone (RFC 8878, 3.1.1).

    It does not judge other frames or damaged ones: all of their bytes go to the library.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        """The beginning of a header, of which the rest has not come yet."""
        self._in_frame = self._last = self._unknown = False
        self._left = 0
        """Bytes of the block that have not come yet."""

    def end_of(self, view: memoryview, count: int) -> int:
        """Past the ``count``-th block that ends in these bytes, which come next; their size where fewer do."""
        place, size = 0, len(view)
        if size < self._left:
            self._left -= size
            return size
        while place < size and not self._unknown:
            if self._left:
                step = min(self._left, size - place)
                self._left -= step
                place += step
                count -= not self._left
                if not count:
                    return place
            elif self._last:
                break  # a checksum may follow, and other frames, which the library gives back
            else:
                place += self._header(view[place : place + self._missing()])
        return size

    def _missing(self) -> int:
        """Bytes to look at next: one header's, or those that tell its size."""
        if self._in_frame:
            return 3 - len(self._head)
        if len(self._head) < 5:
            return 5 - len(self._head)
        return _frame_header(self._head[4]) - len(self._head)

    def _header(self, part: memoryview) -> int:
        self._head += part
        if self._missing():
            return len(part)
        if not self._in_frame:
            self._in_frame = True
            self._unknown = not self._head.startswith(ZSTD_MAGIC)
        else:
            header = int.from_bytes(self._head, "little")
            self._last = bool(header & 1)
            self._left = 1 if header >> 1 & 3 == _RLE else header >> 3
        self._head.clear()
        return len(part)


def _frame_header(descriptor: int) -> int:
    """Bytes of a frame's header, by its descriptor; the mark before it included."""
    single = descriptor >> 5 & 1
    content_size = _CONTENT_SIZE[descriptor >> 6] or single
    return 5 + (not single) + _DICTIONARY_ID[descriptor & 3] + content_size
