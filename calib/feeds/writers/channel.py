"""From the threads that log to the sink: at once, or through a bounded queue and one writer thread.

A Python signal handler runs between two bytecodes of the main thread, possibly inside `put` or `flush`. So no thread
but the writer holds what the writer needs: a handler that flushes would otherwise wait for the writer, the writer for
the lock, and the lock for the handler to return. For what is left (a disk that hangs, an ``on_error`` that waits for
something of the bot) a handler waits a bounded time.
"""

from __future__ import annotations

import _thread
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final, Literal

from calib.errors import SinkClosed, SinkFailed
from calib.feeds.writers.encoding import Line
from calib.feeds.writers.rotation import Sink
from calib.feeds.writers.tail import Repair

WhenFull = Literal["block", "drop"]
OnError = Callable[[SinkFailed], None]
_BATCH_LINES: Final = 4096
_FULL_WAIT_S: Final = 0.0005
_LOOK_S: Final = 0.1
"""How often a thread that waits for the writer looks whether there still is one."""
FOR_EVER: Final = -1.0
"""As a longest wait in seconds: none."""
_Request = tuple[Callable[[], None], SimpleQueue[None]] | None
"""Something for the writer to do and to answer; None only wakes it."""
_log: Final = logging.getLogger("calib.feeds")


@dataclass(frozen=True, slots=True)
class LoggerCounts:
    """What became of the lines; after a flush ``accepted == written + lost``.

    Parameters
    ----------
    accepted
        Lines that `put` took.
    written
        Of these, lines that stand in the file.
    lost
        Of these, lines that the disk refused.
    dropped
        Lines that were not taken because the queue was full.
    """

    accepted: int
    written: int
    lost: int
    dropped: int


class Channel:
    """Lines written by the calling thread before `put` returns.

    A refusal of the disk is said once: raised from the next call, or given to ``on_error`` instead. Until a write
    succeeds again further lines are tried, counted as lost and not complained about; then the next refusal is news.

    Parameters
    ----------
    sink
        Where the lines go.
    on_error
        Takes the `SinkFailed` in place of the caller; must not raise.
    """

    def __init__(self, sink: Sink, on_error: OnError | None = None) -> None:
        self._sink = sink
        self._on_error = on_error
        self._closed = False
        self._written = self._lost = self._dropped = 0
        self._failing = False
        self._news: list[SinkFailed | Repair] = []
        self.renew()

    def renew(self) -> None:
        """New locks: at birth, and in a forked child, where another thread may have held the old ones."""
        self._io = threading.RLock()
        self._counting = threading.RLock()

    def put(self, line: Line) -> bool:
        """Take a line; False where it was dropped.

        Raises
        ------
        SinkClosed
            After `close`.
        SinkFailed
            Once, where the disk refused this line; it is counted as lost.
        """
        with self._io:
            self._check_open()
            self._write([line])
        self._tell()
        return True

    def flush(self, wait_s: float = FOR_EVER) -> None:
        """Return when every line taken before is in the file, synced as the policy asks.

        Parameters
        ----------
        wait_s
            Longest time to wait for another thread, s; from a signal handler it must be bounded.

        Raises
        ------
        SinkFailed
            Once, where the disk refused, or the time is up.
        """
        self._guarded(self._sink.sync, wait_s)
        self._tell()

    def close(self, wait_s: float = FOR_EVER) -> None:
        """Flush, then take no more; ``wait_s`` as in `flush`. A second call waits for what the first began.

        Raises
        ------
        SinkFailed
            Once, where the disk refused, or the time is up; closed all the same.
        """
        self._closed = True
        self._guarded(self._sink.close, wait_s)
        self._tell()

    def after_fork(self) -> None:
        """In the child: forget what the parent will write, and open files of one's own."""
        self._sink.abandon()
        self._failing = False
        self._news.clear()
        self._written = self._lost = self._dropped = 0
        self.renew()

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def counts(self) -> LoggerCounts:
        with self._io:
            return LoggerCounts(self._written + self._lost, self._written, self._lost, self._dropped)

    def _check_open(self) -> None:
        if self._closed:
            raise SinkClosed("this logger is closed", hint="Log before close(), or make a new logger")

    def _write(self, lines: list[Line]) -> None:
        """Write under the io lock; a refusal is counted and kept to be said."""
        known = len(self._sink.repairs)
        try:
            self._sink.write(lines)
        except SinkFailed as error:
            self._written += error.lines_kept
            self._lost += len(lines) - error.lines_kept
            self._refused(error)
        else:
            self._written += len(lines)
            self._failing = False
            self._guarded(self._sink.sync_if_due)
        self._news += self._sink.repairs[known:]

    def _guarded(self, step: Callable[[], None], wait_s: float = FOR_EVER) -> None:
        if not self._io.acquire(timeout=wait_s):
            self._refused(_too_slow(wait_s))
            return
        try:
            step()
        except SinkFailed as error:
            self._refused(error)
        finally:
            self._io.release()

    def _refused(self, error: SinkFailed) -> None:
        if self._failing:
            return
        self._failing = True
        if self._on_error is None:
            self._news.append(error)
        else:
            self._on_error(error)

    def _tell(self) -> None:
        """Say what happened since the last call, in the thread of the caller.

        Not from the writer thread: it would wait for the locks of `logging`, which the thread that a signal handler
        interrupted may hold while the handler waits for the writer.
        """
        while self._news:
            with self._counting:  # two threads may see the news; only one says it
                news = self._news.pop(0) if self._news else None
            if isinstance(news, SinkFailed):
                raise news
            if news is not None:
                _log.warning("%s", news)


