"""Decode chunks in threads with the kernel, which releases the interpreter's lock while it decodes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Final

from calib.feeds.reading.packing import ColumnPlan, Packed, PlanCarrier
from calib.feeds.reading.pieces import Piece, new_packer, packed

if TYPE_CHECKING:
    from concurrent.futures import Future

_IN_FLIGHT_PER_THREAD: Final = 2


class DecodingThreads:
    """A context in which several threads of this process decode; the same context can be used for many files.

    Parameters
    ----------
    jobs
        Number of threads, >= 1.
    """

    remote = False

    def __init__(self, jobs: int) -> None:
        if jobs < 1:
            raise ValueError(f"jobs must be >= 1, not {jobs}")
        from concurrent.futures import ThreadPoolExecutor  # here, because small jobs do without

        self.jobs = jobs
        self._pool = ThreadPoolExecutor(jobs, thread_name_prefix="calib-read")
        self._own = threading.local()

    def __enter__(self) -> DecodingThreads:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def run(self, plan: ColumnPlan, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, Packed]]:
        """Yield each piece with its decoded columns, in the order given; a limited number is in flight at a time."""
        waiting: deque[tuple[Piece, Future[Packed]]] = deque()
        try:
            for piece in pieces:
                waiting.append((piece, self._pool.submit(self._decode, plan, piece)))
                if len(waiting) >= _IN_FLIGHT_PER_THREAD * self.jobs:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            for _, future in waiting:
                future.cancel()

    def _decode(self, plan: ColumnPlan, piece: Piece) -> Packed:
        """Decode a piece in a thread of the pool. Each thread has its own packer, which learns the file's names."""
        known: tuple[ColumnPlan, PlanCarrier] | None = getattr(self._own, "packer", None)
        if known is None or known[0] != plan:
            known = self._own.packer = plan, new_packer(plan)
        return packed(known[1], piece)


__all__ = ["DecodingThreads"]
