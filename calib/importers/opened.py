"""A source file opened for its importer: unpacked by what it is, and telling how much of it was read."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import GzipFile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast
from zipfile import ZipFile

import zstandard

from calib.errors import NotThisFormat, UnreadableInput
from calib.importers.base import Advance

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP: Final = b"\x1f\x8b"
ZIP: Final = b"PK"
ZSTD: Final = b"\x28\xb5\x2f\xfd"
_BLOCK: Final = 1 << 17
_ZSTD_BITE: Final = 1 << 12


class _ReportingFile(io.FileIO):
    """A file that reports the bytes that were read from the disk."""

    def __init__(self, path: Path, advance: Advance) -> None:
        super().__init__(path, "rb", opener=_opener)
        self._advance = advance

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = super().readinto(buffer)
        self._advance(count)
        return count


def _opener(path: str, flags: int) -> int:
    # Without O_NONBLOCK the opening of a FIFO waits until somebody writes into it.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def opened(path: Path, advance: Advance) -> io.BufferedReader:
    """The file as it lies there; ``advance`` receives the size of each block read from it.

    Raises
    ------
    OSError
        Where the system refuses.
    UnreadableInput
        Where it is not a regular file: a FIFO cannot be read twice, and a device may never end.
    """
    raw = _ReportingFile(path, advance)
    if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        raw.close()
        raise UnreadableInput(
            "is not a regular file", where=str(path), hint="Write it into a file first: a FIFO cannot be read twice"
        )
    return io.BufferedReader(raw, _BLOCK)


@contextmanager
def content_of(path: Path, hint: str, advance: Advance) -> Iterator[IO[bytes]]:
    """The content of a plain, gzip, zstd or zip file, by what the file is and not by what it is called.

    Raises
    ------
    NotThisFormat
        Where a zip holds more or less than one file.
    """
    with opened(path, advance) as handle:
        begin = handle.peek(len(ZSTD))
        if begin.startswith(GZIP):
            with GzipFile(fileobj=handle) as packed:
                yield cast("IO[bytes]", packed)
        elif begin.startswith(ZSTD):
            with io.BufferedReader(_ZstdContent(handle), _BLOCK) as unpacked:
                yield cast("IO[bytes]", unpacked)
        elif begin.startswith(ZIP):
            with ZipFile(handle) as archive:
                members = [member for member in archive.infolist() if not member.is_dir()]
                if len(members) != 1:
                    raise NotThisFormat(f"holds {len(members)} files, not one", where=str(path), hint=hint)
                with archive.open(members[0]) as member:
                    yield member
        else:
            yield handle


class _ZstdContent(io.RawIOBase):
    """What frames of zstd hold, one after the other.

    Unlike the library's own reader it raises `EOFError` where the last frame is cut short. What a small bite of packed
    bytes becomes is held at once, so the bites are small.
    """

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed = packed
        self._frame: Any = None
        self._content = memoryview(b"")
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        while not self._content:
            piece = self._rest or self._packed.read(_ZSTD_BITE)
            if not piece:
                if self._frame is not None:
                    raise EOFError("the zstd data ends in the middle of a frame")
                return 0
            if self._frame is None:
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            self._content = memoryview(self._frame.decompress(piece))
            self._rest = b""
            if self._frame.eof:
                self._rest, self._frame = self._frame.unused_data, None
        view = memoryview(buffer).cast("B")
        count = min(len(view), len(self._content))
        view[:count] = self._content[:count]
        self._content = self._content[count:]
        return count
