"""Quantiles of the latest observations, ready at any time."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque


class QuantileWindow:
    """The last ``size`` observations, kept sorted: O(log n) to add (and a short memmove), O(1) to ask.

    Parameters
    ----------
    size
        Observations kept, >= 1.

    >>> window = QuantileWindow(4)
    >>> for ms in (9.0, 1.0, 2.0, 3.0, 4.0):
    ...     window.add(ms)
    >>> window.quantile(0.5), window.quantile(1.0)
    (2.5, 4.0)
    """

    __slots__ = ("_latest", "_size", "_sorted")

    def __init__(self, size: int = 1000) -> None:
        self._size = size
        self._latest: deque[float] = deque()
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._latest)

    def add(self, value: float) -> None:
        """Take an observation in; past ``size`` the oldest goes."""
        if len(self._latest) == self._size:
            del self._sorted[bisect_left(self._sorted, self._latest.popleft())]
        self._latest.append(value)
        insort(self._sorted, value)

    def quantile(self, q: float) -> float | None:
        """The ``q`` quantile (0..1), linearly interpolated as in `calib.market.quantile`; None of nothing."""
        ordered = self._sorted
        if not ordered:
            return None
        position = q * (len(ordered) - 1)
        below = int(position)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (ordered[above] - ordered[below]) * (position - below)
