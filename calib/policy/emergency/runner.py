"""Runs one procedure at a time; callers from any task, thread or event loop wait for the running one."""

from __future__ import annotations

import asyncio
import functools
import logging
import threading
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from calib.policy.emergency.state import StepName, StepOutcome
from calib.policy.emergency.steps import bounded
from calib.policy.safety import SafetyCheck

if TYPE_CHECKING:
    from collections.abc import Callable

    from calib.clock import Clock
    from calib.policy.emergency.latch import Latch

_LOG: Final = logging.getLogger("calib.policy")


@dataclass(frozen=True, slots=True)
class EmergencyOutcome:
    """The outcome of a run of the procedure.

    Parameters
    ----------
    emergency_id
        Id of the emergency in force.
    steps
        Every step that ran, in order.
    safety
        The safety check at its end.
    escalations
        Steps that failed or timed out, one sentence each.
    """

    emergency_id: str
    steps: tuple[StepOutcome, ...]
    safety: SafetyCheck
    escalations: tuple[str, ...]


class ProcedureRunner:
    """Runs the due steps, each with a timeout, and wakes all waiting callers.

    Parameters
    ----------
    latch
        Provides the due steps and records their outcomes.
    call
        Returns the function that runs a step, given ``(step, component)``.
    timeout_s
        Timeout of a step, s.
    escalate
        Called with a sentence for each failed step; may be None.
    clock
        The clock for time stamps.
    loop
        The event loop of the engine; None: that of the first caller.
    """

    def __init__(
        self,
        latch: Latch,
        call: Callable[[StepName, str], Callable[[], Any]],
        *,
        timeout_s: float,
        escalate: Callable[[str], Any] | None,
        clock: Clock,
        loop: asyncio.AbstractEventLoop | None,
    ) -> None:
        self.escalated = 0
        self.running = False
        self._latch = latch
        self._call = call
        self._timeout_s = timeout_s
        self._escalate_to = escalate
        self._clock = clock
        self._home = loop
        self._lock = threading.Lock()
        self._waiters: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._tasks: set[object] = set()
        self._sentences: deque[str] = deque(maxlen=100)

    async def ensure(self, *, retry: bool = False) -> EmergencyOutcome:
        """Run the due steps, or wait for the run that does; with ``retry``, failed steps are due again.

        A cancelled caller does not affect the run.
        """
        began = self.escalated
        while True:
            waiting = self._join(retry=retry)
            if waiting is None:
                return self._outcome(began)
            retry = False
            await waiting

    def _join(self, *, retry: bool) -> asyncio.Future[None] | None:
        """Return a future for the end of the run, starting one if needed; None if no step is due."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if not self.running:
                if not self._due(retry=retry):
                    return None
                self.running = True
                self._start(loop, retry=retry)
            future: asyncio.Future[None] = loop.create_future()
            self._waiters.append((loop, future))
            return future

    def _start(self, loop: asyncio.AbstractEventLoop, *, retry: bool) -> None:
        """Start the run on the engine's event loop if it is running, else on the caller's."""
        home = self._home
        run = self._procedure(retry=retry)
        if home is None or home is loop or not home.is_running():
            task: Any = loop.create_task(run, name="calib emergency procedure")
        else:
            task = asyncio.run_coroutine_threadsafe(run, home)
        self._tasks.add(task)  # the event loop holds only weak references to tasks
        task.add_done_callback(self._tasks.discard)

    async def _procedure(self, *, retry: bool) -> None:
        try:
            await self._on_disk()
            tried: set[tuple[StepName, str]] = set()
            while left := [one for one in self._due(retry=retry) if one not in tried]:
                step, component = left[0]
                if step is StepName.VALIDATE:
                    retry = False  # after a validation only steps for new components are due
                else:
                    tried.add((step, component))
                await self._step(step, component)
            await self._on_disk()
        finally:
            self._wake()

    def _due(self, *, retry: bool) -> list[tuple[StepName, str]]:
        emergency = self._latch.emergency
        if emergency is None:
            return []
        unseen = emergency.unseen(self._latch.owner)
        return self._latch.procedure.due(emergency.components, retry=retry, unseen=unseen)

    async def _step(self, step: StepName, component: str) -> None:
        safety: SafetyCheck | None = None
        error = ""
        emergency = self._latch.emergency
        seen = () if emergency is None else tuple(one.id for one in emergency.violations)
        try:
            result = await bounded(self._call(step, component), self._timeout_s)
        except Exception as caught:  # the later steps must still run
            error = str(caught) or type(caught).__name__
        else:
            if step is StepName.VALIDATE:
                safety = result
                error = "; ".join(result.findings)
        if step is StepName.VALIDATE and safety is None:
            safety = SafetyCheck.of([f"the validation did not complete: {error}"])
        self._latch.step(StepOutcome(step.value, component, not error, self._clock.time(), error), safety, seen)
        if error:
            await self._escalate(f"{step.value}{f'({component})' if component else ''}: {error}")

    async def _escalate(self, sentence: str) -> None:
        self.escalated += 1
        self._sentences.append(sentence)
        _LOG.critical("emergency step failed: %s", sentence)
        if self._escalate_to is None:
            return
        try:
            await bounded(functools.partial(self._escalate_to, sentence), self._timeout_s)
        except Exception:
            _LOG.critical("the escalation itself failed", exc_info=True)

    async def _on_disk(self) -> None:
        """Wait until the latch is saved, at most for a step's timeout: a hung disk must not delay the trading stop."""
        if self._latch.saved:
            return
        try:
            await bounded(functools.partial(self._latch.wait_saved, self._timeout_s), self._timeout_s)
        except Exception as error:
            _LOG.critical("the emergency latch is not on disk yet: %s", self._latch.save_error or error)

    def _wake(self) -> None:
        with self._lock:
            self.running = False
            waiters, self._waiters = self._waiters, []
        here = asyncio.get_running_loop()
        for loop, future in waiters:
            if loop is here:
                _settle(future)
                continue
            try:
                loop.call_soon_threadsafe(_settle, future)
            except RuntimeError:  # the waiter's event loop is closed
                continue

    def _outcome(self, began: int) -> EmergencyOutcome:
        emergency, procedure = self._latch.emergency, self._latch.procedure
        safety = procedure.safety or SafetyCheck.of(["the validation has not run"])
        key = "" if emergency is None else emergency.id
        return EmergencyOutcome(
            key, procedure.steps, safety, tuple(self._sentences)[-new:] if (new := self.escalated - began) else ()
        )


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
