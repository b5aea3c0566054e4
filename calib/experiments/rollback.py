"""The rollback latch: set in memory first, written to three files, cleared only by an operator.

Two sets decide: all rollbacks seen, and all resets seen, each with the ids of the rollbacks that it clears. Both sets
only grow, from every source: this process, the flag file, the state file, the audit log. A rollback without a reset is
in force. So no write order of processes, older state file, failed write or lost file can clear a rollback.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from calib import system
from calib.errors import BadState, CalibError, UnwritableOutput
from calib.experiments.latch import Store, write_whole
from calib.experiments.shape import TS, anything, items, optional, record, text

FLAG_NAME: Final = "rollback.json"
FLAG_SCHEMA: Final = "calib.rollback/1"
OPERATOR: Final = "operator"
MAX_WAITING: Final = 100

ROLLBACK: Final = record({"ts": TS}, {"event": text("rollback"), "id": text(), "gate": text(), "decision": text()})
RESETS: Final = items(
    record(
        {"ts": TS}, {"event": text("reset"), "rollback_id": text(), "rollback_ids": items(text()), "reason": anything}
    )
)
_FLAG: Final = record({"schema": text(FLAG_SCHEMA), "rollback": ROLLBACK})
STATE_PART: Final = {"rollback": optional(ROLLBACK), "resets": RESETS}
"""The fields of the latch in a state file."""


def operator() -> dict[str, str]:
    """Return the operator: the user id as ``by``, and LOGNAME; a container may have no user names.

    >>> operator()["by"] == system.user_id()
    True
    """
    return {"by": system.user_id(), "logname": os.environ.get("LOGNAME", "")}


def brief(error: CalibError) -> str:
    """Return an error as text without its hint: where, and what."""
    return f"{error.where}: {error.what}" if error.where else error.what


def new_id(ts: float, gate: str) -> str:
    """Return a unique id of a rollback, even for the same time and gate."""
    return f"{ts:.3f}-{gate}-{os.urandom(4).hex()}"


def id_of(rollback: Mapping[str, Any]) -> str:
    """Return the rollback's id; a rollback of an older version without one gets the hash of its content."""
    known = rollback.get("id")
    if isinstance(known, str) and known:
        return known
    body = json.dumps(rollback, sort_keys=True, default=str).encode()
    return f"unnamed-{hashlib.sha256(body).hexdigest()[:16]}"


