"""A source file opened for its importer: unpacked by what it is, and telling how much of it was read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from gzip import GzipFile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from calib.importers.base import Advance

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

GZIP: Final = b"\x1f\x8b"
_BLOCK: Final = 1 << 17


class _Told(io.FileIO):
    """A file that tells of the bytes that were read from the disk."""

    def __init__(self, path: Path, advance: Advance) -> None:
        super().__init__(path, "rb")
        self._advance = advance

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        count = super().readinto(buffer)
        self._advance(count)
        return count


def opened(path: Path, advance: Advance) -> io.BufferedReader:
    """The file as it lies there; ``advance`` is told of each block read from it.

    Raises
    ------
    OSError
        Where the system refuses.
    """
    return io.BufferedReader(_Told(path, advance), _BLOCK)


@contextmanager
def unpacked(path: Path, advance: Advance) -> Iterator[IO[bytes] | GzipFile]:
    """The content of a plain or gzip file, by what the file is and not by what it is called."""
    with opened(path, advance) as handle:
        if handle.peek(len(GZIP)).startswith(GZIP):
            with GzipFile(fileobj=handle) as packed:
                yield packed
        else:
            yield handle
