"""Open a source file for an importer: detect its compression by content, and report how much was read."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import GzipFile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, cast
from zipfile import ZipFile

import zstandard

from calib.errors import NotThisFormat, UnreadableInput
from calib.feeds.reading.members import ZSTD_MAGIC, ZstdFrame
from calib.importers.base import Advance

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP: Final = b"\x1f\x8b"
ZIP: Final = b"PK"
_BLOCK: Final = 1 << 17
_ZSTD_BLOCK: Final = 1 << 12
_ZSTD_PIECE: Final = 1 << 18


class _ReportingFile(io.FileIO):
    """A file that reports the number of bytes read from disk."""

    def __init__(self, path: Path, advance: Advance) -> None:
        super().__init__(path, "rb", opener=_opener)
        self._advance = advance

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = super().readinto(buffer)
        self._advance(count)
        return count


def _opener(path: str, flags: int) -> int:
    # Without O_NONBLOCK, opening a FIFO blocks until another process opens it for writing.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def opened(path: Path, advance: Advance) -> io.BufferedReader:
    """Open the file without decompressing it; ``advance`` receives the size of each block read from it.

    Raises
    ------
    OSError
        If the file cannot be opened.
    UnreadableInput
        If it is not a regular file: a FIFO cannot be read twice, and a device may never end.
    """
    raw = _ReportingFile(path, advance)
    if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        raw.close()
        raise UnreadableInput(
            "is not a regular file", where=str(path), hint="Write the data to a file first: a FIFO cannot be read twice"
        )
    return io.BufferedReader(raw, _BLOCK)


@contextmanager
def content_of(path: Path, hint: str, advance: Advance) -> Iterator[IO[bytes]]:
    """Open the content of a plain, gzip, zstd or zip file; the first bytes decide which, not the name.

    Raises
    ------
    NotThisFormat
        If a zip archive does not hold exactly one file.
    """
    with opened(path, advance) as handle:
        begin = handle.peek(len(ZSTD_MAGIC))
        if begin.startswith(GZIP):
            with GzipFile(fileobj=handle) as packed:
                yield cast("IO[bytes]", packed)
        elif begin.startswith(ZSTD_MAGIC):
            with io.BufferedReader(_ZstdContent(handle), _BLOCK) as unpacked:
                yield cast("IO[bytes]", unpacked)
        elif begin.startswith(ZIP):
            with ZipFile(handle) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
                if len(members) != 1:
                    raise NotThisFormat(
                        f"is a zip archive of {len(members)} files; expected 1", where=str(path), hint=hint
                    )
                with archive.open(members[0]) as member:
                    yield member
        else:
            yield handle


class _ZstdContent(io.RawIOBase):
    """The decompressed content of consecutive zstd frames, of which about `_ZSTD_PIECE` bytes are in memory.

    Unlike the library's own reader it raises `EOFError` if the last frame is cut short.
    """

    def __init__(self, packed: IO[bytes]) -> None:
        self._pieces = _zstd_pieces(packed)
        self._content = memoryview(b"")
        self._fault: Exception | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        if self._fault is not None:
            raise self._fault  # a generator that raised would now look like the end of the content
        if not self._content:
            try:
                self._content = memoryview(next(self._pieces, b""))
            except (EOFError, zstandard.ZstdError) as error:
                self._fault = error
                raise
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._content))
        view[:count] = self._content[:count]
        self._content = self._content[count:]
        return count


def _zstd_pieces(packed: IO[bytes]) -> Iterator[bytes]:
    frame: ZstdFrame | None = None
    while rest := packed.read(_ZSTD_BLOCK):
        while rest:
            frame = frame or ZstdFrame()
            yield from frame.feed(rest, _ZSTD_PIECE)
            rest = b""
            if frame.ended:
                rest, frame = frame.rest, None
    if frame is not None:
        raise EOFError("the zstd data ends in the middle of a frame")