class RollbackLatch:
    """The rollback state of an experiment, in memory and on disk.

    Every method may be called from any thread; `set` takes only the lock of this object, so it does not wait for files.

    Parameters
    ----------
    store
        The directory of the state and the audit.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.record: dict[str, Any] | None = None
        """The rollback in force, or None."""
        self.errors: dict[str, str] = {}
        """The error of the last failed write, by place (``flag``, ``audit``)."""
        self._lock = threading.Lock()
        self._rollbacks: dict[str, dict[str, Any]] = {}
        self._cleared: dict[str, dict[str, Any]] = {}
        """The reset that cleared each rollback, by rollback id."""
        self._unwritten: dict[str, set[str]] = {}
        """The places still to be written, by rollback id."""
        self._waiting: list[dict[str, Any]] = []
        """Other events that could not be written to the audit, the newest `MAX_WAITING`."""
        self._seen: dict[Path, tuple[int, int, int]] = {}
        self._announced: set[str] = set()

    # -- the two sets --------------------------------------------------------------------------------------------------

    def _add(self, rollbacks: Iterable[dict[str, Any]] = (), resets: Iterable[Mapping[str, Any]] = ()) -> None:
        with self._lock:
            for one in rollbacks:
                self._rollbacks.setdefault(id_of(one), {**one, "id": id_of(one)})
            for reset in resets:
                for identity in _ids_of(reset):
                    self._cleared.setdefault(identity, dict(reset))
            force = [one for identity, one in self._rollbacks.items() if identity not in self._cleared]
            self.record = force[0] if force else None

    @property
    def resets(self) -> list[dict[str, Any]]:
        """All resets without duplicates, oldest first."""
        with self._lock:
            found = {json.dumps(reset, sort_keys=True): reset for reset in self._cleared.values()}
        return sorted(found.values(), key=lambda reset: float(reset["ts"]))

    @property
    def cleared(self) -> frozenset[str]:
        """The ids of the cleared rollbacks."""
        with self._lock:
            return frozenset(self._cleared)

    @property
    def by_gate(self) -> dict[str, int]:
        """Number of rollbacks by gate, including cleared ones."""
        with self._lock:
            return dict(Counter(str(one.get("gate", "")) for one in self._rollbacks.values()))

    @property
    def pending(self) -> bool:
        """Whether a rollback in force is still missing from one of its files."""
        with self._lock:
            return any(self._unwritten.values())

    # -- set, persist, reset -------------------------------------------------------------------------------------------

    def set(self, rollback: dict[str, Any]) -> None:
        """Roll back in memory at once, then write the files; `persist` retries failed writes."""
        with self._lock:
            self._unwritten[id_of(rollback)] = {"flag", "audit"} if self.store.directory is not None else {"audit"}
        self._add([rollback])
        self.persist()

    def mark_announced(self) -> None:
        """Mark the rollback in force as announced: an earlier process announced it."""
        with self._lock:
            if self.record is not None:
                self._announced.add(self.record["id"])

    def announce(self, write_report: Callable[[], object], hook: Callable[[dict[str, Any]], object] | None) -> None:
        """Write the report and call the hook, once per rollback; a failure is audited and the rollback stands."""
        with self._lock:
            record = self.record
            if record is None or record["id"] in self._announced:
                return
            self._announced.add(record["id"])
        try:
            write_report()
        except Exception as error:  # a failing report writer must not undo the rollback
            self._audit_failure("report_failed", record, error)
        if hook is None:
            return
        try:
            hook(record)
        except Exception as error:  # a failing hook must not undo the rollback
            self._audit_failure("hook_failed", record, error)

    def _audit_failure(self, event: str, record: dict[str, Any], error: Exception) -> None:
        self.audit({"event": event, "ts": record["ts"], "error": f"{type(error).__name__}: {error}"})

    def audit(self, event: dict[str, Any]) -> None:
        """Write an event to the audit; if that fails, a later `persist` retries."""
        with self._lock:
            self._waiting = [*self._waiting, event][-MAX_WAITING:]
        self._write_waiting()

    def _write_waiting(self) -> None:
        while True:
            with self._lock:  # another thread may write the same events at the same time
                if not self._waiting:
                    return
                event = self._waiting[0]
            try:
                self.store.audit(event)
            except CalibError as error:
                self.errors["events"] = brief(error)
                return
            self.errors.pop("events", None)
            with self._lock:
                self._waiting = [one for one in self._waiting if one is not event]

    def persist(self) -> None:
        """Write the rollbacks and events that are missing from the flag file and the audit."""
        with self._lock:
            todo = [(identity, set(places)) for identity, places in self._unwritten.items() if places]
        for identity, places in todo:
            rollback = self._rollbacks[identity]
            for place in sorted(places):
                try:
                    self._write(place, identity, rollback)
                except CalibError as error:  # a full disk must not block a rollback; status() reports it
                    self.errors[place] = brief(error)
                else:
                    self.errors.pop(place, None)
                    with self._lock:
                        self._unwritten[identity].discard(place)
        self._write_waiting()

    def _write(self, place: str, identity: str, rollback: dict[str, Any]) -> None:
        if place == "audit":
            if not any(event.get("event") == "rollback" and id_of(event) == identity for event in self.store.events()):
                self.store.audit(rollback)
        elif self.store.directory is not None and self.record is not None:
            body = json.dumps({"schema": FLAG_SCHEMA, "rollback": self.record}, allow_nan=False).encode() + b"\n"
            write_whole(self.store.directory / FLAG_NAME, body)

    def reset(self, reason: str, now: float, **more: str) -> list[dict[str, Any]]:
        """Clear the rollbacks in force on behalf of an operator; returns the cleared rollbacks.

        Raises
        ------
        UnwritableOutput
            If the reset cannot be written to the audit: the rollbacks then stay in force.
        """
        with self._lock:
            force = {identity: one for identity, one in self._rollbacks.items() if identity not in self._cleared}
        if not force:
            return []
        ids = list(force)
        event = {
            "event": "reset",
            "ts": now,
            "reason": reason,
            **operator(),
            **more,
            "rollback_ids": ids,
        }
        self.store.audit(event)
        self._add(resets=[event])
        with self._lock:
            for identity in ids:
                self._unwritten.pop(identity, None)
        if self.store.directory is not None:
            with contextlib.suppress(OSError):  # a remaining flag file is harmless: its rollback is already cleared
                (self.store.directory / FLAG_NAME).unlink(missing_ok=True)
        return list(force.values())

    # -- reading -------------------------------------------------------------------------------------------------------

    def merge(self, state: Mapping[str, Any] | None) -> None:
        """Add the rollback and resets of a state file."""
        if state is None:
            return
        rollback = state.get("rollback")
        self._add([dict(rollback)] if rollback is not None else [], state.get("resets") or [])

    def refresh(self) -> None:
        """Add the rollbacks and resets of the flag file and the audit if they changed since the last read.

        Raises
        ------
        BadState
            If one of them cannot be read or the flag file is damaged.
        """
        if self.store.directory is None:
            return
        if self._changed(self.store.audit_path):
            self._add(*_of_audit(self.store.events()))
        flag = self.store.directory / FLAG_NAME
        if self._changed(flag) and (found := read_flag(flag)) is not None:
            self._add([found])
        self._mark_missing_from_audit()

    def _changed(self, path: Path) -> bool:
        try:
            found = path.stat()
        except OSError:
            return path in self._seen and self._seen.pop(path) is None
        mark = (found.st_mtime_ns, found.st_size, found.st_ino)
        changed = self._seen.get(path) != mark
        self._seen[path] = mark
        return changed

    def refresh_from_state(self) -> None:
        """Add the rollback and resets of the state file if another process wrote it since the last read.

        Raises
        ------
        BadState, NewerSchema
            If it is damaged or was written by a later version.
        """
        if self.store.directory is not None and self._changed(self.store.state_path):
            self.merge(self.store.load())

    def mark_state_read(self) -> None:
        """Mark the state file as read: this process has just written it."""
        if self.store.directory is not None:
            self._changed(self.store.state_path)

    def _mark_missing_from_audit(self) -> None:
        """Mark a rollback that was read from another file as missing from the audit, so that it is written there."""
        force = self.record
        if force is not None:
            with self._lock:
                self._unwritten.setdefault(id_of(force), {"audit"})

    def to_state(self) -> dict[str, Any]:
        """Return the latch's fields of the state file."""
        return {"rollback": self.record, "resets": self.resets[-100:]}


