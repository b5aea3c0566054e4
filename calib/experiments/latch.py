"""What must outlive the process: the state file and the audit log of one experiment.

The state file is replaced whole, under a lock that is held for milliseconds; the audit is appended to and fsynced line
by line. Which rollbacks are in force is decided by `calib.experiments.rollback`, from both.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from calib import system
from calib.errors import BadState, LockHeld, NewerSchema
from calib.experiments.shape import Check, anything
from calib.files import append_line, make_directory, unwritable
from calib.files import write_atomic as write_atomic

STATE_NAME: Final = "state.json"
AUDIT_NAME: Final = "audit.jsonl"
LOCK_NAME: Final = ".state.lock"
LOCK_WAIT_S: Final = 2.0
"""The state's lock is held for milliseconds; a longer wait means that its holder is stopped."""


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that is either the old one or the new one; see `calib.files.write_atomic`."""
    write_atomic(path, content)


def append_fsynced(path: Path, record: dict[str, Any]) -> None:
    """Append one JSON line and wait until the disk has it; a torn last line of a killed writer is ended first.

    Raises
    ------
    UnwritableOutput
        Where the system refuses; the part of a line that was written is left out by `read_audit`.
    """
    line = json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
    append_line(path, line)


def read_audit(path: Path) -> list[dict[str, Any]]:
    """The records of an audit log, the oldest first; a torn line is left out. Nothing where there is no file."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise BadState(f"cannot be read: {error.strerror}", where=str(path), hint="Check its permissions") from error
    records = []
    for line in lines:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


def checksum(state: dict[str, Any]) -> str:
    """SHA-256 of a state's canonical JSON, its own entry left out."""
    body = {name: value for name, value in state.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Store:
    """The directory of one experiment: ``state.json`` and ``audit.jsonl``.

    Parameters
    ----------
    directory
        None keeps everything in memory: for analysis of what was recorded.
    schema
        The state's schema, ``name/version``.
    shape
        What a state must look like.
    """

    def __init__(self, directory: Path | None, schema: str, shape: Check = anything) -> None:
        self.directory = directory
        self.schema = schema
        self.shape = shape
        self._lock = threading.Lock()
        self.memory: list[dict[str, Any]] = []
        """The audit, where there is no directory."""

    @property
    def state_path(self) -> Path:
        return (self.directory or Path()) / STATE_NAME

    @property
    def audit_path(self) -> Path:
        return (self.directory or Path()) / AUDIT_NAME

    def load(self) -> dict[str, Any] | None:
        """The state, or None where there is none yet.

        A state whose bytes were changed by hand is accepted only where it holds a rollback: that is in force either
        way, and an operator must be able to clear it.

        Raises
        ------
        BadState
            Where anything in the file is damaged: a latch might be lost, so nothing is assumed.
        NewerSchema
            Where a later version wrote it.
        """
        if self.directory is None:
            return None
        try:
            state = json.loads(self.state_path.read_bytes(), parse_constant=_no_number)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, RecursionError) as error:
            raise self._damaged(str(error)) from error
        if not isinstance(state, dict) or not isinstance(state.get("schema"), str):
            raise self._damaged("it has no schema")
        self._check_schema(state["schema"])
        try:
            self.shape(state, "")
        except (ValueError, RecursionError) as error:
            raise self._damaged(str(error)) from error
        if "checksum" in state and state["checksum"] != checksum(state) and state.get("rollback") is None:
            raise self._damaged("its checksum does not match its content")
        return state

    def _check_schema(self, schema: str) -> None:
        name, _, version = schema.partition("/")
        own, _, known = self.schema.partition("/")
        if name != own or not (version.isascii() and version.isdigit()) or len(version) > 9:
            raise self._damaged(f"it is a {schema[:60]!r}, not a {self.schema!r}")
        if int(version) > int(known):
            raise NewerSchema(
                f"is of {schema}, this calib knows {self.schema}", where=str(self.state_path), hint="Update calib"
            )
        if int(version) < 1:
            raise self._damaged(f"there is no {schema!r}")

    def _damaged(self, why: str) -> BadState:
        return BadState(
            f"is not a usable state: {why}",
            where=str(self.state_path),
            hint="Read audit.jsonl beside it; if nothing is rolled back there, move the state file away",
        )

    @contextlib.contextmanager
    def exclusive(self, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
        """Hold the lock of the state file, which other processes respect; for the moment of a read and a write.

        Raises
        ------
        LockHeld
            Where another process holds it for longer than ``wait_s``.
        UnwritableOutput
            Where the lock file cannot be made.
        """
        if self.directory is None:
            with self._lock:
                yield
            return
        make_directory(self.directory)
        path = self.directory / LOCK_NAME
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | system.OPEN_FLAGS, 0o644)
        except OSError as error:
            raise unwritable(path, error) from error
        try:
            _flock(descriptor, path, wait_s)
            yield
        finally:
            os.close(descriptor)

    def update(self, change: Callable[[dict[str, Any] | None], dict[str, Any] | None]) -> dict[str, Any] | None:
        """Read, change and replace the state as one step, whatever other processes do.

        Parameters
        ----------
        change
            Takes the state on disk (None where there is none) and returns the one to write; None writes nothing.

        Returns
        -------
        dict or None
            What was written.
        """
        if self.directory is None:
            return None
        with self.exclusive():
            current = self.load()
            fresh = change(current)
            if fresh is None:
                return None
            body = {"schema": self.schema, **fresh}
            body["version"] = (current or {}).get("version", 0) + 1
            body["checksum"] = checksum(body)
            write_whole(self.state_path, json.dumps(body, allow_nan=False, indent=1).encode() + b"\n")
            return body

    def audit(self, record: dict[str, Any]) -> None:
        """Append one event to the audit log."""
        if self.directory is None:
            self.memory = [*self.memory[-999:], record]
        else:
            with self._lock:
                append_fsynced(self.audit_path, record)

    def events(self) -> list[dict[str, Any]]:
        """Every event so far."""
        return list(self.memory) if self.directory is None else read_audit(self.audit_path)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a JSON number")


def _flock(descriptor: int, path: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            system.lock(descriptor, wait=False)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise LockHeld(
                    "another process has held this lock for long",
                    where=str(path),
                    hint="Is it stopped? It is tried again",
                ) from None
            time.sleep(0.005)
        except OSError as error:
            raise unwritable(path, error) from error
