"""Detect whether the content of a file has changed, without reading the whole file."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Final

import msgspec

from calib import system

ENDS: Final = 1 << 16
"""Number of bytes at the head and at the tail of a file that are hashed at every check."""
SETTLED_NS: Final = 2_000_000_000
"""Time since the last change of a file, ns, above which equal times prove that it has not changed. File times have a
coarse resolution, so two changes in quick succession may have the same time."""
_BLOCK: Final = 1 << 20


class FileIdentity(msgspec.Struct, frozen=True):
    """The status of a file, and the sha256 of its head and tail.

    Parameters
    ----------
    size, mtime_ns, ctime_ns, inode
        From ``stat``: size in bytes, time of the last change of the content and of the inode, ns, and inode number.
    head, tail
        sha256 of the first and of the last `ENDS` bytes, hexadecimal.
    settled
        Whether the last change was more than `SETTLED_NS` ago.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    head: str
    tail: str
    settled: bool

    @classmethod
    def of(cls, path: Path) -> FileIdentity:
        """Return the current identity of a file; raise `OSError` if it cannot be read."""
        descriptor = system.open_regular(path)
        try:
            status = os.fstat(descriptor)
            head = system.read_at(descriptor, ENDS, 0)
            tail = system.read_at(descriptor, ENDS, max(0, status.st_size - ENDS))
        finally:
            os.close(descriptor)
        return cls(
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_ino,
            hashlib.sha256(head).hexdigest(),
            hashlib.sha256(tail).hexdigest(),
            time.time_ns() - max(status.st_ctime_ns, status.st_mtime_ns) > SETTLED_NS,
        )

    def proves(self, now: FileIdentity) -> bool:
        """Whether the content is proved unchanged: this is the identity before the reading, ``now`` the current one."""
        return self.settled and msgspec.structs.replace(now, settled=True) == self

    def same_ends(self, now: FileIdentity) -> bool:
        """Whether the content may be the same: the size, the head and the tail are equal."""
        return (self.size, self.head, self.tail) == (now.size, now.head, now.tail)

    def may_begin(self, now: FileIdentity, path: Path) -> bool:
        """Whether the file may have grown: it is longer, and the old head and tail are at their old positions."""
        if now.size <= self.size or (self.size >= ENDS and now.head != self.head):
            return False
        begin = max(0, self.size - ENDS)
        return sha256_of(path, begin, self.size) == self.tail


def sha256_of(path: Path, begin: int, end: int) -> str | None:
    """Return the sha256 of the bytes ``[begin, end)`` of a file, hexadecimal; None if the file is shorter than ``end``.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    digest = hashlib.sha256()
    descriptor = system.open_regular(path)
    try:
        while begin < end:
            block = system.read_at(descriptor, min(_BLOCK, end - begin), begin)
            if not block:
                return None
            digest.update(block)
            begin += len(block)
    finally:
        os.close(descriptor)
    return digest.hexdigest()
