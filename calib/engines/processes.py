"""Decode chunks in worker processes, in order, with a limited number of chunks in flight.

The workers are child processes with pipes: they start fast, do not import polars, and do not run the caller's main
module again. If a worker dies (for example because memory is short) or fails, its chunk is decoded in this process,
which raises the original error if there is one.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import subprocess
from collections import deque
from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from types import TracebackType
from typing import TYPE_CHECKING, Final

from calib.engines.messages import Answer, DecodeRequest
from calib.feeds.reading.packing import ColumnPlan, Packed, PlanCarrier
from calib.feeds.reading.pieces import Piece, new_packer, packed
from calib.pipes import receive, send, start_child

if TYPE_CHECKING:
    from concurrent.futures import Future

_IN_FLIGHT_PER_WORKER: Final = 3


class Workers:
    """A context in which several processes decode; the same context can be used for many files.

    Parameters
    ----------
    jobs
        Number of worker processes, >= 1.
    """

    remote = True

    def __init__(self, jobs: int) -> None:
        if jobs < 1:
            raise ValueError(f"jobs must be >= 1, not {jobs}")
        from concurrent.futures import ThreadPoolExecutor  # here, because small jobs do without

        self.jobs = jobs
        self._idle: SimpleQueue[subprocess.Popen[bytes] | None] = SimpleQueue()
        self.processes: list[subprocess.Popen[bytes]] = []
        self._threads = ThreadPoolExecutor(jobs, thread_name_prefix="calib-read")

    def __enter__(self) -> Workers:
        for _ in range(self.jobs):
            worker = start_child("calib.engines.processes:serve")
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
                send(worker.stdin, DecodeRequest.of(plan, piece))
                answer = receive(worker.stdout, Answer)
                if answer is not None:
                    return answer.packed
                worker = None  # the worker has ended: decode its pieces in this thread from now on
        except (BrokenPipeError, ConnectionResetError):
            worker = None
        finally:
            self._idle.put(worker)
        return packed(new_packer(plan), piece)


def _stop(worker: subprocess.Popen[bytes]) -> None:
    for stream in (worker.stdin, worker.stdout):
        if stream is not None:
            with contextlib.suppress(BrokenPipeError):
                stream.close()
    worker.wait()


def serve() -> None:
    """Run a worker: decode each request until the pipe is closed."""
    # Ctrl-C reaches the whole process group. Ignore it: the parent handles it, and closes the pipe when it ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # send any print to stderr, not between the answers
    gc.disable()  # rows are not part of reference cycles; types and exceptions are collected at each new file
    plan: ColumnPlan | None = None
    packer: PlanCarrier | None = None
    with requests, answers, contextlib.suppress(BrokenPipeError):
        while (request := receive(requests, DecodeRequest)) is not None:
            try:
                if packer is None or request.plan != plan:
                    plan, packer = request.plan, new_packer(request.plan)
                    gc.collect()
                answer = Answer.of(packed(packer, request.piece))
            except Exception:
                return  # the reader detects the end of the pipe, decodes the piece and raises the error itself
            send(answers, answer)
