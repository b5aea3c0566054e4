"""List and read stored bytes: a protocol, implemented by the local file system and by a bucket."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from io import FileIO
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from calib import system
from calib.errors import NoFeeds, UnreadableInput
from calib.storage.objects import ObjectPath

Place: TypeAlias = Path | ObjectPath
"""Path of a file or an object, or of a directory or prefix."""


class StoredBytes(Protocol):
    """An open file or object, read in order. Bytes that are appended after the opening are not read."""

    @property
    def size(self) -> int:
        """Size at the time of opening, bytes."""
        ...

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode; zeros for an object."""
        ...

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes; empty at the end."""
        ...

    def readinto(self, room: memoryview) -> int:
        """Read into a buffer; return the number of bytes, 0 at the end."""
        ...

    def close(self) -> None: ...


class ByteSource(Protocol):
    """Lists, opens and reads files or objects. Its errors are `calib.errors.CalibError` with the path."""

    def names(self, directory: Any) -> Sequence[str]:
        """Return the names directly below a directory or prefix, sorted; raise `NoFeeds` if it does not exist."""
        ...

    def size(self, path: Any) -> int:
        """Return the size of a regular file or an object, bytes."""
        ...

    def open(self, path: Any) -> StoredBytes:
        """Open it for reading from the beginning."""
        ...

    def read_range(self, path: Any, identity: Any, offset: int, size: int) -> bytes:
        """Return a range of bytes; raise an error if its identity is not the given one, None for any."""
        ...


class LocalFile:
    """An open local file, and its size when it was opened."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._handle = FileIO(system.open_regular(path))
            status = os.fstat(self._handle.fileno())
        except OSError as error:
            raise _unreadable(path, error) from error
        self.size = status.st_size
        self.identity = identity_of(status)

    def read(self, size: int) -> bytes:
        try:
            return self._handle.read(size)
        except OSError as error:
            raise _unreadable(self._path, error) from error

    def readinto(self, room: memoryview) -> int:
        try:
            return self._handle.readinto(room)
        except OSError as error:
            raise _unreadable(self._path, error) from error

    def close(self) -> None:
        self._handle.close()


class LocalFiles:
    """The local file system."""

    def names(self, directory: Path) -> Sequence[str]:
        try:
            return sorted(os.listdir(directory))  # noqa: PTH208 - names are all that is needed
        except FileNotFoundError as error:
            raise NoFeeds("the directory does not exist", where=str(directory), hint="Check --feeds") from error
        except NotADirectoryError as error:
            raise UnreadableInput("is no directory", where=str(directory), hint="Check --feeds") from error
        except OSError as error:
            raise UnreadableInput(
                f"cannot be listed: {error.strerror}", where=str(directory), hint="Check its permissions"
            ) from error

    def size(self, path: Path) -> int:
        try:
            status = path.stat()
        except OSError as error:
            raise UnreadableInput(
                f"cannot be read: {error.strerror}", where=str(path), hint="Check the path and its permissions"
            ) from error
        if not stat.S_ISREG(status.st_mode):
            what = "is a directory" if stat.S_ISDIR(status.st_mode) else "is no regular file"
            raise UnreadableInput(f"{what}, though named like a feed file", where=str(path), hint="Move it away")
        return status.st_size

    def open(self, path: Path) -> LocalFile:
        return LocalFile(path)

    def read_range(self, path: Path, identity: tuple[int, int] | None, offset: int, size: int) -> bytes:
        try:
            with path.open("rb", buffering=0) as handle:
                same = identity is None or identity_of(os.fstat(handle.fileno())) == identity
                piece = system.read_at(handle.fileno(), size, offset)
                while same and 0 < len(piece) < size:
                    more = system.read_at(handle.fileno(), size - len(piece), offset + len(piece))
                    if not more:
                        break
                    piece += more
        except OSError as error:
            raise UnreadableInput(f"cannot be read: {error.strerror}", where=str(path)) from error
        if not same or len(piece) != size:
            raise UnreadableInput(
                "was replaced or shortened while it was read", where=str(path), hint="Run again when nobody rewrites it"
            )
        return piece


_LOCAL: Final = LocalFiles()


def source_of(place: Place) -> ByteSource:
    """Return the source that lists and reads this place."""
    return place.bucket if isinstance(place, ObjectPath) else _LOCAL


def size_of(place: Place) -> int:
    """Return the size of a file or an object, bytes; 0 if it cannot be determined: reading it raises the error."""
    try:
        return source_of(place).size(place)
    except UnreadableInput:
        return 0


def identity_of(status: os.stat_result) -> tuple[int, int]:
    """Return device and inode, which differ if a file is replaced by another of the same name."""
    return status.st_dev, status.st_ino


def _unreadable(path: Path, error: OSError) -> UnreadableInput:
    return UnreadableInput(
        f"cannot be read: {error.strerror or error}", where=str(path), hint="Check its permissions and the disk"
    )
