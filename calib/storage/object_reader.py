"""Read the bytes of an object in order; ranges are fetched ahead of the reads."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

RANGE: Final = 4 << 20
"""Size of one request, bytes."""
_AHEAD: Final = 4


class ObjectReader:
    """Reads an object from beginning to end, in bounded memory.

    Parameters
    ----------
    size
        Size of the object, bytes.
    fetch
        Returns the bytes from a begin to an end offset. It is called from several threads.
    """

    identity = (0, 0)
    """An object has no device and inode; instead each request requires the tag of the content."""

    def __init__(self, size: int, fetch: Callable[[int, int], bytes]) -> None:
        self.size = size
        self._fetch = fetch
        self._asked = 0
        self._coming: deque[Future[bytes]] = deque()
        self._held = memoryview(b"")
        self._threads: ThreadPoolExecutor | None = None

    def __enter__(self) -> ObjectReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, size: int) -> bytes:
        """Return at most ``size`` bytes, fewer at the end of a range; empty at the end."""
        if not self._held:
            self._held = memoryview(self._next())
        taken, self._held = self._held[:size], self._held[size:]
        return bytes(taken)

    def readinto(self, room: memoryview) -> int:
        """Read into a buffer; return the number of bytes, 0 at the end."""
        block = self.read(len(room))
        room[: len(block)] = block
        return len(block)

    def close(self) -> None:
        """Cancel the pending requests."""
        for future in self._coming:
            future.cancel()
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _next(self) -> bytes:
        if self._threads is None:
            from concurrent.futures import ThreadPoolExecutor  # here, because runs on local files do not need it

            self._threads = ThreadPoolExecutor(_AHEAD, thread_name_prefix="calib-object")
        while len(self._coming) < _AHEAD and self._asked < self.size:
            begin, self._asked = self._asked, min(self._asked + RANGE, self.size)
            self._coming.append(self._threads.submit(self._fetch, begin, self._asked))
        return self._coming.popleft().result() if self._coming else b""
