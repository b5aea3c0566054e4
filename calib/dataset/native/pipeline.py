"""The threads of a job, one per core; each takes the next task of the highest priority.

Tasks by priority: hash a chunk, settle a chunk, fold closed groups, parse a chunk, read a chunk.
Hashing and settling go in the order of the file; a bounded number of chunks is in memory. A thread for hashing alone
would be idle part of the time, and so would one for reading.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from calib.dataset.native.file_pass import FilePass
from calib.dataset.native.parsing import ParsedChunk
from calib.feeds.reading.native.stream import LineChunk, PooledBuffer

_CHUNKS_PER_THREAD = 2
Task = Callable[[], None]


@dataclass(slots=True, eq=False)
class _Work:
    """A chunk on its way."""

    of: FilePass
    chunk: LineChunk
    first: bool
    last: bool
    parsed: ParsedChunk | None = None
    hashed: bool = False
    settled: bool = False


class ChunkPipeline:
    """Passes over files, one after the other, their chunks by several threads.

    Parameters
    ----------
    passes
        In the order in which their lines go into the sums.
    jobs
        Threads, this one included, >= 1.
    rows
        Gets the rows of closed groups with the pass whose sums they are; one thread at a time.
    progress
        Gets the stored bytes read since its last call, in the calling thread.
    """

    def __init__(
        self,
        passes: Sequence[FilePass],
        jobs: int,
        rows: Callable[[FilePass, bytes], None],
        progress: Callable[[float], None],
    ) -> None:
        self._waiting, self._jobs = deque(passes), jobs
        self._rows, self._progress = rows, progress
        self._ready = threading.Condition()
        self._reading: FilePass | None = None
        self._busy: set[str] = set()
        """Which of the tasks that one thread at a time does are being done."""
        self._to_hash: deque[_Work] = deque()
        self._to_settle: deque[_Work] = deque()
        self._to_parse: deque[_Work] = deque()
        self._to_fold: deque[tuple[FilePass, Callable[[], bytes]]] = deque()
        self._running = 0
        self._buffers = [PooledBuffer() for _ in range(_CHUNKS_PER_THREAD * jobs + 1)]
        self._found: dict[tuple[int, int], list[Any]] = {}
        self._opened: list[FilePass] = []
        self._stored, self._told = 0, 0
        self._error: BaseException | None = None
        self._unreadable: Exception | None = None
        """Why reading stopped early: the files before are finished all the same, as if each were read by itself."""

    def run(self) -> None:
        """Do everything; the first error of any thread is raised here."""
        threads = [threading.Thread(target=self._work, name=f"calib-{n}", daemon=True) for n in range(self._jobs - 1)]
        for thread in threads:
            thread.start()
        try:
            self._work(self._tell)
        except BaseException as error:
            self._stop(error)
        finally:
            for thread in threads:
                thread.join()
        if (failure := self._error or self._unreadable) is not None:
            for one in self._opened:
                one.abandon(failure)
            raise failure
        self._tell()

    def _tell(self) -> None:
        read, self._told = self._stored - self._told, self._stored
        self._progress(float(read))

    def _work(self, between: Task | None = None) -> None:
        """The life of a thread; ``between`` is called after each task."""
        try:
            while (task := self._next()) is not None:
                task()
                with self._ready:
                    self._running -= 1
                    self._ready.notify_all()
                if between is not None:
                    between()
        except BaseException as error:
            self._stop(error)
            if between is not None:
                raise

    def _stop(self, error: BaseException) -> None:
        with self._ready:
            self._error = self._error or error
            self._ready.notify_all()

    def _next(self) -> Task | None:
        """What is due; waits for it; None where there is nothing more."""
        with self._ready:
            while self._error is None:
                task = self._due()
                if task is not None:
                    self._running += 1
                    return task
                if not self._running:
                    return None
                self._ready.wait()
            return None

    def _due(self) -> Task | None:
        if self._to_hash and "hash" not in self._busy:
            return self._alone("hash", self._hash, self._to_hash.popleft())
        if self._to_settle and self._to_settle[0].parsed is not None and "settle" not in self._busy:
            return self._alone("settle", self._settle, self._to_settle.popleft())
        if self._to_fold:
            of, fold = self._to_fold.popleft()
            return lambda: self._fold(of, fold)
        if self._to_parse:
            work = self._to_parse.popleft()
            found = self._room_of(work.of)
            return lambda: self._parse(work, found.pop() if found else None)
        if self._buffers and "read" not in self._busy and (self._reading is not None or self._waiting):
            return self._alone("read", self._read, self._buffers.pop())
        return None

    def _alone(self, name: str, task: Callable[[Any], None], given: Any) -> Task:
        """A task that one thread at a time does."""
        self._busy.add(name)

        def run() -> None:
            task(given)
            with self._ready:
                self._busy.discard(name)

        return run

    def _room_of(self, of: FilePass) -> list[Any]:
        """Room for records that is free, of the same width."""
        layout = of.sums.layout
        return self._found.setdefault((len(layout.nulls), len(layout.placed)), [])

    def _read(self, buffer: PooledBuffer) -> None:
        first = self._reading is None
        try:
            if self._reading is None:
                self._reading = self._waiting.popleft()
                self._opened.append(self._reading)
                self._reading.open()
            of = self._reading
            before = of.stored.bytes
            chunk = of.read(buffer)
        except Exception as error:
            with self._ready:
                self._unreadable = error
                self._reading = None
                self._waiting.clear()
            return
        work = _Work(of, chunk, first, of.source.exhausted, hashed=chunk.read_from == chunk.read_to)
        with self._ready:
            self._stored += of.stored.bytes - before
            if work.last:
                self._reading = None
            if not work.hashed:
                self._to_hash.append(work)
            self._to_parse.append(work)
            self._to_settle.append(work)

    def _hash(self, work: _Work) -> None:
        chunk = work.chunk
        work.of.stored.hash_later(chunk.buffer.view[chunk.read_from : chunk.read_to])
        self._done(work, hashed=True)

    def _parse(self, work: _Work, found: Any) -> None:
        room = work.of.new_room() if found is None else found
        parsed = work.of.parse(work.chunk, room)
        with self._ready:
            work.parsed = parsed

    def _settle(self, work: _Work) -> None:
        assert work.parsed is not None
        if work.first:
            work.of.begin()
        work.of.settle(work.chunk, work.parsed)
        if work.last:
            work.of.settled()
        closed = work.of.sums.closed()
        with self._ready:
            self._to_fold.extend((work.of, fold) for fold in closed)
            self._room_of(work.of).append(work.parsed.found)
        work.parsed = None
        self._done(work, settled=True)

    def _fold(self, of: FilePass, fold: Callable[[], bytes]) -> None:
        rows = fold()
        with self._ready:
            self._rows(of, rows)

    def _done(self, work: _Work, *, hashed: bool = False, settled: bool = False) -> None:
        """Note what was done; a chunk that is hashed and settled gives its buffer back."""
        with self._ready:
            work.hashed |= hashed
            work.settled |= settled
            over = work.hashed and work.settled
            if over:
                self._buffers.append(work.chunk.buffer)
        if over and work.last:
            work.of.end()
            self._opened.remove(work.of)
