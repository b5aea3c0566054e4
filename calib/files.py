"""How calib writes files: under a lock and atomically."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import weakref
from typing import TYPE_CHECKING, BinaryIO

from calib import system
from calib.errors import LockHeld, UnwritableOutput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import Any

LOCK_NAME = ".calib.lock"


def settings_tail(settings: Mapping[str, Any]) -> str:
    """Return the suffix of a file name that stands for settings: empty, or ``_`` and 8 hexadecimal digits.

    Parameters
    ----------
    settings
        The settings that differ from the defaults, as plain values; their order does not matter.

    >>> settings_tail({}), settings_tail({"interval_sec": 60}) == settings_tail({"interval_sec": 60})
    ('', True)
    """
    if not settings:
        return ""
    text = json.dumps(settings, sort_keys=True, default=list, ensure_ascii=True)
    return "_" + hashlib.sha256(text.encode("ascii")).hexdigest()[:8]


def make_directory(path: Path) -> None:
    """Create ``path`` and its parents.

    Raises
    ------
    UnwritableOutput
        If the system refuses, or a file has the same name.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(path, error) from error


def write_atomic(path: Path, content: bytes | Callable[[BinaryIO], None]) -> bool:
    """Write a file atomically: readers see the old content or the new one, never a part.

    Writes to a temporary name beside the target, then fsync, rename, and fsync of the directory. A file whose content
    would not change is left alone.

    Parameters
    ----------
    path
        The target; its directory is created if it is missing.
    content
        The bytes, or a function that writes them to an open binary file.

    Returns
    -------
    bool
        True if the file changed.

    Raises
    ------
    UnwritableOutput
        If the system refuses.
    """
    make_directory(path.parent)
    temporary: Path | None = None
    try:
        remove_leftovers(path.parent, path.name)
        temporary, handle = _temporary(path)
        with handle:
            if callable(content):
                content(handle)
            else:
                handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
        if path.is_file() and _same_bytes(temporary, path):
            return False
        temporary.replace(path)
        system.sync_directory(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    return True


def _temporary(path: Path) -> tuple[Path, BinaryIO]:
    """A new file beside ``path``, locked while it is open: `remove_leftovers` removes unlocked ones."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | system.OPEN_FLAGS
    while True:
        temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")
        descriptor = os.open(temporary, flags, 0o666)
        with contextlib.suppress(OSError):  # without locks on this file system, `_sweep` removes nothing
            system.lock(descriptor)
        if os.fstat(descriptor).st_nlink:
            return temporary, os.fdopen(descriptor, "wb")
        os.close(descriptor)  # another run removed the file before it was locked: try again


def remove_leftovers(directory: Path, target: str = "") -> None:
    """Remove the temporary files that killed writers left in a directory; `OSError` where it cannot be listed.

    Parameters
    ----------
    target
        Only those of this file; empty for any.
    """
    for name in os.listdir(directory):  # noqa: PTH208 - glob would treat special characters in the name as a pattern
        if name.startswith(f".{target}." if target else ".") and name.endswith(".tmp"):
            _remove_if_left(directory / name)


def _remove_if_left(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDONLY | system.OPEN_FLAGS | system.NO_WAIT)
    except OSError:
        return
    try:
        system.lock(descriptor, wait=False)
        path.unlink(missing_ok=True)
    except OSError:  # locked: its writer is still running
        pass
    finally:
        os.close(descriptor)


def _same_bytes(one: Path, other: Path, block: int = 1 << 20) -> bool:
    if one.stat().st_size != other.stat().st_size:
        return False
    with one.open("rb") as left, other.open("rb") as right:
        while True:
            a, b = left.read(block), right.read(block)
            if a != b:
                return False
            if not a:
                return True


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the output directory's lock while the block runs.

    The lock is ``flock``: the kernel releases it when the process ends for any reason.

    Raises
    ------
    LockHeld
        At once, if another process holds the lock.
    UnwritableOutput
        If the lock file cannot be created.
    """
    make_directory(directory)
    path = directory / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | system.OPEN_FLAGS, 0o644)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        try:
            system.lock(descriptor, wait=False)
        except BlockingIOError as error:
            holder = system.read_at(descriptor, 32, 0).decode("ascii", "replace").strip()
            raise LockHeld(
                f"another run holds the lock{f' (process {holder})' if holder else ''}",
                where=str(path),
                hint="Wait for it to end, or give this run another --out",
            ) from error
        with contextlib.suppress(OSError):  # the pid is only for another run's message: a full disk is reported later
            os.ftruncate(descriptor, 0)
            system.write_at(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
        yield
    finally:
        os.close(descriptor)


class AnonymousTempFile:
    """A temporary file for data that does not fit into memory: append, and read at any offset.

    It has no name, so no other process can open it, and the system frees it when the process ends. The first `append`
    creates it.

    Parameters
    ----------
    directory
        Its directory, created when it is needed; None: the system's directory for temporary files.

    Raises
    ------
    UnwritableOutput
        From `append` and `read`: if the system refuses, or the disk is full.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.size = 0
        self._directory = directory
        self._descriptor: int | None = None

    def append(self, data: bytes) -> int:
        """Write at the end; returns the offset at which the data begins."""
        begin = self.size
        try:
            left = memoryview(data)
            while left:
                written = system.write_at(self._open(), left, self.size)
                self.size += written
                left = left[written:]
        except OSError as error:
            raise self._unusable(error) from error
        return begin

    def read(self, begin: int, size: int) -> bytes:
        """Return ``size`` bytes from offset ``begin``; fewer only at the end of the file."""
        data = b""
        try:
            while len(data) < size and (piece := system.read_at(self._open(), size - len(data), begin + len(data))):
                data = data + piece if data else piece
        except OSError as error:
            raise self._unusable(error) from error
        return data

    def close(self) -> None:
        """Close the file; its content is lost."""
        if self._descriptor is not None:
            self._finalizer()
            self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is None:
            import tempfile  # slow to import, and seldom needed

            if self._directory is not None:
                make_directory(self._directory)
            with tempfile.TemporaryFile(dir=self._directory, prefix=".calib-", buffering=0) as handle:
                self._descriptor = os.dup(handle.fileno())
            self._finalizer = weakref.finalize(self, os.close, self._descriptor)
        return self._descriptor

    def _unusable(self, error: OSError) -> UnwritableOutput:
        if self._directory is not None:
            return unwritable(self._directory, error)
        import tempfile

        return UnwritableOutput(
            f"cannot create or write a temporary file: {error.strerror or error}",
            where=tempfile.tempdir or "the system's directory for temporary files",
            hint="Free some space there, or name another directory with TMPDIR",
        )


def append_line(path: Path, line: bytes, mode: int = 0o644) -> None:
    """Append one line and fsync; if a killed writer left a partial last line, a newline is written first.

    Parameters
    ----------
    path
        The file; its directory is created if it is missing. A symbolic link is not followed.
    line
        The bytes, with the newline.
    mode
        Permissions of a new file.

    Raises
    ------
    UnwritableOutput
        If the system refuses; a part of the line may have been written.
    """
    make_directory(path.parent)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | system.OPEN_FLAGS, mode)
        try:
            size = os.fstat(descriptor).st_size
            if size and system.read_at(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            left = memoryview(line)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> UnwritableOutput:
    """The error for a write that the system refused."""
    return UnwritableOutput(
        f"cannot be written: {error.strerror or error}",
        where=str(path),
        hint="Check the path, its permissions and the free space, or choose another --out",
    )
