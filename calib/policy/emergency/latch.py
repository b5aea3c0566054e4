"""The emergency latch in memory, and its persistence."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from calib.errors import CalibError
from calib.policy.emergency.state import (
    CacheViolation,
    Emergency,
    EmergencyState,
    Phase,
    Procedure,
    StepOutcome,
    merged,
)

if TYPE_CHECKING:
    from calib.clock import Clock
    from calib.policy.emergency.store import EmergencyStore
    from calib.policy.safety import SafetyCheck

_LOG: Final = logging.getLogger("calib.policy")
_REPEAT_S: Final = 1.0
_RETRY_S: Final = 0.2
_RETRY_CAP_S: Final = 5.0


class Latch:
    """The emergency in force in this process. Thread-safe; `set` does not wait for the disk.

    A thread writes changes and retries until they are on disk. Changes of the file are applied by `merged`: the file
    can latch this process, and can clear its latch only by an operator's resume of the same emergency.

    Parameters
    ----------
    store
        The files; None keeps the latch in memory only.
    owner
        Name of this process's procedure.
    clock
        The clock for time stamps.
    """

    def __init__(self, store: EmergencyStore | None, owner: str, clock: Clock) -> None:
        self.save_error = ""
        self._store = store
        self.owner = owner
        self._clock = clock
        self._lock = threading.Lock()
        self._written = threading.Condition(self._lock)
        self._unsaved: list[CacheViolation] = []
        self._events: list[dict[str, Any]] = []
        self._changes = 0
        self._saved_changes = 0
        self._saving = False
        self._seen: tuple[int, int, int] | None = None
        self._state = EmergencyState()
        if store is not None:
            self._seen = store.signature()
            self._state = self._without_procedure(store.load())

    @property
    def emergency(self) -> Emergency | None:
        """The emergency in force, or None."""
        with self._lock:
            return self._state.latched

    @property
    def saved(self) -> bool:
        """Whether everything is on disk; True without a store."""
        with self._lock:
            return self._store is None or self._saved_changes == self._changes

    @property
    def procedure(self) -> Procedure:
        """The steps of the procedure that this process has run."""
        with self._lock:
            return self._own()

    def set(self, violation: CacheViolation) -> bool:
        """Latch, or add the violation to the emergency in force; returns whether it is a new emergency."""
        violation = replace(violation, owner=self.owner, id=_new_id())
        with self._lock:
            held = self._state.latched
            if held is not None and self._repeats(held, violation):
                return False
            if held is not None:
                self._state = replace(self._state, latched=held.with_violations((violation,)))
            else:
                emergency = Emergency(_new_id(), violation.ts, (violation,))
                self._state = replace(self._state, latched=emergency)
            self._unsaved.append(violation)
            self._log("latched" if held is None else "violation", type=violation.type, component=violation.component)
            self._changed()
            return held is None

    def _repeats(self, held: Emergency, violation: CacheViolation) -> bool:
        """Return whether the same violation was recorded less than a second ago, to bound memory and disk use.

        A violation after a later validation is not a repetition: it shows that the validation no longer holds.
        """
        same = (violation.type, violation.component, violation.owner)
        seen = set(self._own().safety_seen)
        return any(
            (one.type, one.component, one.owner) == same
            and 0 <= violation.ts - one.ts < _REPEAT_S
            and one.id not in seen
            for one in held.violations
        )

    def step(self, result: StepOutcome, safety: SafetyCheck | None = None, seen: tuple[str, ...] = ()) -> None:
        """Record the end of a step of this process.

        Parameters
        ----------
        result
            Its outcome.
        safety
            The safety check of a validation step.
        seen
            Ids of the violations known at the start of the validation.
        """
        with self._lock:
            held = self._state.latched
            if held is None:
                return
            before = self._own()
            procedure = before.with_step(result)
            if safety is not None:
                procedure = replace(procedure, safety=safety, safety_ts=result.ts, safety_seen=seen)
            self._state = replace(self._state, latched=held.with_procedure(self.owner, procedure))
            same = any(replace(one, ts=result.ts) == result for one in before.steps)
            if same and (safety is None or (safety, seen) == (before.safety, before.safety_seen)):
                return  # a retry with the same outcome is not written to disk again
            self._log("step", step=result.step, component=result.component, ok=result.ok, error=result.error)
            self._changed()

    def look(self) -> Phase:
        """Return the phase of the process, after loading the state file if it changed."""
        store = self._store
        if store is not None and store.signature() != self._seen:
            self._reload(store)
        with self._lock:
            return self._state.phase(self._clock.time())

    def wait_saved(self, timeout_s: float) -> bool:
        """Wait until everything is on disk; returns False on timeout. Blocks: call it in a thread."""
        with self._written:
            return self._written.wait_for(
                lambda: self._store is None or self._saved_changes == self._changes, timeout_s
            )

    # --- the disk

    def _reload(self, store: EmergencyStore) -> None:
        seen = store.signature()
        try:
            disk = store.load()
        except CalibError as error:
            # Keep the state in memory. Other processes replace the file atomically, so a damaged file holds no latch
            # of theirs; the next start refuses it.
            _LOG.error("the state of the emergency procedure cannot be read: %s", error)
            self._seen = seen
            self.save_error = str(error)
            return
        with self._lock:
            self._take_over(disk)
            self._seen = seen

    def _take_over(self, disk: EmergencyState) -> None:
        before = self._state.latched
        self._state = merged(self._state, disk, self.owner, tuple(self._unsaved), _new_id())
        after = self._state.latched
        if before is None and after is not None:
            self._state = self._without_procedure(self._state)
        elif before is not None and (after is None or after.id != before.id):
            kind = "joined" if after is not None and not disk.was_resumed(before.id) else "cleared"
            self._log(kind, id=before.id, into=None if after is None else after.id)
            if after is not None and kind == "cleared":  # a violation occurred after the operator's resume
                self._log("latched", type=after.violations[0].type, component=after.violations[0].component)
            self._changed()

    def _without_procedure(self, state: EmergencyState) -> EmergencyState:
        """Return the state without this process's steps: an earlier process with this name ran them."""
        if state.latched is None or self.owner not in state.latched.procedures:
            return state
        return replace(state, latched=state.latched.with_procedure(self.owner, Procedure()))

    def _own(self) -> Procedure:
        held = self._state.latched
        return Procedure() if held is None else held.procedure(self.owner)

    def _log(self, event: str, **more: Any) -> None:
        held = self._state.latched
        stamp = {"event": event, "ts": self._clock.time(), "id": None if held is None else held.id}
        self._events.append(stamp | {"owner": self.owner} | more)

    def _changed(self) -> None:
        """Start the writing thread if none is running."""
        self._changes += 1
        if self._store is None:
            self._events.clear()
            self._unsaved.clear()
        elif not self._saving:
            self._saving = True
            threading.Thread(target=self._save_all, args=(self._store,), name="calib latch", daemon=True).start()

    def _save_all(self, store: EmergencyStore) -> None:
        pause_s = _RETRY_S
        while True:
            try:
                self._save(store)
                self.save_error = ""
                pause_s = _RETRY_S
            except Exception as error:  # retry after any error: the latch must be written
                if not self.save_error:
                    _LOG.critical("the emergency latch is not on disk yet: %s", error)
                self.save_error = str(error) or type(error).__name__
                time.sleep(pause_s)
                pause_s = min(_RETRY_CAP_S, 2 * pause_s)
            with self._lock:
                if self._saved_changes == self._changes:
                    self._saving = False
                    return

    def _save(self, store: EmergencyStore) -> None:
        with self._lock:
            changes, unsaved, events = self._changes, list(self._unsaved), list(self._events)
            mine = self._state

        def change(disk: EmergencyState) -> EmergencyState:
            return merged(mine, disk, self.owner, tuple(unsaved), _new_id())

        disk = store.update(change)
        with self._lock:
            self._unsaved = self._unsaved[len(unsaved) :]
            self._take_over(disk)
            self._seen = store.signature()
        for event in events:
            store.append(event)
            with self._lock:
                self._events.pop(0)
        with self._lock:
            self._saved_changes = max(self._saved_changes, changes)
            self._written.notify_all()


def _new_id() -> str:
    return uuid.uuid4().hex[:12]
