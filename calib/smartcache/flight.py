"""Single flight in the process: one compute of a key at a time, shared by all callers who wait for it.

A task of its own runs the compute, so no caller is the leader: a caller that is cancelled leaves alone, and the value
is computed and stored even when all have left. Callers wait on futures of their own, which are given a `FlightOutcome`
and never an exception: an exception that a cancelled caller did not fetch would be reported as never retrieved.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, NamedTuple

from calib.errors import ComputeCancelled, ComputeTimeout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from calib.smartcache.entry import CachedEntry, Tag


class FlightOutcome(NamedTuple):
    """How a flight ended: an entry (of its own compute or ``shared`` by another process), an error, or neither.

    ``retry``: the value was computed before an invalidation, and a caller that came later must not be given it.
    Neither: another process computes, and a background refresh does not wait for it.
    """

    entry: CachedEntry | None = None
    error: BaseException | None = None
    shared: bool = False
    retry: bool = False


class Flight:
    """One compute on its way.

    Parameters
    ----------
    key, tags
        The cache key, and the tags of its value.
    run
        Brings the outcome; is given the flight.
    hard_timeout_s
        Longest duration; then the callers get `ComputeTimeout` and the compute is cancelled.
    ended
        Called once, when nothing runs any more or the flight was given up.
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
        """Whether the compute itself has begun: a caller that wants a value from now on cannot join any more."""
        self.timed_out = False
        self.void = False
        """Whether this process invalidated the key meanwhile: nobody joins any more, so nobody came too late."""
        self._run = run
        self._hard_timeout_s = hard_timeout_s
        self._ended = ended
        self._timer: asyncio.TimerHandle | None = None
        self._done = False
        self._waiters: dict[asyncio.Future[FlightOutcome], bool] = {}

    @property
    def awaited(self) -> bool:
        """Whether any caller waits."""
        return bool(self._waiters)

    def start(self) -> None:
        """Run in a task."""
        self._timer = self.loop.call_later(self._hard_timeout_s, self._expire)
        self.task = self.loop.create_task(self._fly(), name=f"calib smartcache {self.key}")
        self.task.add_done_callback(self._settle)

    async def wait(self) -> FlightOutcome:
        """Wait for the outcome; cancelling the caller affects nobody else."""
        future: asyncio.Future[FlightOutcome] = self.loop.create_future()
        self._waiters[future] = self.began
        try:
            return await future
        finally:
            self._waiters.pop(future, None)

    def abandon(self) -> None:
        """Give up a flight that was not started."""
        self._finish(FlightOutcome(error=_cancelled(self.key, None)))

    def _expire(self) -> None:
        """The callers first: the compute may take its cancellation badly."""
        self.timed_out = True
        self._finish(FlightOutcome(error=ComputeTimeout(
            f"the compute of {self.key!r} took longer than {self._hard_timeout_s:g} s",
            hint="Raise hard_timeout_s or make it faster",
        )))  # fmt: skip
        if self.task is not None:
            self.task.cancel()

    async def _fly(self) -> None:
        try:
            outcome = await self._run(self)
        except asyncio.CancelledError as error:
            if _cancelled_from_outside() or self.timed_out:
                raise
            outcome = FlightOutcome(error=_cancelled(self.key, error))
        except Exception as error:
            outcome = FlightOutcome(error=error)
        self._finish(outcome)

    def _settle(self, task: asyncio.Task[None]) -> None:
        """A task that was cancelled, perhaps before its first step, or ended by an interrupt, leaves nobody waiting."""
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
            if not future.done():  # its caller may have been cancelled in this very round of the loop
                future.set_result(outcome if late or not outcome.retry else outcome._replace(retry=False))


class Flights:
    """The flights of one cache: of each key at most one that anybody may join, and for callers who want a value that
    is computed from now on at most one that runs and one that follows it."""

    __slots__ = ("_fresh", "_live", "_next", "_shared")

    def __init__(self) -> None:
        self._shared: dict[str, Flight] = {}
        self._fresh: dict[str, Flight] = {}
        self._next: dict[str, Flight] = {}
        self._live: set[Flight] = set()

    def __len__(self) -> int:
        return len(self._live)

    def joinable(self, key: str) -> Flight | None:
        """The flight that any caller may join."""
        return _here(self._shared, key)

    def launch(
        self, key: str, tags: frozenset[Tag], run: Callable[[Flight], Awaitable[FlightOutcome]], hard_timeout_s: float,
        ended: Callable[[FlightOutcome], None],
    ) -> Flight:  # fmt: skip
        """Start a flight that any caller may join."""
        flight = Flight(key, tags, run, hard_timeout_s, lambda flight, outcome: self._landed(flight, outcome, ended))
        self._shared[key] = flight
        self._live.add(flight)
        flight.start()
        return flight

    def from_now(
        self, key: str, tags: frozenset[Tag], run: Callable[[Flight], Awaitable[FlightOutcome]], hard_timeout_s: float,
        ended: Callable[[FlightOutcome], None],
    ) -> Flight:  # fmt: skip
        """The flight whose compute begins at or after this call; started, or to be started when the running one ends.

        However many callers come during one compute, they share the next: two computes for them all, never more at
        once than one.
        """
        running = _here(self._fresh, key)
        if running is not None and not running.began:
            return running
        waiting = _here(self._next, key)
        if waiting is not None:
            return waiting
        flight = Flight(key, tags, run, hard_timeout_s, lambda flight, outcome: self._landed(flight, outcome, ended))
        if running is not None:
            self._next[key] = flight
        else:
            self._start_fresh(key, flight)
        return flight

    def detach(self, tags: frozenset[Tag] | None) -> None:
        """Nobody joins the running flights with one of these tags any more (None: any): what they compute is void."""
        for key, flight in list(self._shared.items()):
            if tags is None or not tags.isdisjoint(flight.tags):
                self.detach_key(key)

    def detach_key(self, key: str) -> None:
        """Nobody joins the running flight of this key any more."""
        flight = self._shared.pop(key, None)
        if flight is not None:
            flight.void = True

    async def close(self) -> None:
        """Cancel what runs; its callers get `ComputeCancelled`."""
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

    def _landed(self, flight: Flight, outcome: FlightOutcome, ended: Callable[[FlightOutcome], None]) -> None:
        key = flight.key
        self._live.discard(flight)
        if self._next.get(key) is flight:
            del self._next[key]
        if self._shared.get(key) is flight:  # by identity: a newer one may have its place
            del self._shared[key]
        if self._fresh.get(key) is flight:
            del self._fresh[key]
            following = self._next.pop(key, None)
            if following is not None and following.loop is flight.loop and not flight.loop.is_closed():
                self._start_fresh(key, following)
        ended(outcome)


def _here(flights: dict[str, Flight], key: str) -> Flight | None:
    """The flight, unless it belongs to a loop that is gone: a program may call `asyncio.run` more than once."""
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
