"""Calls that differ between operating systems: locks, flags of `open`, reads at an offset, cores, forks.

Every call that some systems lack is made here only and has a fallback. Linux is tested; macOS lacks the CPU affinity of
a process; Windows locks with ``msvcrt`` and has no forks.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

OPEN_FLAGS: Final = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
"""For every file that calib creates: not inherited, no symbolic links, no newline translation."""
NO_WAIT: Final = getattr(os, "O_NONBLOCK", 0)
"""Opening a named pipe does not wait for its other end."""
_LOCKED_BYTE: Final = 1 << 40
"""Offset of the byte that Windows locks: far beyond the content, because a locked byte cannot be read there."""
_AGAIN_S: Final = 0.005
_M_MMAP_THRESHOLD: Final = -3
"""Of glibc's ``mallopt``."""


def _module(name: str) -> Any:
    """Import a module that some systems lack; None if it is missing."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_fcntl: Final = _module("fcntl")
_msvcrt: Final = _module("msvcrt")


def lock(descriptor: int, *, wait: bool = True) -> None:
    """Take the exclusive lock of an open file; `unlock`, closing the descriptor or the end of the process frees it.

    Parameters
    ----------
    descriptor
        The open file.
    wait
        Whether to wait until the lock is free.

    Raises
    ------
    BlockingIOError
        If another process holds it and ``wait`` is off.
    OSError
        If the file system has no locks.
    """
    if _fcntl is not None:
        _fcntl.flock(descriptor, _fcntl.LOCK_EX | (0 if wait else _fcntl.LOCK_NB))
    elif _msvcrt is not None:
        _lock_byte(descriptor, wait=wait)


def _lock_byte(descriptor: int, *, wait: bool) -> None:
    while True:
        try:
            with _at(descriptor, _LOCKED_BYTE):
                _msvcrt.locking(descriptor, _msvcrt.LK_NBLCK, 1)
            return
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EDEADLK):
                raise
            if not wait:
                raise BlockingIOError(errno.EAGAIN, "the file is locked") from error
        time.sleep(_AGAIN_S)


def unlock(descriptor: int) -> None:
    """Release the lock of an open file."""
    if _fcntl is not None:
        _fcntl.flock(descriptor, _fcntl.LOCK_UN)
    elif _msvcrt is not None:
        with _at(descriptor, _LOCKED_BYTE):
            _msvcrt.locking(descriptor, _msvcrt.LK_UNLCK, 1)


def read_at(descriptor: int, size: int, offset: int) -> bytes:
    """Read up to ``size`` bytes at ``offset``; the file position does not change."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, size, offset)
    with _at(descriptor, offset):
        return os.read(descriptor, size)


def write_at(descriptor: int, data: bytes | memoryview, offset: int) -> int:
    """Write at ``offset``; returns the number of bytes written. The file position does not change."""
    if hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, offset)
    with _at(descriptor, offset):
        return os.write(descriptor, data)


class _at(contextlib.AbstractContextManager[None]):  # noqa: N801 - used as a context manager
    """Move the file position to ``offset`` while the block runs."""

    def __init__(self, descriptor: int, offset: int) -> None:
        self._descriptor, self._offset = descriptor, offset

    def __enter__(self) -> None:
        self._before = os.lseek(self._descriptor, 0, os.SEEK_CUR)
        os.lseek(self._descriptor, self._offset, os.SEEK_SET)

    def __exit__(self, *_: object) -> None:
        os.lseek(self._descriptor, self._before, os.SEEK_SET)


def read_regular(path: Path) -> bytes:
    """Read the whole content of a file; named pipes and devices are refused because reading might never end.

    Raises
    ------
    OSError
        If the system refuses, or it is not a regular file.
    """
    descriptor = open_regular(path)
    with os.fdopen(descriptor, "rb") as handle:
        return handle.read()


def open_regular(path: Path) -> int:
    """Open a file to read and return its descriptor; see `read_regular`."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | NO_WAIT)
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind):
        return descriptor
    os.close(descriptor)
    if stat.S_ISDIR(kind):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "a named pipe or a device is not a file", str(path))


def sync_directory(path: Path) -> None:
    """Fsync a directory, so that its entries survive a crash; does nothing on Windows, which cannot open one."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def return_large_blocks() -> None:
    """Make the C library return blocks of 1 MiB and more to the system when they are freed, for this whole process.

    glibc raises that size up to 32 MiB as larger blocks are freed, and then keeps them: summing day after day, a third
    of the peak was memory that nothing used. Does nothing where the C library has no such setting.
    """
    import ctypes

    with contextlib.suppress(AttributeError, OSError, TypeError):  # macOS and musl; Windows
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


def cores() -> int:
    """The number of cores that this process may use, at least 1.

    >>> cores() >= 1
    True
    """
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def user_id() -> str:
    """The numeric id of the user of this process, or the name if users have no numeric id."""
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "?")


def after_fork(step: Callable[[], None]) -> None:
    """Call ``step`` in every forked child; does nothing if the system has no forks."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=step)


def same_file(descriptor: int, path: Path) -> bool:
    """Whether ``path`` still names the open file."""
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
