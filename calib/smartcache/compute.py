"""One shared compute: take the lock, compute or wait for another process, store."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from calib.clock import NS_PER_S
from calib.smartcache.backends.base import StoreResult
from calib.smartcache.entry import Draft
from calib.smartcache.flight import Flight, FlightOutcome

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import AsyncIterator, Callable

    from calib.smartcache.backends.base import Backend, Ticket
    from calib.smartcache.entry import Tag
    from calib.smartcache.match_context import MatchContext
    from calib.smartcache.settings import SmartCacheSettings

_LONGEST_POLL_S: Final = 0.1


class ComputePlan(NamedTuple):
    """The parameters of a flight.

    ``zone_and_ttl`` is called after the compute, because the zone may have changed during it.
    """

    key: str
    compute_fn: Callable[..., Any]
    context: MatchContext
    seen_fence: int
    locked: bool
    zone_and_ttl: Callable[[], tuple[str, float]]


class Computing:
    """Runs plans against a back end.

    Parameters
    ----------
    backend
        The back end that stores values.
    settings
        Lease and polling.
    now_ns
        Returns the monotonic time, ns.
    counts
        Counters: ``computes``, ``compute_failures``, ``stored_...``, ``shared_by_another_process``, ``locks_lost``.
    """

    __slots__ = ("_backend", "_counts", "_now_ns", "_settings")

    def __init__(
        self, backend: Backend, settings: SmartCacheSettings, now_ns: Callable[[], int], counts: Counter[str]
    ) -> None:
        self._backend = backend
        self._settings = settings
        self._now_ns = now_ns
        self._counts = counts

    async def run(self, plan: ComputePlan, tags: tuple[Tag, ...], flight: Flight) -> FlightOutcome:
        """Run a flight and return its outcome; ``tags`` are those of its value."""
        pause_s = self._settings.poll_s
        while True:
            begun = await self._backend.begin(plan.key, tags, plan.seen_fence, locked=plan.locked)
            if begun.entry is not None:
                self._counts["shared_by_another_process"] += 1
                return FlightOutcome(begun.entry, shared=True)
            if begun.ticket is not None:
                return await self._lead(plan, flight, begun.ticket)
            if not flight.awaited:
                return FlightOutcome()  # a background refresh need not wait: another process is computing
            await asyncio.sleep(pause_s)
            pause_s = min(_LONGEST_POLL_S, pause_s * 2)

    async def _lead(self, plan: ComputePlan, flight: Flight, ticket: Ticket) -> FlightOutcome:
        flight.began = True
        self._counts["computes"] += 1
        began_ns = self._now_ns()
        try:
            async with self._renewed(ticket):
                value = await call_compute(plan.compute_fn, plan.key)
        except BaseException:
            self._counts["compute_failures"] += 1
            await self._backend.release(ticket)
            raise
        zone, ttl_s = plan.zone_and_ttl()
        draft = Draft(value, ttl_s, (self._now_ns() - began_ns) / NS_PER_S, zone)
        stored = await self._backend.store(ticket, draft)
        self._counts[f"stored_{stored.result}" if stored.result is not StoreResult.STORED else "stored"] += 1
        return FlightOutcome(stored.entry, retry=stored.result is StoreResult.INVALIDATED and not flight.void)

    @contextlib.asynccontextmanager
    async def _renewed(self, ticket: Ticket) -> AsyncIterator[None]:
        """Renew the lock while the compute runs."""
        if not ticket.token:
            yield
            return
        renewal = asyncio.get_running_loop().create_task(self._renew(ticket), name=f"calib lease {ticket.key}")
        try:
            yield
        finally:
            renewal.cancel()
            await asyncio.wait([renewal])

    async def _renew(self, ticket: Ticket) -> None:
        while True:
            await asyncio.sleep(self._settings.lease_s / 3)
            if not await self._backend.renew(ticket):
                self._counts["locks_lost"] += 1
                return


async def call_compute(compute_fn: Callable[..., Any], key: str) -> Any:
    """Return the value of ``compute_fn()`` or ``compute_fn(key)``; an awaitable result is awaited."""
    value = compute_fn(key) if takes_key(compute_fn) else compute_fn()
    return await value if inspect.isawaitable(value) else value


def takes_key(compute_fn: Callable[..., Any]) -> bool:
    """Return whether a function requires the key: it cannot be called without an argument.

    >>> takes_key(lambda: 1), takes_key(lambda key: 1), takes_key(lambda key=None: 1)
    (False, True, False)
    """
    try:
        inspect.signature(compute_fn).bind()
    except TypeError:
        return True
    except ValueError:  # a builtin without a signature
        return False
    return False
