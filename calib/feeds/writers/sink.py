"""One day file of a feed: whole lines are appended under the lock of the file, or none."""

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

    Each append holds the lock of the file (``flock``) only while it runs, so that several processes can log into one
    directory: their lines interleave but are never cut.

    Parameters
    ----------
    path
        The file; created if it is missing. An unfinished last line is repaired first, see `tail.repair`.

    Raises
    ------
    SinkFailed
        If the file cannot be opened, or the day is already compressed.
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
            If the write fails, such as on a full disk; its ``lines_kept`` is the number of lines written. The file is
            first truncated to its last whole line, so that it remains a valid feed. Also if the day was compressed, or
            is being compressed, since the file was opened.
        """
        self._check_unpacked()
        if self._descriptor < 0:
            self._open()
        try:
            system.lock(self._descriptor)
            try:
                self._prepare()
                self._write(b"".join(lines))
            finally:
                if self._descriptor >= 0:
                    system.unlock(self._descriptor)
        except OSError as error:
            raise self._failure(error, 0) from error

    def sync(self) -> None:
        """Sync the appended lines to the disk (``fsync``)."""
        if self._descriptor >= 0:
            with self._failures():
                os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> None:
        self._check_unpacked()
        with self._failures():
            self._descriptor = os.open(self.path, _FLAGS, 0o644)
        self._end = -1

    def _check_unpacked(self) -> None:
        """Raise if the day has a compressed form, because readers do not accept two forms of a day.

        Also while the plain file still exists: `gzip` removes it at the end, with the lines appended meanwhile.
        """
        for packed in self._packed:
            if os.path.lexists(packed):
                self.close()
                raise SinkFailed(
                    f"this day is already compressed ({os.path.basename(packed)})",  # noqa: PTH119
                    where=str(self.path),
                    hint="Compress a day only after its last record; decompress it to log more",
                )

    def _prepare(self) -> None:
        """Ensure that the file ends with a whole line and still has its name.

        Another process may have been killed while it wrote a line since the last append: the next line would be joined
        to that part, and both lost. If the file was renamed or removed, readers would not find the lines.
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
            with contextlib.suppress(OSError):  # otherwise the next append or opening repairs the tail
                os.ftruncate(self._descriptor, begin + whole)
                self._end = begin + whole
            raise self._failure(error, text.count(b"\n", 0, whole)) from error
        self._end = begin + done

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._failure(error, 0) from error

    def _failure(self, error: OSError, lines_kept: int) -> SinkFailed:
        if error.errno == errno.ELOOP:
            what, hint = "is a symbolic link", "Loggers do not follow links, which may lead to a file of another owner"
        else:
            what = f"cannot be written: {error.strerror or error}"
            hint = "Free some space or repair the directory; logging then continues; `stats` counts the lost records"
        failed = SinkFailed(what, where=str(self.path), hint=hint)
        failed.lines_kept = lines_kept
        return failed
