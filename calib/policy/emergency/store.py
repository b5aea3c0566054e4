"""The latch on disk: a state file that is replaced atomically, and an audit log; an emergency in either is in force."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final

from calib.errors import BadState, LockHeld, NewerSchema
from calib.files import locked, write_atomic
from calib.policy.audit import append_line, read_lines
from calib.policy.emergency.state import CacheViolation, Emergency, EmergencyState
from calib.policy.emergency.stored import from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEMA: Final = "calib.emergency"
VERSION: Final = 1
STATE_NAME: Final = "emergency.json"
AUDIT_NAME: Final = "emergency_audit.jsonl"
_AUDIT_BYTES: Final = 1 << 20
_LOCK_WAIT_S: Final = 5.0


class EmergencyStore:
    """The directory shared by the processes of one bot and the operator.

    Parameters
    ----------
    directory
        Directory of ``emergency.json`` and ``emergency_audit.jsonl``; created at the first write.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.state_path = directory / STATE_NAME
        self.audit_path = directory / AUDIT_NAME

    def load(self) -> EmergencyState:
        """Return the state file's state, with an emergency that is only in the audit.

        Raises
        ------
        BadState
            If the file is damaged or cannot be read: ignoring it could lose an emergency.
        NewerSchema
            If a later version of calib wrote it.
        """
        return with_audit(self._read(), self.events())

    def update(self, change: Callable[[EmergencyState], EmergencyState]) -> EmergencyState:
        """Replace the state with the result of ``change`` under the lock; returns the new state.

        Raises
        ------
        BadState, NewerSchema
            See `load`.
        LockHeld
            If another process has held the lock for 5 s.
        UnwritableOutput
            If the file cannot be written.
        """
        deadline = time.monotonic() + _LOCK_WAIT_S
        while True:
            try:
                with locked(self.directory):
                    state = change(self.load())
                    body = {"schema": f"{SCHEMA}/{VERSION}", **to_json(state)}
                    write_atomic(self.state_path, json.dumps(body, allow_nan=False, indent=1).encode() + b"\n")
                    return state
            except LockHeld:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def append(self, record: dict[str, Any]) -> None:
        """Append an event to the audit and fsync; raises UnwritableOutput if that fails."""
        append_line(self.audit_path, record, _AUDIT_BYTES)

    def events(self) -> list[dict[str, Any]]:
        """Return every event of the audit, oldest first."""
        return read_lines(self.audit_path)

    def signature(self) -> tuple[int, int, int] | None:
        """Return modification time, size and inode of the state file, to detect changes; None without a file."""
        try:
            stat = self.state_path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino

    def _read(self) -> EmergencyState:
        try:
            raw = json.loads(self.state_path.read_bytes())
        except FileNotFoundError:
            return EmergencyState()
        except (OSError, ValueError, RecursionError) as error:
            raise self._damaged(str(error)) from error
        schema = raw.get("schema") if isinstance(raw, dict) else None
        name, _, version = schema.partition("/") if isinstance(schema, str) else ("", "", "")
        if name != SCHEMA or not (version.isascii() and version.isdigit()):
            raise self._damaged(f"its schema is {schema!r}, not {SCHEMA}/{VERSION}")
        if int(version) > VERSION:
            raise NewerSchema(
                f"has schema {schema}, this calib supports version {VERSION}",
                where=str(self.state_path),
                hint="Update calib",
            )
        try:
            return from_json(raw)
        except ValueError as error:
            raise self._damaged(str(error)) from error

    def _damaged(self, why: str) -> BadState:
        return BadState(
            f"is not a usable state of the emergency procedure: {why}",
            where=str(self.state_path),
            hint=(
                f"Treat the bot as stopped. Read {AUDIT_NAME} beside it; move the state file away: an emergency that "
                "the audit does not show as resumed stays in force"
            ),
        )


def with_audit(state: EmergencyState, events: list[dict[str, Any]]) -> EmergencyState:
    """Return the state with the audit's latest emergency, unless the state or the audit shows it as ended.

    >>> event = {"event": "latched", "id": "e1", "ts": 5.0, "type": "t", "component": "c"}
    >>> lost = with_audit(EmergencyState(), [event])
    >>> lost.latched.id, lost.latched.components
    ('e1', {'c'})
    """
    if state.latched is not None:
        return state
    ended = {event.get("id") for event in events if event.get("event") in ("resumed", "joined")}
    for event in reversed(events):
        key, ts = event.get("id"), event.get("ts")
        if event.get("event") != "latched" or not isinstance(key, str) or key in ended or state.was_resumed(key):
            continue
        stamp = float(ts) if isinstance(ts, int | float) else 0.0
        texts = [str(event.get(name, "")) for name in ("type", "component", "owner")]
        seen = CacheViolation(texts[0], texts[1], stamp, texts[2], f"audit-{key}")
        return EmergencyState(Emergency(key, stamp, (seen,)), state.resumed)
    return state
