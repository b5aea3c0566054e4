"""The audit of the policy: violations, stops and resumptions, as fsynced JSON lines in files of bounded size."""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from calib import files
from calib.errors import UnwritableOutput
from calib.files import unwritable

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES: Final = 8 << 20
"""Size beyond which the file is renamed to ``NAME.1`` (replacing an older one) and a new file is started."""
_LOG: Final = logging.getLogger("calib.policy")


class PolicyAudit:
    """The latest records in memory and, if a path is given, every record on disk.

    Thread-safe. A record is on disk when `append` returns. A failed write is logged and counted in ``failures`` and
    does not raise: it must not stop the emergency response that is being recorded.

    Parameters
    ----------
    path
        File of JSON lines; None keeps the records in memory only.
    keep
        Number of records kept in memory, at least 1.
    max_bytes
        Size at which the file is rotated, bytes; at most twice as much is kept on disk.
    """

    def __init__(self, path: Path | None = None, *, keep: int = 1000, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self.failures = 0
        self._recent: deque[dict[str, Any]] = deque(maxlen=keep)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()

    @property
    def recent(self) -> list[dict[str, Any]]:
        """The latest records, oldest first."""
        with self._lock:
            return list(self._recent)

    def append(self, record: dict[str, Any]) -> bool:
        """Add a record; returns False if it could not be written to disk."""
        with self._lock:
            self._recent.append(record)
            if self.path is None:
                return True
            try:
                append_line(self.path, record, self._max_bytes)
            except UnwritableOutput as error:
                self.failures += 1
                _LOG.error("the policy's audit could not be written: %s", error)
                return False
            return True


def append_line(path: Path, record: dict[str, Any], max_bytes: int = MAX_BYTES) -> None:
    """Append one JSON line and fsync; a partial last line of a killed process is terminated first.

    Raises
    ------
    UnwritableOutput
        If the write fails.
    """
    line = json.dumps(record, ensure_ascii=True, allow_nan=False, default=str).encode("ascii") + b"\n"
    try:
        if path.exists() and path.stat().st_size + len(line) > max_bytes:
            path.replace(path.with_name(path.name + ".1"))
    except OSError as error:
        raise unwritable(path, error) from error
    files.append_line(path, line, 0o600)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the records of an audit and its rotated file, oldest first, without partial lines.

    Raises
    ------
    UnwritableOutput
        If a file exists and cannot be read.
    """
    records: list[dict[str, Any]] = []
    for part in (path.with_name(path.name + ".1"), path):
        try:
            lines = part.read_bytes().splitlines()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise UnwritableOutput(f"cannot be read: {error.strerror}", where=str(part)) from error
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict):
                records.append(record)
    return records
