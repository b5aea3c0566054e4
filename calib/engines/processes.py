"""Worker processes that decode chunks, in order, with a bounded number of them in flight.

They are plain child processes with pipes: they start quickly, import no polars, and never run the caller's main module
again. A worker that dies (killed for its memory, say) costs time only: its chunk is decoded here.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import signal
import struct
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import Any, BinaryIO, Final

from calib.feeds.reading.packing import ColumnPlan, Packed, Packer
from calib.feeds.reading.pieces import Piece, packed

_LENGTH: Final = struct.Struct("<Q")
_IN_FLIGHT_PER_WORKER: Final = 3


class Workers:
    """A context in which several processes decode; one may serve many files.

    Parameters
    ----------
    jobs
        Number of worker processes, >= 1.
    """

    remote = True

    def __init__(self, jobs: int) -> None:
        if jobs < 1:
            raise ValueError(f"jobs must be >= 1, not {jobs}")
        self.jobs = jobs
        self._idle: SimpleQueue[subprocess.Popen[bytes] | None] = SimpleQueue()
        self.processes: list[subprocess.Popen[bytes]] = []
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="calib-read")

    def __enter__(self) -> Workers:
        for _ in range(self.jobs):
            worker = _start()
            self.processes.append(worker)
            self._idle.put(worker)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for worker in self.processes:
                worker.kill()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for worker in self.processes:
            _stop(worker)

    def run(self, plan: ColumnPlan, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, Packed]]:
        waiting: deque[tuple[Piece, Future[Packed]]] = deque()
        try:
            for piece in pieces:
                waiting.append((piece, self._threads.submit(self._ask, plan, piece)))
                if len(waiting) >= _IN_FLIGHT_PER_WORKER * self.jobs:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _, future in waiting:
                future.cancel()

    def _ask(self, plan: ColumnPlan, piece: Piece) -> Packed:
        """Send one piece to an idle worker and wait for its answer; runs in a thread."""
        worker = self._idle.get()
        try:
            if worker is not None:
                assert worker.stdin is not None
                assert worker.stdout is not None
                _send(worker.stdin, (plan, piece))
                answer = _receive(worker.stdout)
                if isinstance(answer, Exception):
                    raise answer
                if isinstance(answer, Packed):
                    return answer
                worker = None  # it died: this thread does its work from now on
        except (BrokenPipeError, ConnectionResetError):
            worker = None
        finally:
            self._idle.put(worker)
        return packed(Packer(plan), piece)


def _start() -> subprocess.Popen[bytes]:
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(path for path in sys.path if path))
    return subprocess.Popen(
        [sys.executable, "-c", "from calib.engines.processes import serve; serve()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )


def _stop(worker: subprocess.Popen[bytes]) -> None:
    for stream in (worker.stdin, worker.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    worker.wait()


def _send(stream: BinaryIO | Any, message: object) -> None:
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def _receive(stream: BinaryIO | Any) -> Any:
    """The next message; None at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (size,) = _LENGTH.unpack(head)
    data = stream.read(size)
    return pickle.loads(data) if len(data) == size else None


def serve() -> None:
    """The life of a worker: decode what comes, until the pipe closes."""
    # Ctrl-C reaches the whole process group; the parent decides, and its end closes our pipe.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a stray print must not end up between the answers
    gc.disable()  # rows are no part of any cycle; what is (types, exceptions) goes with each new file
    plan: ColumnPlan | None = None
    packer: Packer | None = None
    with requests, answers, contextlib.suppress(BrokenPipeError):
        while (request := _receive(requests)) is not None:
            wanted, piece = request
            try:
                if packer is None or wanted != plan:
                    plan, packer = wanted, Packer(wanted)
                    gc.collect()
                answer: object = packed(packer, piece)
            except Exception as error:
                answer = error
            _send(answers, answer)
