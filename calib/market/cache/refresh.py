"""The refresh of one symbol: one at a time, shared by all waiters; a cancelled waiter does not affect the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, NamedTuple, Protocol

from calib.clock import NS_PER_S
from calib.market.cache.entry import MDCacheEntry

MAX_RESTARTS: Final = 4
"""Maximum number of restarts of a running refresh, after an invalidation or a request for more depth."""

RefreshCallback = Callable[[str, int], Awaitable[Any]]
"""``async (symbol, depth) -> body``: a mapping with bids, asks, update_id and perhaps source, or an order book."""


class RefreshResult(NamedTuple):
    """A body returned by a callback, and its request.

    Parameters
    ----------
    body
        The body as returned.
    depth, began_ns
        Depth and start of the request.
    ticket
        What `RefreshHost.begins` returned for the request.
    superseded
        Whether the symbol was invalidated since: a stream may check the body by its ids, but it must not be stored.
    """

    body: Any
    depth: int
    began_ns: int
    ticket: Any
    superseded: bool = False


class RefreshHost(Protocol):
    """What a refresh needs from the cache that owns it."""

    def now_ns(self) -> int:
        """Monotonic time."""
        ...

    def refresh_started(self, symbol: str) -> None:
        """A refresh has started."""
        ...

    def begins(self, symbol: str) -> Any:
        """A request is about to be made; the return value is handed back with its body."""
        ...

    def accept(self, symbol: str, result: RefreshResult) -> MDCacheEntry | None:
        """Check a body, store it, and return the entry for the waiters; None restarts the refresh.

        Raises an exception if the body is not an order book.
        """
        ...

    def refresh_failed(self, symbol: str, error: BaseException | str) -> None:
        """A refresh failed; called once per failure."""
        ...

    def refresh_ended(self, symbol: str) -> None:
        """The refresh has ended, nothing runs any more."""
        ...


class _Waiter:
    """A reader that waits.

    ``first_attempt`` is the number of the first attempt whose result it may be given (a number, because times can be
    equal); ``generation`` is the number of invalidations when it was given an entry.
    """

    __slots__ = ("depth", "first_attempt", "future", "generation")

    def __init__(self, future: asyncio.Future[MDCacheEntry | None], depth: int, first_attempt: int) -> None:
        self.future = future
        self.depth = depth
        self.first_attempt = first_attempt
        self.generation = 0

    def resolve(self, entry: MDCacheEntry | None, generation: int = 0) -> None:
        if not self.future.done():  # it may have been cancelled or timed out in this iteration of the loop
            self.generation = generation
            self.future.set_result(entry)


class Refresh:
    """The refreshes of one symbol, never two at once.

    A separate task runs the callback, not one of the readers: a cancelled reader does not affect the others, and the
    refresh completes even if all readers have left. Each reader waits on its own future. If the loop of a refresh is
    not the loop that runs now, that loop has ended: the refresh is abandoned and a new one may start.

    Parameters
    ----------
    symbol
        The instrument.
    callback
        Fetches a body.
    host
        Receives the body.
    timeout_ns
        Timeout of one refresh including its restarts.
    """

    __slots__ = ("_attempt", "_began_ns", "_callback", "_depth", "_expired", "_generation", "_host", "_loop",
                 "_task", "_timeout_ns", "_waiters", "_wanted", "symbol")  # fmt: skip

    def __init__(self, symbol: str, callback: RefreshCallback, host: RefreshHost, timeout_ns: int) -> None:
        self.symbol = symbol
        self._callback = callback
        self._host = host
        self._timeout_ns = timeout_ns
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiters: dict[_Waiter, None] = {}
        self._attempt = 0
        self._began_ns: int | None = None
        self._depth = 0
        self._wanted = 0
        self._generation = 0
        self._expired = False

    @property
    def running(self) -> bool:
        """Whether a refresh runs, or is about to start."""
        return self._loop is not None

    def invalidated(self) -> None:
        """Mark the running request as outdated: its result must not be stored."""
        self._generation += 1

    def start(self, depth: int) -> None:
        """Refresh in the background; a running refresh is extended to that depth."""
        self.leave_dead_loop()
        self._wanted = max(self._wanted, depth)
        if self._loop is None:
            self._launch()

    async def wait(
        self, depth: int, *, join_ns: int | None = None, timeout_ns: int | None = None
    ) -> MDCacheEntry | None:
        """Join the running refresh or start one, and wait for the result.

        Parameters
        ----------
        depth
            Levels per side that the reader needs.
        join_ns
            Join a refresh only if it began at most this long ago; otherwise wait for the next. None: any.
        timeout_ns
            Timeout of this reader; None: only the timeout of the refresh applies.

        Returns
        -------
        MDCacheEntry or None
            None if the refresh failed or timed out, or its result was invalidated before the reader resumed.
        """
        self.leave_dead_loop()
        if self._expired:
            return None  # a callback that ignores its cancellation still runs: starting another would run two at once
        loop = asyncio.get_running_loop()
        waiter = _Waiter(loop.create_future(), depth, self._first_attempt(join_ns))
        self._waiters[waiter] = None
        if self._loop is None:
            self._launch()
        timer = None if timeout_ns is None else loop.call_later(timeout_ns / NS_PER_S, waiter.resolve, None)
        try:
            entry = await waiter.future
            # Between the refresh's end and this line the stream may have lost its book, or it was invalidated.
            return entry if entry is None or waiter.generation == self._generation else None
        finally:
            self._waiters.pop(waiter, None)
            if timer is not None:
                timer.cancel()

    async def close(self) -> None:
        """Cancel the running refresh; its waiters get None."""
        self.leave_dead_loop()
        task = self._task
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def _first_attempt(self, join_ns: int | None) -> int:
        began_ns = self._began_ns
        if began_ns is None:
            return self._attempt + 1  # no request has been made yet: this refresh makes the next attempt
        too_old = join_ns is not None and self._host.now_ns() - began_ns > join_ns
        return self._attempt + 1 if too_old else self._attempt

    def _launch(self) -> None:
        loop = self._loop = asyncio.get_running_loop()
        self._host.refresh_started(self.symbol)
        task = loop.create_task(self._run(), name=f"calib refresh {self.symbol}")
        self._task = task
        task.add_done_callback(self._done)

    def leave_dead_loop(self) -> None:
        """Abandon a refresh whose event loop has ended: its task and its waiters will never resume."""
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            self._waiters.clear()
            self._finish()

    async def _run(self) -> None:
        if self._task is None:
            # An eager task (CPython 3.12) runs its first step inside `create_task`, before `self._task` is set.
            await asyncio.sleep(0)
        task = self._task
        try:
            await self._refresh()
            # Serve readers that could not join that refresh, and snapshots requested while a callback hung.
            while self._task is task and (self._waiters or self._wanted):
                await self._refresh()
        finally:
            if self._task is task:  # after a change of loops another task may run
                self._finish()

    def _done(self, task: asyncio.Task[None]) -> None:
        """Clean up after a task that was cancelled before its first step: without this its waiters would hang."""
        if self._task is task:  # another refresh may run by now
            self._finish()

    def _finish(self) -> None:
        self._task = self._loop = None
        self._began_ns = None
        self._expired = False
        self._wanted = 0
        self._resolve(list(self._waiters), None)
        self._host.refresh_ended(self.symbol)

    async def _refresh(self) -> None:
        """One refresh: up to 1 + `MAX_RESTARTS` attempts under one timeout."""
        loop = asyncio.get_running_loop()
        timer = loop.call_later(self._timeout_ns / NS_PER_S, self._expire)
        try:
            for _ in range(1 + MAX_RESTARTS):
                if await self._attempt_once():
                    return
            self._fail("restarted too often")
        finally:
            timer.cancel()
            if self._loop is loop:  # else this coroutine of an ended loop is being closed, and another refresh may run
                self._began_ns = None

    async def _attempt_once(self) -> bool:
        """One attempt; False requests another one."""
        generation = self._generation
        # If all waiters have left, a restart requests the same depth again.
        self._depth = depth = max(self._wanted, *(waiter.depth for waiter in self._waiters), 0) or self._depth
        self._attempt += 1
        ticket = self._host.begins(self.symbol)
        self._began_ns = began_ns = self._host.now_ns()
        try:
            body = await self._callback(self.symbol, depth)
            if self._settle_expiry():
                return True
            # A result requested before an invalidation must not be stored: it would restore the dropped book.
            superseded = generation != self._generation
            entry = self._host.accept(self.symbol, RefreshResult(body, depth, began_ns, ticket, superseded))
        except asyncio.CancelledError as error:
            if self._settle_expiry():
                return True
            if _cancelled_from_outside():
                raise
            self._fail(error)  # a task inside the callback was cancelled: a failure like any other
            return True
        except Exception as error:
            if not self._settle_expiry():  # else the callback raised this on its cancellation: counted already
                self._fail(error)
            return True
        if entry is None:
            return False
        return self._deliver(entry, depth)

    def _deliver(self, entry: MDCacheEntry, depth: int) -> bool:
        mine = [waiter for waiter in self._waiters if waiter.first_attempt <= self._attempt]
        self._resolve([waiter for waiter in mine if waiter.depth <= depth], entry)
        satisfied = self._wanted <= depth and all(waiter.depth <= depth for waiter in mine)
        if satisfied:
            self._wanted = 0
        return satisfied

    def _fail(self, error: BaseException | str) -> None:
        self._wanted = 0
        self._host.refresh_failed(self.symbol, error)
        self._resolve([waiter for waiter in self._waiters if waiter.first_attempt <= self._attempt], None)

    def _resolve(self, waiters: list[_Waiter], entry: MDCacheEntry | None) -> None:
        for waiter in waiters:
            self._waiters.pop(waiter, None)
            waiter.resolve(entry, self._generation)

    def _expire(self) -> None:
        """The timeout: release the waiters first, because the callback may not end when cancelled."""
        self._expired = True
        self._fail(TimeoutError(f"the refresh took longer than {self._timeout_ns / NS_PER_S:g} s"))
        if self._task is not None:
            self._task.cancel()

    def _settle_expiry(self) -> bool:
        """Whether the timeout fired; if so, undo its cancellation so that the task can continue."""
        if not self._expired:
            return False
        self._expired = False
        task = asyncio.current_task()
        if task is not None:
            task.uncancel()
        return True


def _cancelled_from_outside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
