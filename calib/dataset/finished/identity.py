"""What tells one content of a file from another, without reading all of it."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import Final

import msgspec

from calib import system

ENDS: Final = 1 << 16
"""Bytes at the head and at the tail of a file that are hashed each time."""
SETTLED_NS: Final = 2_000_000_000
"""How long ago a file must have changed for its times to prove that it did not change since: systems stamp files with
a clock of coarse steps, so two changes shortly after each other may carry one and the same time."""
_BLOCK: Final = 1 << 20


class FileIdentity(msgspec.Struct, frozen=True):
    """A file as the system describes it, and the sha256 of its two ends.

    Parameters
    ----------
    size, mtime_ns, ctime_ns, inode
        Of ``stat``: bytes, times of the last change of content and of anything, ns, number of the file.
    head, tail
        sha256 of its first and of its last `ENDS` bytes, hexadecimal.
    settled
        Whether its last change was long enough ago, see `SETTLED_NS`.
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
        """The identity of a file now; `OSError` where it cannot be read."""
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
        """Whether a file that was this when it was read, and is ``now`` that, has the content that was read."""
        return self.settled and msgspec.structs.replace(now, settled=True) == self

    def same_ends(self, now: FileIdentity) -> bool:
        """Whether it may have the same content: as long as it was, and the two ends are as they were."""
        return (self.size, self.head, self.tail) == (now.size, now.head, now.tail)

    def may_begin(self, now: FileIdentity, path: Path) -> bool:
        """Whether the file may have grown from this: longer, and both ends of the old content stand in it."""
        if now.size <= self.size or (self.size >= ENDS and now.head != self.head):
            return False
        begin = max(0, self.size - ENDS)
        return sha256_of(path, begin, self.size) == self.tail


def sha256_of(path: Path, begin: int, end: int) -> str | None:
    """Of these bytes of a file, hexadecimal; None where it has fewer. `OSError` where it cannot be read."""
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
