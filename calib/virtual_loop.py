"""An asyncio event loop in virtual time: days of sleeping take no real time, and every run has the same order.

When no callback is ready the loop advances its `calib.clock.VirtualClock` to the next timer. Timers due at the same
nanosecond run in the order in which they were scheduled (asyncio's heap compares only the times, so it may run them in
any order). There is no selector: no sockets, no threads. For replay, simulation and tests.
"""

from __future__ import annotations

import asyncio
import heapq
import weakref
from collections import deque
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

from calib.clock import NS_PER_S, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Executor
    from contextvars import Context

_INTERRUPT_TIMEOUT_S: Final = 1.0
"""Virtual time that tasks have to end after an interrupt, s. An interrupt can arrive anywhere, also inside asyncio: a
task may then wait for a callback that never runs, while others keep scheduling timers for ever."""
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class VirtualLoopError(RuntimeError):
    """An error of the code that ran on the loop; base class of the errors below."""


class Deadlock(VirtualLoopError):
    """Nothing is scheduled and the main task is not done: a real loop would wait for ever."""


class LeakedTasks(VirtualLoopError):
    """The main task ended while other tasks were still pending."""


class UnretrievedException(VirtualLoopError):
    """A task or future failed and its exception was never retrieved; ``__cause__`` is that exception."""


