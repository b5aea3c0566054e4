"""The file of a line: one per feed and UTC day, by the time of the record."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Final, Literal, Protocol

from calib.errors import SinkFailed
from calib.feeds.writers.encoding import DAY_S, Line
from calib.feeds.writers.sink import OpenDayFile
from calib.feeds.writers.tail import Repair

FsyncPolicy = Literal["never", "interval", "always"]
FSYNC_INTERVAL_NS: Final = 1_000_000_000
_OPEN_DAYS: Final = 2


class Sink(Protocol):
    """The target of a logger's lines."""

    @property
    def repairs(self) -> list[Repair]:
        """Return the repairs so far."""
        ...

    def write(self, lines: Sequence[Line]) -> None:
        """Write all lines, or raise `SinkFailed` with the number of lines written."""
        ...

    def sync(self) -> None:
        """Sync the written lines, unless the policy is ``never``."""
        ...

    def sync_if_due(self) -> None:
        """Sync if the policy requires it now; called after each write and periodically."""
        ...

    def close(self) -> None:
        """Sync and close every file; further writes open them again."""
        ...

    def abandon(self) -> None:
        """Close without a sync, in a forked child: the files belong to the parent."""
        ...


class MemorySink:
    """A sink for tests that collects the lines in a list."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.repairs: list[Repair] = []

    def write(self, lines: Sequence[Line]) -> None:
        self.lines.extend(lines)

    def sync(self) -> None: ...

    def sync_if_due(self) -> None: ...

    def close(self) -> None: ...

    def abandon(self) -> None:
        self.lines = []


class DayFiles:
    """The sink that writes ``<kind>_YYYYMMDD.jsonl``.

    A line is written to the file of its own UTC day, also if a record of 23:59:59.9 is written after midnight. At most
    two days are open at a time.

    Parameters
    ----------
    directory
        The feed directory.
    kind
        The file prefix of the feed.
    fsync
        ``never``: the system decides. ``interval``: at most once a second if there is something to sync, and when a
        file is closed. ``always``: after each write.
    """

    def __init__(self, directory: Path, kind: str, fsync: FsyncPolicy) -> None:
        self._directory = directory
        self._kind = kind
        self._fsync = fsync
        self._files: dict[int, OpenDayFile] = {}
        self._unsynced: set[int] = set()
        self._synced_ns = time.monotonic_ns()
        self.repairs: list[Repair] = []

    def write(self, lines: Sequence[Line]) -> None:
        written, failed = 0, None
        for day, run in itertools.groupby(lines, key=itemgetter(0)):
            texts = [text for _, text in run]
            try:
                self._append(day, texts)
                written += len(texts)
            except SinkFailed as error:  # the other days are still written, e.g. if one was compressed
                written += error.lines_kept
                failed = failed or error
        if failed is not None:
            failed.lines_kept = written
            raise failed

    def sync(self) -> None:
        if self._fsync == "never":
            return
        for day in sorted(self._unsynced):
            file = self._files.get(day)  # None if a signal handler closed it meanwhile
            if file is not None:
                file.sync()
            self._unsynced.discard(day)
        self._synced_ns = time.monotonic_ns()

    def sync_if_due(self) -> None:
        if not self._unsynced or self._fsync == "never":
            return
        if self._fsync == "always" or time.monotonic_ns() - self._synced_ns >= FSYNC_INTERVAL_NS:
            self.sync()

    def close(self) -> None:
        try:
            self.sync()
        finally:
            self.abandon()

    def abandon(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()
        self._unsynced.clear()

    def _append(self, day: int, texts: list[bytes]) -> None:
        file = self._files.get(day) or self._open(day)
        try:
            file.append(texts)
        finally:
            while file.repairs:
                self.repairs.append(file.repairs.pop(0))
            self._unsynced.add(day)  # also after a failure: some lines may be written

    def _open(self, day: int) -> OpenDayFile:
        opened = OpenDayFile(
            self._directory / file_name(self._kind, day)
        )  # first, so that a failure closes no other day
        if len(self._files) >= _OPEN_DAYS:
            oldest = next(iter(self._files))
            if oldest in self._unsynced and self._fsync != "never":
                self._files[oldest].sync()
            self._unsynced.discard(oldest)
            self._files.pop(oldest).close()
        self._files[day] = opened
        return opened


def file_name(kind: str, day: int) -> str:
    """Return the name of the feed file of a UTC day.

    >>> file_name("fills", 20089)
    'fills_20250101.jsonl'
    """
    return f"{kind}_{datetime.fromtimestamp(day * DAY_S, UTC):%Y%m%d}.jsonl"
