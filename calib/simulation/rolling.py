"""The rolling p95 that a bot logs beside each stage's latency."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque


class RollingP95:
    """The 95th percentile (linear interpolation) of the last ``window`` durations.

    >>> p95 = RollingP95(window=10)
    >>> for us in range(1_000, 12_000, 1_000):
    ...     p95.add(us)
    >>> p95.us  # of 2000 .. 11000: position 0.95 * 9 = 8.55
    10550
    """

    __slots__ = ("_order", "_sorted", "_window")

    def __init__(self, window: int = 200) -> None:
        self._window = window
        self._order: deque[int] = deque()
        self._sorted: list[int] = []

    def add(self, us: int) -> None:
        """Take one duration, whole microseconds."""
        if len(self._order) == self._window:
            del self._sorted[bisect_left(self._sorted, self._order.popleft())]
        self._order.append(us)
        insort(self._sorted, us)

    @property
    def us(self) -> int:
        """The percentile in whole microseconds; `IndexError` before the first duration."""
        scaled = 95 * (len(self._sorted) - 1)  # the position in hundredths: whole numbers only
        low, rest = divmod(scaled, 100)
        here = self._sorted[low]
        above = self._sorted[min(low + 1, len(self._sorted) - 1)]
        return here + round((above - here) * rest / 100)
