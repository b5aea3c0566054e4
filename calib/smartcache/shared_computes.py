"""The computes of one cache: shared by callers, or run in the background with backoff and callbacks."""

from __future__ import annotations

import asyncio
import inspect
import logging
from typing import TYPE_CHECKING, Any, Final

from calib.smartcache.backoff import KeyBackoff
from calib.smartcache.compute import ComputePlan, Computing
from calib.smartcache.flight import Flight, FlightOutcome, Flights

if TYPE_CHECKING:
    import random
    from collections import Counter
    from collections.abc import Callable, Coroutine

    from calib.smartcache.backends import Backend
    from calib.smartcache.entry import Tag
    from calib.smartcache.settings import SmartCacheSettings

_LOG: Final = logging.getLogger("calib.smartcache")
_ROUNDS: Final = 4
"""Maximum number of computes for a caller whose joined compute was invalidated."""
_HELD_ELSEWHERE_S: Final = 0.1


class SharedComputes:
    """Runs plans for callers and in the background.

    Parameters
    ----------
    backend, settings, now_ns, counts
        As in `calib.smartcache.compute.Computing`.
    rng
        Random numbers for the jitter of pauses.
    tags_of
        Returns the tags of a plan's value.
    """

    __slots__ = ("_backoff", "_computing", "_counts", "_flights", "_hard_timeout_s", "_now_ns", "_tags_of", "_tasks",
                 "callbacks")  # fmt: skip

    def __init__(
        self, backend: Backend, settings: SmartCacheSettings, now_ns: Callable[[], int], counts: Counter[str],
        rng: random.Random, tags_of: Callable[[ComputePlan], tuple[Tag, ...]],
    ) -> None:  # fmt: skip
        self._computing = Computing(backend, settings, now_ns, counts)
        self._flights = Flights()
        self._backoff = KeyBackoff(
            settings.backoff_s,
            settings.backoff_cap_s,
            settings.backoff_jitter_ratio,
            rng,
            max_keys=settings.max_entries,
        )
        self._hard_timeout_s = settings.hard_timeout_s
        self._now_ns = now_ns
        self._counts = counts
        self._tags_of = tags_of
        self._tasks: set[asyncio.Task[None]] = set()
        self.callbacks: list[Callable[[str], object]] = []
        """Functions called with the key of each early refresh."""

    def __len__(self) -> int:
        """Return the number of running computes."""
        return len(self._flights)

    async def value(self, plan: ComputePlan, *, from_now: bool) -> tuple[FlightOutcome, bool]:
        """Return the outcome of a compute, and whether another caller started it; raises the compute's exception.

        ``from_now``: whether the compute must begin after this call.
        """
        outcome = FlightOutcome()
        for _ in range(_ROUNDS):
            running = None if from_now else self._flights.joinable(plan.key)
            flight = running or self._launch(plan, from_now=from_now)
            joined = running is not None or flight.awaited
            outcome = await flight.wait()
            if outcome.error is not None:
                raise outcome.error
            if outcome.entry is not None and not outcome.retry:
                return outcome, joined
            self._counts["retried"] += 1
        return outcome, True

    def refresh(self, plan: ComputePlan, *, early: bool) -> Flight | None:
        """Return the running or a new background refresh; None if the backoff does not allow one."""
        running = self._flights.joinable(plan.key)
        if running is not None:
            return running
        if self._backoff.blocks(plan.key, self._now_ns()):
            self._counts["refreshes_held_back"] += 1
            return None
        flight = self._launch(plan, from_now=False)
        self._counts["background_refreshes"] += 1
        if early:
            self._counts["early_refreshes"] += 1
            for callback in self.callbacks:
                self._in_background(self._notify(callback, plan.key))
        return flight

    def detach(self, tags: frozenset[Tag] | None) -> None:
        """Void the running computes of values with one of these tags (None: all): no caller joins them any more."""
        self._flights.detach(tags)
        if tags is None:
            self._backoff.clear()

    def detach_key(self, key: str) -> None:
        """Void the running compute of this key: no caller joins it any more."""
        self._flights.detach_key(key)

    async def close(self) -> None:
        """Cancel all computes and callbacks."""
        await self._flights.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _launch(self, plan: ComputePlan, *, from_now: bool) -> Flight:
        tags = self._tags_of(plan)

        async def run(flight: Flight) -> FlightOutcome:
            return await self._computing.run(plan, tags, flight)

        def ended(outcome: FlightOutcome) -> None:
            self._on_end(plan.key, outcome)

        launch = self._flights.from_now if from_now else self._flights.launch
        return launch(plan.key, frozenset(tags), run, self._hard_timeout_s, ended)

    def _on_end(self, key: str, outcome: FlightOutcome) -> None:
        now_ns = self._now_ns()
        if outcome.error is not None:
            self._backoff.failed(key, now_ns)
            _LOG.warning("the compute of %r failed: %s", key, type(outcome.error).__name__)
        elif outcome.entry is None:
            self._backoff.hold(key, now_ns, _HELD_ELSEWHERE_S)
        else:
            self._backoff.succeeded(key)

    async def _notify(self, callback: Callable[[str], object], key: str) -> None:
        """Call a callback; a synchronous one runs in a thread, because it may block."""
        try:
            if inspect.iscoroutinefunction(callback):
                await callback(key)
                return
            result = await asyncio.get_running_loop().run_in_executor(None, callback, key)
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            self._counts["callback_failures"] += 1
            _LOG.warning("an XFetch callback failed for %r: %s", key, type(error).__name__)

    def _in_background(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