class VirtualLoop(asyncio.BaseEventLoop):
    """The event loop with virtual time.

    Parameters
    ----------
    clock
        The clock to move; default: a new one at zero. Code under test reads the same clock. It may also be advanced
        from inside a callback: timers that fell due run next, in order of their times.

    Notes
    -----
    Times are integer nanoseconds inside. ``call_later`` (hence ``asyncio.sleep``) is exact over any span; ``call_at``
    with a float from ``time()`` is exact to the nanosecond up to 52 days, where a double of seconds runs out of bits.

    >>> import asyncio
    >>> async def three_days() -> float:
    ...     await asyncio.sleep(3 * 86_400)
    ...     return asyncio.get_running_loop().time()
    >>> run(three_days())
    259200.0
    """

    def __init__(self, clock: VirtualClock | None = None) -> None:
        super().__init__()
        self.clock = VirtualClock() if clock is None else clock
        self.problems: list[dict[str, Any]] = []
        self._due: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._soon: list[asyncio.Handle] = []
        self._round: deque[asyncio.Handle] = deque()
        self.scheduled = 0
        """Number of callbacks scheduled so far; while it does not change, `next_due_ns` cannot become earlier."""
        # Weak references: a week of virtual time creates millions of futures. A future that is destroyed before its
        # exception was retrieved has reported it to the exception handler.
        self._futures: weakref.WeakSet[asyncio.Future[Any]] = weakref.WeakSet()
        self.set_exception_handler(lambda _, context: self.problems.append(context))

    def __del__(self) -> None:
        """Do nothing: no system resource is held, and asyncio's version fails on a partly initialised loop."""

    def time(self) -> float:
        """The clock's monotonic time in seconds."""
        return self.clock.monotonic_ns() / NS_PER_S

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Run ``callback`` in the next iteration, after those scheduled before it."""
        self._check_open()
        self.scheduled += 1
        handle = asyncio.Handle(callback, args, self, context)
        self._soon.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run ``callback`` after ``delay`` seconds, rounded to the nanosecond; exact over any span."""
        return self._schedule(self.clock.monotonic_ns() + _nanoseconds(delay), callback, args, context)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Run ``callback`` when ``time()`` reaches ``when``."""
        return self._schedule(_nanoseconds(when), callback, args, context)

    def create_future(self) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = super().create_future()
        self._futures.add(future)
        return future

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = super().create_task(coro, **options)
        self._futures.add(task)
        return task

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Not supported: a thread runs in real time."""
        raise NotImplementedError("a virtual loop cannot run threads: their real time does not fit virtual time")

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Not supported, as `run_in_executor`."""
        raise NotImplementedError("a virtual loop cannot run threads: use call_soon")

    def next_due_ns(self) -> int | None:
        """The time of the next callback, monotonic ns: now if a callback is ready, None if nothing is scheduled.

        For a coroutine that advances the clock itself while nothing is due: advancing it further would run the next
        timer late.
        """
        if self._soon or self._round:
            return self.clock.monotonic_ns()
        due = self._due
        while due and due[0][2].cancelled():
            heapq.heappop(due)
        return due[0][0] if due else None

    def run_until_ns(self, due_ns: int) -> None:
        """Run everything that is due by ``due_ns``, then move the clock there; for use within `drive`."""
        while (next_ns := self.next_due_ns()) is not None and next_ns <= due_ns:
            self._run_once()
        self.clock.reach_ns(due_ns)

    def finish(self, coro: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine until it is done; like `run_until_complete`, for a loop that is already the running one."""
        task = self.create_task(coro)
        while not task.done():
            self._run_once()
        result: T = task.result()
        return result

    def unretrieved(self) -> list[BaseException]:
        """The exceptions that were never retrieved: of live futures, then those reported by destroyed ones."""
        # asyncio records this in _log_traceback; calling exception() first would mark the exception as retrieved.
        alive = [future for future in self._futures if future.done() and future._log_traceback]
        found = [error for future in alive if (error := future.exception()) is not None]
        found.sort(key=repr)  # a WeakSet has no defined order
        reported = [context["exception"] for context in self.problems if "exception" in context]
        return found + reported

    def _schedule(
        self, due_ns: int, callback: Callable[..., object], args: tuple[Any, ...], context: Context | None
    ) -> asyncio.TimerHandle:
        self._check_open()
        handle = asyncio.TimerHandle(due_ns / NS_PER_S, callback, args, self, context)
        self.scheduled += 1
        heapq.heappush(self._due, (due_ns, self.scheduled, handle))
        return handle

    def _check_open(self) -> None:
        if self.is_closed():
            raise RuntimeError("Event loop is closed")

    def _run_once(self) -> None:
        """One iteration, called by asyncio's run_forever: move due timers to the queue, then run the queue."""
        due = self._due
        while due and due[0][2].cancelled():
            heapq.heappop(due)
        if not self._soon and not self._round and not self._stopping:
            if not due:
                raise Deadlock(f"nothing is scheduled, but these tasks are not done: {_names(asyncio.all_tasks(self))}")
            self.clock.advance_ns(max(0, due[0][0] - self.clock.monotonic_ns()))
        now = self.clock.monotonic_ns()
        while due and due[0][0] <= now:
            self._soon.append(heapq.heappop(due)[2])
        self._round.extend(self._soon)
        self._soon = []
        while self._round:
            handle = self._round.popleft()
            if not handle.cancelled():
                handle._run()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """asyncio's hook: remove cancelled timers once they are the majority, so that they do not accumulate."""
        self._cancelled_count += 1
        if self._cancelled_count * 2 > len(self._due) > 64:
            self._due = [entry for entry in self._due if not entry[2].cancelled()]
            heapq.heapify(self._due)
            self._cancelled_count = 0

    _cancelled_count = 0
    _stopping: bool

    def _process_events(self, event_list: Any) -> None:
        """Do nothing: there are no I/O events."""

    def _write_to_self(self) -> None:
        """Do nothing: the loop never blocks in a selector."""


def run(main: Coroutine[Any, Any, T], *, clock: VirtualClock | None = None, loop: VirtualLoop | None = None) -> T:
    """Run a coroutine until it is done, in virtual time, and check that no task or exception is left over.

    May be called while another loop runs, as in a notebook cell: that loop does not run meanwhile.

    Parameters
    ----------
    main
        The coroutine.
    clock
        The clock to move; default: a new one at zero.
    loop
        The loop to run on, with its clock; default: a new one.

    Raises
    ------
    Deadlock
        If ``main`` is not done and nothing is scheduled.
    LeakedTasks
        If tasks were still pending when ``main`` ended (they are cancelled first).
    UnretrievedException
        If a task or future failed and its exception was never retrieved.
    """
    return _run_isolated(VirtualLoop(clock) if loop is None else loop, lambda chosen: chosen.run_until_complete(main))


