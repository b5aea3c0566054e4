"""The latch of a rollback: set in memory first, kept on disk in three places, cleared by an operator alone.

Two sets decide: the rollbacks ever seen, and the resets ever seen, each naming the rollbacks that it clears. Both only
grow, from whatever source: this process, the flag file, the state file, the audit log. A rollback without a reset is in
force. So the order in which processes write, an older state file, a failed write or a lost file cannot clear a latch.
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
"""What a state file must say of its latch."""


def operator() -> dict[str, str]:
    """Who acts: the number of the user as ``by``, and LOGNAME beside it; a container may know no names.

    >>> operator()["by"] == system.user_id()
    True
    """
    return {"by": system.user_id(), "logname": os.environ.get("LOGNAME", "")}


def brief(error: CalibError) -> str:
    """An error without its advice: where, and what."""
    return f"{error.where}: {error.what}" if error.where else error.what


def new_id(ts: float, gate: str) -> str:
    """A name for a rollback that no other has, also at the same time of the same gate."""
    return f"{ts:.3f}-{gate}-{os.urandom(4).hex()}"


def id_of(rollback: Mapping[str, Any]) -> str:
    """The rollback's own name; those of older versions without one are named by their content."""
    known = rollback.get("id")
    if isinstance(known, str) and known:
        return known
    body = json.dumps(rollback, sort_keys=True, default=str).encode()
    return f"unnamed-{hashlib.sha256(body).hexdigest()[:16]}"


class RollbackLatch:
    """Whether an experiment is rolled back, and everything that keeps it so.

    Every method may be called from any thread; `set` waits for no lock but that of this object's own two mappings.

    Parameters
    ----------
    store
        Where the state and the audit are kept.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.record: dict[str, Any] | None = None
        """The rollback in force, or None."""
        self.errors: dict[str, str] = {}
        """By place (``flag``, ``audit``): why the last write there failed."""
        self._lock = threading.Lock()
        self._rollbacks: dict[str, dict[str, Any]] = {}
        self._cleared: dict[str, dict[str, Any]] = {}
        """By rollback id: the reset that cleared it."""
        self._unwritten: dict[str, set[str]] = {}
        """By rollback id: the places that do not have it yet."""
        self._waiting: list[dict[str, Any]] = []
        """Other events that the audit refused, the newest `MAX_WAITING`."""
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
        """The resets so far, each once, the oldest first."""
        with self._lock:
            found = {json.dumps(reset, sort_keys=True): reset for reset in self._cleared.values()}
        return sorted(found.values(), key=lambda reset: float(reset["ts"]))

    @property
    def cleared(self) -> frozenset[str]:
        """The ids of the rollbacks that were cleared."""
        with self._lock:
            return frozenset(self._cleared)

    @property
    def by_gate(self) -> dict[str, int]:
        """Rollbacks so far by gate, those that were cleared included."""
        with self._lock:
            return dict(Counter(str(one.get("gate", "")) for one in self._rollbacks.values()))

    @property
    def pending(self) -> bool:
        """Whether a rollback in force is not yet on disk in every place."""
        with self._lock:
            return any(self._unwritten.values())

    # -- acting --------------------------------------------------------------------------------------------------------

    def set(self, rollback: dict[str, Any]) -> None:
        """Latch: in memory at once, then on disk; what cannot be written now is tried again by `persist`."""
        with self._lock:
            self._unwritten[id_of(rollback)] = {"flag", "audit"} if self.store.directory is not None else {"audit"}
        self._add([rollback])
        self.persist()

    def is_known(self) -> None:
        """Take the rollback in force as announced: it was, before this process began."""
        with self._lock:
            if self.record is not None:
                self._announced.add(self.record["id"])

    def announce(self, write_report: Callable[[], object], hook: Callable[[dict[str, Any]], object] | None) -> None:
        """Once for each rollback: write the report, call the owner's hook. A failure is audited and undoes nothing."""
        with self._lock:
            record = self.record
            if record is None or record["id"] in self._announced:
                return
            self._announced.add(record["id"])
        try:
            write_report()
        except Exception as error:  # whatever the writer does, the rollback stands
            self._audit_failure("report_failed", record, error)
        if hook is None:
            return
        try:
            hook(record)
        except Exception as error:  # whatever the owner's hook does, the rollback stands
            self._audit_failure("hook_failed", record, error)

    def _audit_failure(self, event: str, record: dict[str, Any], error: Exception) -> None:
        self.audit({"event": event, "ts": record["ts"], "error": f"{type(error).__name__}: {error}"})

    def audit(self, event: dict[str, Any]) -> None:
        """Write an event to the audit, now or, where the disk refuses, with a later `persist`."""
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
        """Write what the flag file and the audit still lack."""
        with self._lock:
            todo = [(identity, set(places)) for identity, places in self._unwritten.items() if places]
        for identity, places in todo:
            rollback = self._rollbacks[identity]
            for place in sorted(places):
                try:
                    self._write(place, identity, rollback)
                except CalibError as error:  # the disk must not stop a rollback; status() says it
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
        """Clear what is in force, for an operator; returns the rollbacks that were cleared.

        Raises
        ------
        UnwritableOutput
            Where the audit cannot take the reset: the rollback then stays in force.
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
            with contextlib.suppress(OSError):  # a flag that stays names a cleared rollback: it says nothing
                (self.store.directory / FLAG_NAME).unlink(missing_ok=True)
        return list(force.values())

    # -- reading -------------------------------------------------------------------------------------------------------

    def merge(self, state: Mapping[str, Any] | None) -> None:
        """Take over what a state file says."""
        if state is None:
            return
        rollback = state.get("rollback")
        self._add([dict(rollback)] if rollback is not None else [], state.get("resets") or [])

    def refresh(self) -> None:
        """Take over what the flag file and the audit say, where they changed since the last look.

        Raises
        ------
        BadState
            Where one of them cannot be read or the flag is damaged.
        """
        if self.store.directory is None:
            return
        if self._changed(self.store.audit_path):
            self._add(*_of_audit(self.store.events()))
        flag = self.store.directory / FLAG_NAME
        if self._changed(flag) and (found := read_flag(flag)) is not None:
            self._add([found])
        self._note_missing()

    def _changed(self, path: Path) -> bool:
        try:
            found = path.stat()
        except OSError:
            return path in self._seen and self._seen.pop(path) is None
        mark = (found.st_mtime_ns, found.st_size, found.st_ino)
        changed = self._seen.get(path) != mark
        self._seen[path] = mark
        return changed

    def look_at_state(self) -> None:
        """Take over what the state file says, where another process wrote it since the last look.

        Raises
        ------
        BadState, NewerSchema
            Where it is damaged or of a later version.
        """
        if self.store.directory is not None and self._changed(self.store.state_path):
            self.merge(self.store.load())

    def saw_state(self) -> None:
        """The state file is as this process has just written it: there is nothing to take over."""
        if self.store.directory is not None:
            self._changed(self.store.state_path)

    def _note_missing(self) -> None:
        """Note that a rollback read from another place is not in the audit yet, so that it is written there too."""
        force = self.record
        if force is not None:
            with self._lock:
                self._unwritten.setdefault(id_of(force), {"audit"})

    def to_state(self) -> dict[str, Any]:
        """The part of the state file that the latch owns."""
        return {"rollback": self.record, "resets": self.resets[-100:]}


def _ids_of(reset: Mapping[str, Any]) -> list[str]:
    several = reset.get("rollback_ids")
    ids = list(several) if isinstance(several, list) else []
    return [one for one in [reset.get("rollback_id"), *ids] if isinstance(one, str)]


def _of_audit(events: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The rollbacks and resets of an audit log; a reset of an older version clears what stands before it."""
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
    """A rollback of the audit; a damaged one still is a rollback, of which little else is known."""
    named = {**event, "id": id_of(event)}
    try:
        ROLLBACK(named, "")
    except ValueError:
        return {"event": "rollback", "id": named["id"], "ts": 0.0, "gate": "unknown", "why": "a damaged audit line"}
    return named