def _ids_of(reset: Mapping[str, Any]) -> list[str]:
    several = reset.get("rollback_ids")
    ids = list(several) if isinstance(several, list) else []
    return [one for one in [reset.get("rollback_id"), *ids] if isinstance(one, str)]


def _of_audit(events: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the rollbacks and resets of an audit log; a reset of an older version clears all rollbacks before it."""
    rollbacks: list[dict[str, Any]] = []
    resets: list[dict[str, Any]] = []
    for event in events:
        if event.get("event") == "rollback":
            rollbacks.append(_usable(event))
        elif event.get("event") == "reset" and isinstance(event.get("ts"), int | float):
            named = _ids_of(event)
            resets.append(event if named else {**event, "rollback_ids": [id_of(one) for one in rollbacks]})
    return rollbacks, resets


def _usable(event: dict[str, Any]) -> dict[str, Any]:
    """Return a rollback of the audit; a damaged record is replaced by a minimal one, so that it stays in force."""
    named = {**event, "id": id_of(event)}
    try:
        ROLLBACK(named, "")
    except ValueError:
        return {"event": "rollback", "id": named["id"], "ts": 0.0, "gate": "unknown", "why": "a damaged audit line"}
    return named


def read_flag(path: Path) -> dict[str, Any] | None:
    """Return the rollback of a flag file, or None if there is no file.

    Raises
    ------
    BadState
        If it is damaged.
    """
    try:
        body = json.loads(path.read_bytes())
        _FLAG(body, "")
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise BadState(
            f"is not a usable rollback: {error}",
            where=str(path),
            hint="A rollback was made: see audit.jsonl beside it, clear it with `reset`, or move this file away",
        ) from error
    return dict(body["rollback"])


def current(store: Store) -> RollbackLatch:
    """Return the latch of a directory from its files, without the experiment itself.

    An unusable state file is ignored: the flag file and the audit hold the rollbacks in force.

    Raises
    ------
    BadState
        If no experiment has run there, or the flag file is damaged.
    """
    found = RollbackLatch(store)
    places = (store.state_path, store.audit_path, store.state_path.with_name(FLAG_NAME))
    if not any(path.exists() for path in places):
        raise BadState(
            "does not exist", where=str(store.state_path), hint="Check --state: no experiment has run in that directory"
        )
    with contextlib.suppress(BadState):
        found.merge(store.load())
    found.refresh()
    return found


def roll_back_by_hand(store: Store, rollback: dict[str, Any]) -> dict[str, Any]:
    """Roll back an experiment of another process at once, without waiting for a lock.

    Returns the rollback in force, which may be an older one.

    Raises
    ------
    BadState
        If no experiment has run there.
    UnwritableOutput
        If neither the flag file nor the audit could be written.
    """
    found = current(store)
    if found.record is None:
        found.set(rollback)
        if len(found.errors) > 1:
            raise UnwritableOutput(
                f"the rollback could not be written: {'; '.join(found.errors.values())}",
                where=str(store.directory),
                hint="Free space or check permissions; until then switch the experiment off in the bot",
            )
    _update_state(store, found, {})
    return found.record or rollback


def reset_by_hand(
    store: Store, reason: str, now: float, fresh: Callable[[RollbackLatch], Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Clear the rollbacks in force on behalf of an operator; returns the cleared rollbacks.

    A running process loads the reset at its next evaluation.

    Parameters
    ----------
    fresh
        Returns the new entries of the state file, given the latch after the reset.

    Raises
    ------
    BadState
        If no experiment has run there.
    UnwritableOutput
        If the audit cannot be written: the rollbacks then stay in force.
    """
    found = current(store)
    cleared = found.reset(reason, now)
    if cleared:
        _update_state(store, found, fresh(found))
    return cleared


def _update_state(store: Store, found: RollbackLatch, fresh: Mapping[str, Any]) -> None:
    """Write the latch to the state file; if that fails, the next process that writes the file includes it."""

    def change(state: dict[str, Any] | None) -> dict[str, Any] | None:
        if state is None:
            return None
        found.merge(state)
        return {**state, **fresh, **found.to_state()}

    with contextlib.suppress(CalibError):
        store.update(change)
