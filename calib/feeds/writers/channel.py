"""Channels from the logging threads to the sink: direct, or through a bounded queue and one writer thread.

A Python signal handler runs between two bytecodes of the main thread, possibly inside `put` or `flush`. Therefore only
the writer holds the locks that the writer needs. Otherwise, a handler that flushes would wait for the writer, the
writer for the lock, and the lock for the return of the handler. In the remaining cases (a hanging disk, an ``on_error``
that waits for the bot) a handler waits for a bounded time.
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
_POLL_S: Final = 0.1
"""Interval at which a thread that waits for the writer checks that the writer still runs, s."""
FOR_EVER: Final = -1.0
"""Value of a maximum wait in seconds: no limit."""
_Request = tuple[Callable[[], None], SimpleQueue[None]] | None
"""A step for the writer to run, with a queue for its acknowledgement; None only wakes the writer."""
_log: Final = logging.getLogger("calib.feeds")


@dataclass(frozen=True, slots=True)
class LoggerCounts:
    """Counts of lines; after a flush ``accepted == written + lost``.

    Parameters
    ----------
    accepted
        Lines that `put` accepted.
    written
        Accepted lines that are in the file.
    lost
        Accepted lines that could not be written.
    dropped
        Lines not accepted because the queue was full.
    """

    accepted: int
    written: int
    lost: int
    dropped: int


class Channel:
    """Lines written by the calling thread before `put` returns.

    A failure of the disk is reported once: raised by the next call, or passed to ``on_error`` instead. Until a write
    succeeds again, further lines are tried and counted as lost without a report; after that, the next failure is
    reported.

    Parameters
    ----------
    sink
        Target of the lines.
    on_error
        Receives the `SinkFailed` instead of the caller; must not raise.
    """

    def __init__(self, sink: Sink, on_error: OnError | None = None) -> None:
        self._sink = sink
        self._on_error = on_error
        self._closed = False
        self._written = self._lost = self._dropped = 0
        self._failing = False
        self._unreported: list[SinkFailed | Repair] = []
        self.renew()

    def renew(self) -> None:
        """Create the locks: at first, and in a forked child, because another thread may have held the old ones."""
        self._io = threading.RLock()
        self._counting = threading.RLock()

    def put(self, line: Line) -> bool:
        """Accept a line; return False if it was dropped.

        Raises
        ------
        SinkClosed
            After `close`.
        SinkFailed
            Once, if this line could not be written; it is counted as lost.
        """
        with self._io:
            self._check_open()
            self._write([line])
        self._report()
        return True

    def flush(self, wait_s: float = FOR_EVER) -> None:
        """Return when every line accepted before is in the file, synced according to the policy.

        Parameters
        ----------
        wait_s
            Longest time to wait for another thread, s; must be bounded in a signal handler.

        Raises
        ------
        SinkFailed
            Once, if a write failed or the time has passed.
        """
        self._guarded(self._sink.sync, wait_s)
        self._report()

    def close(self, wait_s: float = FOR_EVER) -> None:
        """Flush, then accept no more lines; ``wait_s`` as in `flush`. A second call waits for the first.

        Raises
        ------
        SinkFailed
            Once, if a write failed or the time has passed; the channel is closed in any case.
        """
        self._closed = True
        self._guarded(self._sink.close, wait_s)
        self._report()

    def after_fork(self) -> None:
        """In the child process: discard the lines that the parent will write, and open separate files."""
        self._sink.abandon()
        self._failing = False
        self._unreported.clear()
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
            raise SinkClosed("this logger is closed", hint="Log before close(), or create a new logger")

    def _write(self, lines: list[Line]) -> None:
        """Write under the io lock; a failure is counted and kept for a report."""
        known = len(self._sink.repairs)
        try:
            self._sink.write(lines)
        except SinkFailed as error:
            self._written += error.lines_kept
            self._lost += len(lines) - error.lines_kept
            self._failed(error)
        else:
            self._written += len(lines)
            self._failing = False
            self._guarded(self._sink.sync_if_due)
        self._unreported += self._sink.repairs[known:]

    def _guarded(self, step: Callable[[], None], wait_s: float = FOR_EVER) -> None:
        if not self._io.acquire(timeout=wait_s):
            self._failed(_too_slow(wait_s))
            return
        try:
            step()
        except SinkFailed as error:
            self._failed(error)
        finally:
            self._io.release()

    def _failed(self, error: SinkFailed) -> None:
        if self._failing:
            return
        self._failing = True
        if self._on_error is None:
            self._unreported.append(error)
        else:
            self._on_error(error)

    def _report(self) -> None:
        """Report failures and repairs since the last call, in the thread of the caller.

        The writer thread must not report: it would wait for the locks of `logging`. A thread interrupted by a signal
        handler may hold these locks while the handler waits for the writer.
        """
        while self._unreported:
            with self._counting:  # two threads may see an event; only one reports it
                event = self._unreported.pop(0) if self._unreported else None
            if isinstance(event, SinkFailed):
                raise event
            if event is not None:
                _log.warning("%s", event)


class BackgroundChannel(Channel):
    """Lines written by a separate thread, at the latest ``flush_interval_s`` after they were accepted.

    Parameters
    ----------
    sink, on_error
        See `Channel`.
    capacity
        Maximum number of waiting lines; threads that log at the same time may exceed it by one each.
    when_full
        ``block``: the caller waits, nothing is dropped. ``drop``: the line is dropped and counted.
    flush_interval_s
        Longest time a line waits before it is passed to the operating system.
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
        if self._unreported:
            self._report()
        queue = self._queue
        waiting = len(queue)
        if waiting >= self._wake_at:
            if waiting >= self._capacity and not self._make_room():
                return False
            self._wake.put(None)
        queue.append(line)
        if not self._running:
            self._start()
        if self._finished:  # closed between the check above and the append: nothing else would write it
            self._close_now()
        return True

    def flush(self, wait_s: float = FOR_EVER) -> None:
        if self._ran or self._queue:  # otherwise no line was ever accepted, and no file is open
            self._run_in_writer(self._flush_now, wait_s)
        self._report()

    def close(self, wait_s: float = FOR_EVER) -> None:
        self._closed = True
        if self._ran or self._queue:
            self._run_in_writer(self._close_now, wait_s)
        else:
            self._finished = True
            self._drain()  # lines that another thread accepted just now; see `put`
        self._report()

    @property
    def counts(self) -> LoggerCounts:
        # Without the io lock, see the docstring of the module; exact once the queue is empty.
        accepted = self._written + self._lost + self._in_flight + len(self._queue)
        return LoggerCounts(accepted, self._written, self._lost, self._dropped)

    def _make_room(self) -> bool:
        if self._when_full == "drop":
            self._count_drop()
            return False
        # A condition would hold a lock here that a signal handler on this thread could never acquire.
        while len(self._queue) >= self._capacity and not self._closed:
            self._wake.put(None)
            time.sleep(_FULL_WAIT_S)
        self._check_open()
        return True

    def _count_drop(self) -> None:
        with self._counting:
            self._dropped += 1

    def _start(self) -> None:
        # Not a `threading.Thread`: its start acquires locks of the module, which the thread interrupted by a signal
        # handler may hold.
        with self._starting:
            if not self._running and not self._finished:
                try:
                    _thread.start_new_thread(self._run, ())
                except RuntimeError:  # the interpreter is shutting down and starts no threads
                    self._drain()
                else:
                    # Only now: a handler that interrupts before this line starts another writer. Two are safe.
                    self._running = self._ran = True

    def _flush_now(self) -> None:
        self._drain()
        self._guarded(self._sink.sync)

    def _close_now(self) -> None:
        self._finished = True  # before the last drain, see `put`
        self._drain()
        self._guarded(self._sink.close)

    def _run_in_writer(self, step: Callable[[], None], wait_s: float) -> None:
        """Run ``step`` in the writer thread, and wait for it.

        While there can be a writer, the calling thread must not run it: a signal handler on the calling thread could
        end the process while lines have left the queue but are not written yet. Or it would wait for a writer that
        another thread has started and that waits for the lock of the calling thread.
        """
        self._start()
        deadline = None if wait_s == FOR_EVER else time.monotonic() + wait_s
        done: SimpleQueue[None] = SimpleQueue()
        self._wake.put((step, done))
        while self._running:
            with contextlib.suppress(Empty):
                done.get(timeout=_POLL_S)
                return
            if deadline is not None and time.monotonic() >= deadline:
                self._failed(_too_slow(wait_s))
                return
        if done.empty():  # already closed, or no threads can be started
            self._guarded(step, wait_s)

    def _run(self) -> None:
        try:
            self._serve()
        finally:
            self._running = False

    def _serve(self) -> None:
        while not self._finished:
            requests: list[_Request] = []
            with contextlib.suppress(Empty):
                requests.append(self._wake.get(timeout=self._interval_s))
                while True:
                    requests.append(self._wake.get_nowait())
            self._drain()
            self._guarded(self._sink.sync_if_due)
            for request in requests:
                if request is not None:
                    step, done = request
                    step()
                    done.put(None)

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
        hint="Check whether the disk is slow or on_error waits for something",
    )
