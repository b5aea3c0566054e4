"""The directory of entries: of limited size, and safe to delete."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from calib.dataset.finished.entry import DamagedEntry, Header, StoredEntry
from calib.errors import UnwritableOutput
from calib.files import remove_leftovers, write_atomic

NAME: Final = ".calib-cache"
"""The directory's name below the output root."""
_SUFFIX: Final = ".finished"


class EntryDirectory:
    """Entries as files. Each is written atomically and may be deleted at any time.

    Parameters
    ----------
    path
        The directory; created with the first entry.
    limit_bytes
        Largest size of all entries together, >= 0; `trim` removes the least recently used.
    """

    def __init__(self, path: Path, limit_bytes: int) -> None:
        self.path = path
        self._limit = limit_bytes
        self.trouble = ""
        """Reason why an entry could not be written; empty if there was no failure."""

    def read(self, name: str, kind: type[Header]) -> StoredEntry[Header] | None:
        """Return the entry of that name; None if it is missing, damaged or of another kind."""
        try:
            return StoredEntry.open(self._place(name), kind)
        except DamagedEntry:
            return None

    def touch(self, name: str) -> None:
        """Mark an entry as used now."""
        with contextlib.suppress(OSError):  # deleted meanwhile or read-only: affects only the order of removal
            os.utime(self._place(name))

    def write(self, name: str, parts: Sequence[bytes]) -> None:
        """Write an entry, unless it is larger than the limit. A failure is stored in ``trouble``, not raised."""
        if self.trouble or sum(map(len, parts)) > self._limit:
            return

        def fill(handle: BinaryIO) -> None:
            handle.writelines(parts)

        try:
            write_atomic(self._place(name), fill)
        except UnwritableOutput as error:
            self.trouble = str(error)

    def trim(self) -> None:
        """Remove the least recently used entries until the rest is within the limit, and leftovers of killed runs."""
        found = []
        with contextlib.suppress(OSError):  # no directory, or deleted meanwhile
            remove_leftovers(self.path)
            for path in self.path.iterdir():
                with contextlib.suppress(OSError):
                    status = path.stat(follow_symlinks=False)
                    if path.suffix == _SUFFIX:
                        found.append((status.st_mtime_ns, path.name, status.st_size, path))
        excess = sum(size for _, _, size, _ in found) - self._limit
        for _, _, size, path in sorted(found):
            if excess <= 0:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                excess -= size

    def _place(self, name: str) -> Path:
        return self.path / f"{name}{_SUFFIX}"
