"""One day file of a feed: whole lines appended under the file's lock, or none."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from calib.errors import SinkFailed
from calib.feeds.writers.tail import Repair, repair

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class OpenDayFile:
    """An open feed file that always ends with a whole line.

    Each append takes the file's lock (``flock``) for its duration only, so that several processes may log into one
    directory: their lines interleave and never cut each other.

    Parameters
    ----------
    path
        The file; made where it is missing. An unfinished last line is mended first, see `tail.repair`.

    Raises
    ------
    SinkFailed
        Where the system refuses, or the day lies there compressed already.
    """

    __slots__ = ("_descriptor", "_end", "path", "repairs")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repairs: list[Repair] = []
        self._descriptor = -1
        self._end = -1
        for suffix in (".gz", ".zst"):
            packed = path.with_name(path.name + suffix)
            if packed.exists():
                raise SinkFailed(
                    f"this day was compressed already ({packed.name})",
                    where=str(path),
                    hint="Compress a day only when no record of it can come any more; unpack it to log more",
                )
        self._open()

    def append(self, lines: list[bytes]) -> None:
        """Append all ``lines`` with one write.

        Raises
        ------
        SinkFailed
            Where the system refuses, as on a full disk; its ``lines_kept`` says how many of the lines stand. The file
            is cut back to its last whole line first, so that it stays a feed whatever happens next.
        """
        if self._descriptor < 0:
            self._open()
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                self._settle()
                self._write(b"".join(lines))
            finally:
                if self._descriptor >= 0:
                    fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        except OSError as error:
            raise self._refused(error, 0) from error

    def sync(self) -> None:
        """Have the disk hold what was appended (``fsync``)."""
        with self._refusals():
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Let the file go; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        with self._refusals():
            self._descriptor = os.open(self.path, _FLAGS, 0o644)
        self._end = -1

    def _settle(self) -> None:
        """Make sure that our lines begin on a line of their own, in a file that still has its name.

        Another process may have been killed in the middle of its line since our last append: ours would be glued to
        its half and both lost. And where the file was removed, we would write into nowhere.
        """
        status = os.fstat(self._descriptor)
        if status.st_nlink == 0:
            self.close()
            self._open()
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            status = os.fstat(self._descriptor)
        if status.st_size != self._end:
            done = repair(self._descriptor, self.path)
            if done is not None:
                self.repairs.append(done)
            self._end = os.fstat(self._descriptor).st_size

    def _write(self, text: bytes) -> None:
        begin, done = self._end, 0
        try:
            while done < len(text):
                done += os.write(self._descriptor, text[done:] if done else text)
        except OSError as error:
            whole = text.rfind(b"\n", 0, done) + 1
            with contextlib.suppress(OSError):  # then the next append or the next opening mends the tail
                os.ftruncate(self._descriptor, begin + whole)
                self._end = begin + whole
            raise self._refused(error, text.count(b"\n", 0, whole)) from error
        self._end = begin + done

    @contextlib.contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._refused(error, 0) from error

    def _refused(self, error: OSError, lines_kept: int) -> SinkFailed:
        failed = SinkFailed(
            f"cannot be written: {error.strerror or error}",
            where=str(self.path),
            hint="Free some space or mend the directory: logging then goes on by itself; what was lost is in `stats`",
        )
        failed.lines_kept = lines_kept
        return failed
