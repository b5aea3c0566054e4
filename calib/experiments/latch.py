"""What must outlive the process: the state file, the latch and the audit log.

The state file is replaced whole; the audit is appended to and fsynced line by line. A rollback is written to both,
state first. A process that is killed between the two finds the latch on restart and writes the missing line.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any, Final

from calib.errors import BadState, NewerSchema, UnwritableOutput
from calib.files import make_directory, write_atomic

STATE_NAME: Final = "state.json"
AUDIT_NAME: Final = "audit.jsonl"


def append_fsynced(path: Path, record: dict[str, Any]) -> None:
    """Append one JSON line and wait until the disk has it; a torn last line of a killed writer is ended first.

    Raises
    ------
    UnwritableOutput
        Where the system refuses.
    """
    line = json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii") + b"\n"
    make_directory(path.parent)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            os.write(descriptor, line)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise UnwritableOutput(
            f"cannot be written: {error.strerror or error}", where=str(path), hint="Check permissions and free space"
        ) from error


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
        except ValueError:
            continue
        if isinstance(record, dict):
            records.append(record)
    return records


class Store:
    """The directory of one experiment: ``state.json`` and ``audit.jsonl``.

    Parameters
    ----------
    directory
        None keeps everything in memory: for analysis of what was recorded.
    schema
        The state's schema, ``name/version``.
    """

    def __init__(self, directory: Path | None, schema: str) -> None:
        self.directory = directory
        self.schema = schema
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

        Raises
        ------
        BadState
            Where the file is damaged: a latch might be lost, so nothing is assumed.
        NewerSchema
            Where a later version wrote it.
        """
        if self.directory is None:
            return None
        try:
            state = json.loads(self.state_path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise self._damaged(str(error)) from error
        if not isinstance(state, dict) or not isinstance(state.get("schema"), str):
            raise self._damaged("it holds no state")
        name, _, version = state["schema"].partition("/")
        own, _, known = self.schema.partition("/")
        if name != own or not version.isdigit():
            raise self._damaged(f"it is a {state['schema']!r}, not a {self.schema!r}")
        if int(version) > int(known):
            raise NewerSchema(
                f"is of {state['schema']}, this calib knows {self.schema}", where=str(self.state_path), hint="Update"
            )
        return state

    def _damaged(self, why: str) -> BadState:
        return BadState(
            f"is no usable state: {why}",
            where=str(self.state_path),
            hint="Read audit.jsonl beside it; if nothing is rolled back there, move the state file away",
        )

    def save(self, state: dict[str, Any]) -> None:
        """Replace the state file as a whole."""
        if self.directory is not None:
            body = json.dumps({"schema": self.schema, **state}, allow_nan=False, indent=1)
            with self._lock:
                write_atomic(self.state_path, body.encode() + b"\n")

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


def reset(store: Store, reason: str, now: float, *, by: str) -> dict[str, Any] | None:
    """Clear the latch, for an operator: the only way out of a rollback.

    Gives the rollback that was cleared, or None where there was none. A running process sees it at its next evaluation.

    Raises
    ------
    BadState
        Where there is no state to reset.
    """
    state = store.load()
    if state is None:
        raise BadState("does not exist", where=str(store.state_path), hint="Check --state: nothing has run there")
    latched = state.get("rollback")
    if not isinstance(latched, dict):
        return None
    cleared = {"event": "reset", "ts": now, "reason": reason, "by": by, "rollback_id": latched["id"]}
    store.audit(cleared)
    fresh = {name: value for name, value in state.items() if name not in ("schema", "progress")}
    store.save({**fresh, "rollback": None, "resets": [*state.get("resets", []), cleared][-100:]})
    return latched