def drive(body: Callable[[VirtualLoop], T], *, clock: VirtualClock | None = None) -> T:
    """Run a function that advances the time itself, by `VirtualLoop.run_until_ns`, with the checks of `run`.

    For events at known times: as a task, each would need a timer and two iterations of the loop. ``body`` is not part
    of a task; while it runs, the loop is the running one. Raises what `run` raises.

    >>> def body(loop: VirtualLoop) -> list[str]:
    ...     seen: list[str] = []
    ...     loop.call_later(0.5, seen.append, "half a second")
    ...     loop.run_until_ns(1_000_000_000)
    ...     return seen
    >>> drive(body)
    ['half a second']
    """

    def inside(loop: VirtualLoop) -> T:
        asyncio._set_running_loop(loop)
        try:
            return body(loop)
        finally:
            asyncio._set_running_loop(None)

    return _run_isolated(VirtualLoop(clock), inside)


def _run_isolated(loop: VirtualLoop, body: Callable[[VirtualLoop], T]) -> T:
    outer = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return _run_checked(loop, body)
    finally:
        loop.close()
        asyncio._set_running_loop(outer)


def _run_checked(loop: VirtualLoop, body: Callable[[VirtualLoop], T]) -> T:
    timeout_s = None
    try:
        result = body(loop)
    except (KeyboardInterrupt, SystemExit):
        timeout_s = _INTERRUPT_TIMEOUT_S
        raise
    finally:
        leaked = _cancel_all(loop, timeout_s)
        loop.run_until_complete(loop.shutdown_asyncgens())
    if leaked:
        raise LeakedTasks(f"the main task ended while these tasks were pending: {leaked}")
    _raise_problems(loop)
    return result


def _cancel_all(loop: VirtualLoop, timeout_s: float | None) -> str:
    tasks = {task for task in asyncio.all_tasks(loop) if not task.done()}
    if not tasks:
        return ""
    names = _names(tasks)
    for task in sorted(tasks, key=_name):
        task.cancel()
    loop.run_until_complete(_settle(tasks, timeout_s))
    return names


async def _settle(tasks: set[asyncio.Task[Any]], timeout_s: float | None) -> None:
    await asyncio.wait([asyncio.gather(*sorted(tasks, key=_name), return_exceptions=True)], timeout=timeout_s)


def _raise_problems(loop: VirtualLoop) -> None:
    errors = loop.unretrieved()
    if errors:
        raise UnretrievedException(f"exceptions never retrieved: {errors!r}") from errors[0]
    if loop.problems:
        raise VirtualLoopError("; ".join(str(context.get("message")) for context in loop.problems))


def _nanoseconds(seconds: float) -> int:
    """Seconds as nanoseconds, exactly rounded: a product of two doubles is off by a nanosecond from 26 days on.

    >>> _nanoseconds(0.1), _nanoseconds(2**21 + 0.000_000_001)
    (100000000, 2097152000000001)
    """
    if isinstance(seconds, int):
        return seconds * NS_PER_S
    return round(seconds * NS_PER_S) if abs(seconds) < 2**20 else round(Fraction(seconds) * NS_PER_S)


def _name(task: asyncio.Task[Any]) -> tuple[int, str]:
    return len(task.get_name()), task.get_name()  # Task-2 before Task-10


def _names(tasks: set[asyncio.Task[Any]]) -> str:
    return ", ".join(sorted(f"{task.get_name()} ({getattr(task.get_coro(), '__qualname__', '?')})" for task in tasks))
