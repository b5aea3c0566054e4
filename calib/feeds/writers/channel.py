"""From the threads that log to the sink: at once, or through a bounded queue and one writer thread.

A Python signal handler runs between two bytecodes of the main thread, possibly inside `put`. So `put` of the
background channel holds no lock that the writer needs: a handler that flushes would otherwise wait for the writer, the
writer for the lock, and the lock for the handler to return.
"""

from __future__ import annotations

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

WhenFull = Literal["block", "drop"]
OnError = Callable[[SinkFailed], None]
_BATCH_LINES: Final = 4096
_FULL_WAIT_S: Final = 0.0005
_log: Final = logging.getLogger("calib.feeds")


@dataclass(frozen=True, slots=True)
class Counts:
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
        Lines that were not taken: the queue was full, or that very call raised `SinkFailed`.
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
        self._unsaid: SinkFailed | None = None
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
            Once, where the disk refused; this line was not taken.
        """
        with self._io:
            self._check_open()
            self._write([line])
            self._complain()
        return True

    def flush(self) -> None:
        """Return when every line taken before is in the file, synced as the policy asks.

        Raises
        ------
        SinkFailed
            Once, where the disk refused.
        """
        self._guarded(self._sink.sync)
        self._complain()

    def close(self) -> None:
        """Flush, then take no more. A second call does nothing.

        Raises
        ------
        SinkFailed
            Once, where the disk refused; closed all the same.
        """
        with self._io:
            self._closed = True
            self._guarded(self._sink.close)
        self._complain()

    def after_fork(self) -> None:
        """In the child: forget what the parent will write, and open files of one's own."""
        self._sink.abandon()
        self._failing, self._unsaid = False, None
        self._written = self._lost = self._dropped = 0
        self.renew()

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def counts(self) -> Counts:
        with self._io:
            return Counts(self._written + self._lost + self._waiting(), self._written, self._lost, self._dropped)

    def _waiting(self) -> int:
        return 0

    def _check_open(self) -> None:
        if self._closed:
            raise SinkClosed("this logger is closed", hint="Log before close(), or make a new logger")

    def _write(self, lines: list[Line]) -> None:
        """Write under the io lock; a refusal is counted and kept to be said."""
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

    def _guarded(self, step: Callable[[], None]) -> None:
        with self._io:
            try:
                step()
            except SinkFailed as error:
                self._refused(error)

    def _refused(self, error: SinkFailed) -> None:
        if self._failing:
            return
        self._failing = True
        _log.error("%s", error)
        if self._on_error is None:
            self._unsaid = error
        else:
            self._on_error(error)

    def _complain(self) -> None:
        if self._unsaid is not None:
            with self._counting:  # two threads may see it; only one says it
                error, self._unsaid = self._unsaid, None
            if error is not None:
                raise error


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
        self._wake: SimpleQueue[SimpleQueue[None] | None] = SimpleQueue()
        self._starting = threading.RLock()
        self._thread: threading.Thread | None = None
        self._finished = False

    def put(self, line: Line) -> bool:
        if self._closed:
            self._check_open()
        if self._unsaid is not None:
            self._count_drop()
            self._complain()
        queue = self._queue
        waiting = len(queue)
        if waiting >= self._wake_at:
            if waiting >= self._capacity and not self._make_room():
                return False
            self._wake.put(None)
        queue.append(line)
        if self._thread is None:
            self._start()
        if self._finished:  # closed between the check above and the append: nobody else would write it
            self._drain()
        return True

    def flush(self) -> None:
        self._ask_writer()
        super().flush()

    def close(self) -> None:
        self._closed = True
        self._ask_writer()
        self._finished = True
        with self._io:
            self._drain()
            self._guarded(self._sink.close)
        self._wake.put(None)
        self._complain()

    def _waiting(self) -> int:
        return len(self._queue)

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
        with self._starting:
            if self._thread is None and not self._finished:
                thread = threading.Thread(target=self._run, name="calib-writer", daemon=True)
                try:
                    thread.start()
                except RuntimeError:  # the interpreter is shutting down: no threads any more
                    self._drain()
                else:
                    self._thread = thread

    def _ask_writer(self) -> None:
        """Have the writer drain the queue, and wait for it.

        Not done by the calling thread: a signal handler on it could find lines that were taken out and not yet
        written, and end the process over them.
        """
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            self._drain()
            return
        answer: SimpleQueue[None] = SimpleQueue()
        self._wake.put(answer)
        while thread.is_alive():
            try:
                answer.get(timeout=0.1)
            except Empty:
                continue
            return
        self._drain()

    def _run(self) -> None:
        while True:
            answers = []
            try:
                answer = self._wake.get(timeout=self._interval_s)
                while True:
                    if answer is not None:
                        answers.append(answer)
                    answer = self._wake.get_nowait()
            except Empty:
                pass
            self._drain()
            self._guarded(self._sink.sync_if_due)
            for one in answers:
                one.put(None)
            if self._finished:
                return

    def _drain(self) -> None:
        with self._io:
            for _ in range(-(-len(self._queue) // _BATCH_LINES)):
                self._write([self._queue.popleft() for _ in range(min(_BATCH_LINES, len(self._queue)))])
