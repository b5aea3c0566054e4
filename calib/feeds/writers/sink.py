"""One day file of a feed: whole lines appended under the file's lock, or none."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from calib import system
from calib.errors import SinkFailed
from calib.feeds.writers.tail import Repair, repair

_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | system.OPEN_FLAGS
_PACKED = (".gz", ".zst")


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

    __slots__ = ("_descriptor", "_end", "_packed", "path", "repairs")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.repairs: list[Repair] = []
        self._descriptor = -1
        self._end = -1
        self._packed = [f"{path}{suffix}" for suffix in _PACKED]
        self._open()

    def append(self, lines: list[bytes]) -> None:
        """Append all ``lines`` with one write.

        Raises
        ------
        SinkFailed
            Where the system refuses, as on a full disk; its ``lines_kept`` says how many of the lines stand. The file
            is cut back to its last whole line first, so that it stays a feed whatever happens next. Also where the
            day was compressed, or is being compressed, since the file was opened.
        """
        self._refuse_packed()
        if self._descriptor < 0:
            self._open()
        try:
            system.lock(self._descriptor)
            try:
                self._settle()
                self._write(b"".join(lines))
            finally:
                if self._descriptor >= 0:
                    system.unlock(self._descriptor)
        except OSError as error:
            raise self._refused(error, 0) from error

    def sync(self) -> None:
        """Have the disk hold what was appended (``fsync``)."""
        if self._descriptor >= 0:
            with self._refusals():
                os.fsync(self._descriptor)

    def close(self) -> None:
        """Let the file go; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        self._refuse_packed()
        with self._refusals():
            self._descriptor = os.open(self.path, _FLAGS, 0o644)
        self._end = -1

    def _refuse_packed(self) -> None:
        """Refuse a day that has a compressed form: with a second form of it no reader would take the day.

        Also while the plain file still has its name: `gzip` removes it when it is done, with what was appended to it
        meanwhile.
        """
        for packed in self._packed:
            if os.path.lexists(packed):
                self.close()
                raise SinkFailed(
                    f"this day was compressed already ({os.path.basename(packed)})",  # noqa: PTH119
                    where=str(self.path),
                    hint="Compress a day only when no record of it can come any more; unpack it to log more",
                )

    def _settle(self) -> None:
        """Make sure that our lines begin on a line of their own, in a file that still has its name.

        Another process may have been killed in the middle of its line since our last append: ours would be glued to
        its half and both lost. And where the file was renamed or removed, no reader would find our lines.
        """
        while not system.same_file(self._descriptor, self.path):
            self.sync()
            self.close()
            self._open()
            self.repairs.append(Repair(self.path, 0, None, moved=True))
            system.lock(self._descriptor)
        if os.fstat(self._descriptor).st_size != self._end:
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
        if error.errno == errno.ELOOP:
            what, hint = "is a symbolic link", "Loggers follow none: a link may lead to a file of somebody else"
        else:
            what = f"cannot be written: {error.strerror or error}"
            hint = "Free some space or repair the directory: logging then goes on by itself; `stats` has what was lost"
        failed = SinkFailed(what, where=str(self.path), hint=hint)
        failed.lines_kept = lines_kept
        return failed
