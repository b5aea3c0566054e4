"""The persistent files of one experiment: the state file and the audit log.

The state file is replaced atomically, under a lock that is held for milliseconds; the audit log is appended to and
fsynced line by line. `calib.experiments.rollback` decides from both which rollbacks are in force.
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
"""Longest wait for the lock of the state file, s. It is held for milliseconds: a longer wait means a stopped holder."""


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file atomically; see `calib.files.write_atomic`."""
    write_atomic(path, content)


def append_fsynced(path: Path, record: dict[str, Any]) -> None:
    """Append one JSON line and fsync; a partial last line of a killed writer is terminated first.

    Raises
    ------
    UnwritableOutput
        If the write fails; `read_audit` skips a partially written line.
    """
    line = json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
    append_line(path, line)


def read_audit(path: Path) -> list[dict[str, Any]]:
    """Return the records of an audit log, oldest first, without partial lines; empty if there is no file."""
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
    """Return the SHA-256 of a state's canonical JSON without the checksum itself."""
    body = {name: value for name, value in state.items() if name != "checksum"}
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


class Store:
    """The directory of one experiment: ``state.json`` and ``audit.jsonl``.

    Parameters
    ----------
    directory
        None keeps everything in memory: for the evaluation of recorded feeds.
    schema
        The state's schema, ``name/version``.
    shape
        Validates the structure of a state.
    """

    def __init__(self, directory: Path | None, schema: str, shape: Check = anything) -> None:
        self.directory = directory
        self.schema = schema
        self.shape = shape
        self._lock = threading.Lock()
        self.memory: list[dict[str, Any]] = []
        """The audit events if there is no directory."""

    @property
    def state_path(self) -> Path:
        return (self.directory or Path()) / STATE_NAME

    @property
    def audit_path(self) -> Path:
        return (self.directory or Path()) / AUDIT_NAME

    def load(self) -> dict[str, Any] | None:
        """Return the state, or None if there is none yet.

        A state with a wrong checksum is accepted only if it holds a rollback: the rollback is in force in any case, and
        an operator must be able to clear it.

        Raises
        ------
        BadState
            If the file is damaged: ignoring it could lose a rollback.
        NewerSchema
            If a later version wrote it.
        """
        if self.directory is None:
            return None
        try:
            state = json.loads(self.state_path.read_bytes(), parse_constant=_reject_constant)
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
            raise self._damaged(f"its schema is {schema[:60]!r}, not {self.schema!r}")
        if int(version) > int(known):
            raise NewerSchema(
                f"has schema {schema}, this calib supports {self.schema}",
                where=str(self.state_path),
                hint="Update calib",
            )
        if int(version) < 1:
            raise self._damaged(f"unknown schema {schema!r}")

    def _damaged(self, why: str) -> BadState:
        return BadState(
            f"is not a usable state: {why}",
            where=str(self.state_path),
            hint="Read audit.jsonl beside it; if nothing is rolled back there, move the state file away",
        )

    @contextlib.contextmanager
    def exclusive(self, wait_s: float = LOCK_WAIT_S) -> Iterator[None]:
        """Hold the inter-process lock of the state file for one read and write.

        Raises
        ------
        LockHeld
            If another process holds it for longer than ``wait_s``.
        UnwritableOutput
            If the lock file cannot be created.
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
        """Read, change and replace the state under the inter-process lock.

        Parameters
        ----------
        change
            Takes the state on disk (None if there is none) and returns the state to write; None writes nothing.

        Returns
        -------
        dict or None
            The written state.
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
        """Return every audit event, oldest first."""
        return list(self.memory) if self.directory is None else read_audit(self.audit_path)


def _reject_constant(text: str) -> float:
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
                    f"another process has held this lock for more than {wait_s:g} s",
                    where=str(path),
                    hint="Check whether that process is stopped; the write is retried",
                ) from None
            time.sleep(0.005)
        except OSError as error:
            raise unwritable(path, error) from error
