"""Single flight in the process: one compute of a key at a time, shared by all waiting callers.

The compute runs in its own task: a cancelled caller does not affect the others, and the value is computed and stored
even if all callers are cancelled. Each caller waits on its own future, whose result is a `FlightOutcome`, never an
exception: asyncio would log the exception of a cancelled caller's future as never retrieved.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from calib.errors import ComputeCancelled, ComputeTimeout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from calib.smartcache.entry import CachedEntry, Tag


class FlightOutcome(NamedTuple):
    """The outcome of a flight: an entry (computed here or ``shared`` by another process), an error, or neither.

    Neither: another process computes, and a background refresh does not wait for it. ``retry``: the value was computed
    before an invalidation, so a caller that joined later must not receive it.
    """

    entry: CachedEntry | None = None
    error: BaseException | None = None
    shared: bool = False
    retry: bool = False


class Flight:
    """One running compute.

    Parameters
    ----------
    key, tags
        The cache key, and the tags of its value.
    run
        Returns the outcome, given the flight.
    hard_timeout_s
        Maximum duration, s; then the callers receive `ComputeTimeout` and the compute is cancelled.
    ended
        Called once, when the flight has ended or was abandoned.
    """

    __slots__ = ("_done", "_ended", "_hard_timeout_s", "_run", "_timer", "_waiters", "began", "key", "loop", "tags",
                 "task", "timed_out", "void")  # fmt: skip

    def __init__(
        self,
        key: str,
        tags: frozenset[Tag],
        run: Callable[[Flight], Awaitable[FlightOutcome]],
        hard_timeout_s: float,
        ended: Callable[[Flight, FlightOutcome], None],
    ) -> None:
        self.key = key
        self.tags = tags
        self.loop = asyncio.get_running_loop()
        self.task: asyncio.Task[None] | None = None
        self.began = False
        """Whether the compute has begun; a caller that needs a compute from now on can no longer join."""
        self.timed_out = False
        self.void = False
        """Whether this process has invalidated the key since; no caller joins after that, so none needs a retry."""
        self._run = run
        self._hard_timeout_s = hard_timeout_s
        self._ended = ended
        self._timer: asyncio.TimerHandle | None = None
        self._done = False
        self._waiters: dict[asyncio.Future[FlightOutcome], bool] = {}

    @property
    def awaited(self) -> bool:
        """Whether a caller is waiting."""
        return bool(self._waiters)

    def start(self) -> None:
        """Start the task and its timeout."""
        self._timer = self.loop.call_later(self._hard_timeout_s, self._expire)
        self.task = self.loop.create_task(self._run_task(), name=f"calib smartcache {self.key}")
        self.task.add_done_callback(self._on_task_done)

    async def wait(self) -> FlightOutcome:
        """Wait for the outcome; cancelling a caller does not affect the others."""
        future: asyncio.Future[FlightOutcome] = self.loop.create_future()
        self._waiters[future] = self.began
        try:
            return await future
        finally:
            self._waiters.pop(future, None)

    def abandon(self) -> None:
        """End a flight that was not started."""
        self._finish(FlightOutcome(error=_cancelled(self.key, None)))

    def _expire(self) -> None:
        """Time out: release the callers first, because the compute may delay or suppress its cancellation."""
        self.timed_out = True
        self._finish(FlightOutcome(error=ComputeTimeout(
            f"the compute of {self.key!r} took longer than {self._hard_timeout_s:g} s",
            hint="Raise hard_timeout_s or make the compute faster",
        )))  # fmt: skip
        if self.task is not None:
            self.task.cancel()

    async def _run_task(self) -> None:
        try:
            outcome = await self._run(self)
        except asyncio.CancelledError as error:
            if _cancelled_from_outside() or self.timed_out:
                raise
            outcome = FlightOutcome(error=_cancelled(self.key, error))
        except Exception as error:
            outcome = FlightOutcome(error=error)
        self._finish(outcome)

    def _on_task_done(self, task: asyncio.Task[None]) -> None:
        """Release the callers of a task that was cancelled, perhaps before its first step, or interrupted."""
        error = None if task.cancelled() else task.exception()
        self._finish(FlightOutcome(error=_cancelled(self.key, error)))

    def _finish(self, outcome: FlightOutcome) -> None:
        if self._done:
            return
        self._done = True
        if self._timer is not None:
            self._timer.cancel()
        self._ended(self, outcome)
        waiters, self._waiters = self._waiters, {}
        for future, late in waiters.items():
            if not future.done():  # its caller may have been cancelled in this iteration of the event loop
                future.set_result(outcome if late or not outcome.retry else outcome._replace(retry=False))


class Flights:
    """The flights of one cache.

    Per key at most one flight that any caller may join, and, for callers that need a compute from now on, at most one
    running and one queued flight.
    """

    __slots__ = ("_fresh", "_live", "_next", "_shared")

    def __init__(self) -> None:
        self._shared: dict[str, Flight] = {}
        self._fresh: dict[str, Flight] = {}
        self._next: dict[str, Flight] = {}
        self._live: set[Flight] = set()

    def __len__(self) -> int:
        return len(self._live)

    def joinable(self, key: str) -> Flight | None:
        """Return the running flight that any caller may join, or None."""
        return _of_this_loop(self._shared, key)

    def launch(
        self, key: str, tags: frozenset[Tag], run: Callable[[Flight], Awaitable[FlightOutcome]], hard_timeout_s: float,
        ended: Callable[[FlightOutcome], None],
    ) -> Flight:  # fmt: skip
        """Start a flight that any caller may join."""
        flight = Flight(key, tags, run, hard_timeout_s, lambda flight, outcome: self._on_end(flight, outcome, ended))
        self._shared[key] = flight
        self._live.add(flight)
        flight.start()
        return flight

    def from_now(
        self, key: str, tags: frozenset[Tag], run: Callable[[Flight], Awaitable[FlightOutcome]], hard_timeout_s: float,
        ended: Callable[[FlightOutcome], None],
    ) -> Flight:  # fmt: skip
        """Return a flight whose compute begins after this call: started now, or queued behind the running one.

        All callers that arrive during one compute share the next, so there is one compute at a time and at most one
        queued.
        """
        running = _of_this_loop(self._fresh, key)
        if running is not None and not running.began:
            return running
        waiting = _of_this_loop(self._next, key)
        if waiting is not None:
            return waiting
        flight = Flight(key, tags, run, hard_timeout_s, lambda flight, outcome: self._on_end(flight, outcome, ended))
        if running is not None:
            self._next[key] = flight
        else:
            self._start_fresh(key, flight)
        return flight

    def detach(self, tags: frozenset[Tag] | None) -> None:
        """Prevent callers from joining the running flights with one of these tags (None: all) and void their values."""
        for key, flight in list(self._shared.items()):
            if tags is None or not tags.isdisjoint(flight.tags):
                self.detach_key(key)

    def detach_key(self, key: str) -> None:
        """Prevent callers from joining the running flight of this key."""
        flight = self._shared.pop(key, None)
        if flight is not None:
            flight.void = True

    async def close(self) -> None:
        """Cancel all flights; their callers receive `ComputeCancelled`."""
        for waiting in list(self._next.values()):
            waiting.abandon()
        loop = asyncio.get_running_loop()
        tasks = [flight.task for flight in self._live if flight.task is not None and flight.loop is loop]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _start_fresh(self, key: str, flight: Flight) -> None:
        self._fresh[key] = flight
        self._live.add(flight)
        flight.start()

    def _on_end(self, flight: Flight, outcome: FlightOutcome, ended: Callable[[FlightOutcome], None]) -> None:
        key = flight.key
        self._live.discard(flight)
        if self._next.get(key) is flight:
            del self._next[key]
        if self._shared.get(key) is flight:  # a newer flight may have replaced it
            del self._shared[key]
        if self._fresh.get(key) is flight:
            del self._fresh[key]
            following = self._next.pop(key, None)
            if following is not None and following.loop is flight.loop and not flight.loop.is_closed():
                self._start_fresh(key, following)
        ended(outcome)


def _of_this_loop(flights: dict[str, Flight], key: str) -> Flight | None:
    """Return the flight unless it belongs to another event loop: a program may call `asyncio.run` more than once."""
    flight = flights.get(key)
    if flight is not None and flight.loop is not asyncio.get_running_loop():
        del flights[key]
        return None
    return flight


def _cancelled(key: str, cause: BaseException | None) -> ComputeCancelled:
    error = ComputeCancelled(f"the compute of {key!r} was cancelled")
    error.__cause__ = cause
    return error


def _cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