def read_flag(path: Path) -> dict[str, Any] | None:
    """The rollback of a flag file; None without one.

    Raises
    ------
    BadState
        Where it is damaged.
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
            hint="Somebody rolled back: see audit.jsonl beside it, clear it with `reset`, or move this file away",
        ) from error
    return dict(body["rollback"])


def current(store: Store) -> RollbackLatch:
    """The latch of a directory as it stands on disk, without the experiment itself.

    An unusable state file is passed over: the flag and the audit say what is in force.

    Raises
    ------
    BadState
        Where nothing has ever run there, or the flag is damaged.
    """
    found = RollbackLatch(store)
    places = (store.state_path, store.audit_path, store.state_path.with_name(FLAG_NAME))
    if not any(path.exists() for path in places):
        raise BadState("does not exist", where=str(store.state_path), hint="Check --state: nothing has run there")
    with contextlib.suppress(BadState):
        found.merge(store.load())
    found.refresh()
    return found


def roll_back_by_hand(store: Store, rollback: dict[str, Any]) -> dict[str, Any]:
    """Roll back an experiment of another process, at once: no lock is waited for before the rollback is in force.

    Returns the rollback in force, which may be an older one.

    Raises
    ------
    BadState
        Where nothing has ever run there.
    UnwritableOutput
        Where neither the flag nor the audit could be written.
    """
    found = current(store)
    if found.record is None:
        found.set(rollback)
        if len(found.errors) > 1:
            raise UnwritableOutput(
                f"the rollback could not be written: {'; '.join(found.errors.values())}",
                where=str(store.directory),
                hint="Free some space or check permissions; until then switch the experiment off in the bot itself",
            )
    _into_state(store, found, {})
    return found.record or rollback


def reset_by_hand(
    store: Store, reason: str, now: float, fresh: Callable[[RollbackLatch], Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Clear the rollbacks in force, for an operator: the only way out; returns what was cleared.

    A running process sees it at its next evaluation.

    Parameters
    ----------
    fresh
        What the state file's own entries become, given the latch after the reset: new tests, a new beginning.

    Raises
    ------
    BadState
        Where nothing has ever run there.
    UnwritableOutput
        Where the audit cannot take it: the rollback then stays in force.
    """
    found = current(store)
    cleared = found.reset(reason, now)
    if cleared:
        _into_state(store, found, fresh(found))
    return cleared


def _into_state(store: Store, found: RollbackLatch, fresh: Mapping[str, Any]) -> None:
    """Let the state file say the same; where it cannot now, the next process to write it does."""

    def change(state: dict[str, Any] | None) -> dict[str, Any] | None:
        if state is None:
            return None
        found.merge(state)
        return {**state, **fresh, **found.to_state()}

    with contextlib.suppress(CalibError):
        store.update(change)