class BackgroundChannel(Channel):
    """Lines written by a thread of its own, at the latest ``flush_interval_s`` after they were taken.

    Parameters
    ----------
    sink, on_error
        See `Channel`.
    capacity
        Lines that may wait; threads that log at the same moment may overshoot by one each.
    when_full
        ``block``: the caller waits, nothing is dropped. ``drop``: the line is dropped and counted.
    flush_interval_s
        Longest time a line waits before it is handed to the system.
    """

    def __init__(
        self, sink: Sink, on_error: OnError | None, capacity: int, when_full: WhenFull, flush_interval_s: float
    ) -> None:
        self._queue: deque[Line] = deque()
        self._capacity = capacity
        self._wake_at = max(1, capacity // 4)
        self._when_full = when_full
        self._interval_s = flush_interval_s
        super().__init__(sink, on_error)

    def renew(self) -> None:
        super().renew()
        self._queue.clear()
        self._wake: SimpleQueue[_Request] = SimpleQueue()
        self._in_flight = 0
        self._starting = threading.RLock()
        self._running = self._ran = False
        self._finished = False

    def put(self, line: Line) -> bool:
        if self._closed:
            self._check_open()
        if self._news:
            self._tell()
        queue = self._queue
        waiting = len(queue)
        if waiting >= self._wake_at:
            if waiting >= self._capacity and not self._make_room():
                return False
            self._wake.put(None)
        queue.append(line)
        if not self._running:
            self._start()
        if self._finished:  # closed between the check above and the append: nobody else would write it
            self._close_now()
        return True

    def flush(self, wait_s: float = FOR_EVER) -> None:
        if self._ran or self._queue:  # else no line was ever taken, and no file is open
            self._ask_writer(self._flush_now, wait_s)
        self._tell()

    def close(self, wait_s: float = FOR_EVER) -> None:
        self._closed = True
        if self._ran or self._queue:
            self._ask_writer(self._close_now, wait_s)
        else:
            self._finished = True
            self._drain()  # what another thread took in this moment; see `put`
        self._tell()

    @property
    def counts(self) -> LoggerCounts:
        # Without the io lock, see the module's docstring; exact once the queue is empty.
        accepted = self._written + self._lost + self._in_flight + len(self._queue)
        return LoggerCounts(accepted, self._written, self._lost, self._dropped)

    def _make_room(self) -> bool:
        if self._when_full == "drop":
            self._count_drop()
            return False
        # A condition would need a lock held here, which a signal handler on this thread could then never get.
        while len(self._queue) >= self._capacity and not self._closed:
            self._wake.put(None)
            time.sleep(_FULL_WAIT_S)
        self._check_open()
        return True

    def _count_drop(self) -> None:
        with self._counting:
            self._dropped += 1

    def _start(self) -> None:
        # Not a `threading.Thread`: its start takes locks of the module, which the thread that a signal handler
        # interrupted may hold.
        with self._starting:
            if not self._running and not self._finished:
                try:
                    _thread.start_new_thread(self._run, ())
                except RuntimeError:  # the interpreter is shutting down: no threads any more
                    self._drain()
                else:
                    # Only now: a handler that interrupts before this line starts a writer of its own. Two are safe.
                    self._running = self._ran = True

    def _flush_now(self) -> None:
        self._drain()
        self._guarded(self._sink.sync)

    def _close_now(self) -> None:
        self._finished = True  # before the last drain, see `put`
        self._drain()
        self._guarded(self._sink.close)

    def _ask_writer(self, step: Callable[[], None], wait_s: float) -> None:
        """Have the writer thread do ``step``, and wait for it.

        The calling thread does not do it itself as long as there can be a writer: a signal handler on it could find
        lines that were taken out of the queue and not yet written, and end the process over them; or it would wait for
        a writer that another thread started meanwhile, which waits for the lock that the calling thread holds.
        """
        self._start()
        deadline = None if wait_s == FOR_EVER else time.monotonic() + wait_s
        answer: SimpleQueue[None] = SimpleQueue()
        self._wake.put((step, answer))
        while self._running:
            with contextlib.suppress(Empty):
                answer.get(timeout=_LOOK_S)
                return
            if deadline is not None and time.monotonic() >= deadline:
                self._refused(_too_slow(wait_s))
                return
        if answer.empty():  # closed already, or no threads any more
            self._guarded(step, wait_s)

    def _run(self) -> None:
        try:
            self._serve()
        finally:
            self._running = False

    def _serve(self) -> None:
        while not self._finished:
            asked: list[_Request] = []
            with contextlib.suppress(Empty):
                asked.append(self._wake.get(timeout=self._interval_s))
                while True:
                    asked.append(self._wake.get_nowait())
            self._drain()
            self._guarded(self._sink.sync_if_due)
            for request in asked:
                if request is not None:
                    step, answer = request
                    step()
                    answer.put(None)

    def _drain(self) -> None:
        queue = self._queue
        with self._io:
            for _ in range(-(-len(queue) // _BATCH_LINES)):
                lines = [queue.popleft() for _ in range(min(_BATCH_LINES, len(queue)))]
                self._in_flight = len(lines)
                self._write(lines)
                self._in_flight = 0


def _too_slow(wait_s: float) -> SinkFailed:
    return SinkFailed(
        f"lines were still being written {wait_s:g} s after a signal",
        where="logger",
        hint="Is the disk slow, or does on_error wait for something?",
    )
