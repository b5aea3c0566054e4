"""Exact quantile of the last N observations."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque

from calib.features.base import Statistic


class RollingQuantile(Statistic):
    """Quantile of the last ``window`` observations, exact, with linear interpolation between ranks.

    For n sorted values ``v[0..n-1]`` the result interpolates between the neighbours of rank ``r = q (n - 1)``
    (type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996; numpy's default).

    The values are kept sorted: an update takes O(log window) comparisons and one block move of at most ``8 window``
    bytes, which costs less than the comparisons at the usual window of 1000.

    Parameters
    ----------
    q
        The quantile, in [0, 1].
    window
        Number of observations, 1 to 10,000.

    >>> p95 = RollingQuantile(0.95, window=10)
    >>> for x in range(1, 11):
    ...     p95.update(float(x))
    >>> round(p95.get(), 2)  # rank 8.55: 9 + 0.55
    9.55
    >>> p95.update(0.0)  # the 1 leaves: 0, 2, ..., 10
    >>> round(p95.get(), 2)
    9.55
    """

    MAX_WINDOW = 10_000
    __slots__ = ("_by_time", "_sorted", "q", "window")

    def __init__(self, q: float, window: int = 1000) -> None:
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"q: {q!r} is out of range; expected a number in [0, 1]")
        if not 1 <= window <= self.MAX_WINDOW:
            raise ValueError(f"window: {window!r} is out of range; expected 1 to {self.MAX_WINDOW}")
        self.q = q
        self.window = window
        self._sorted: list[float] = []
        self._by_time: deque[float] = deque()

    def update(self, x: float) -> None:
        """Add one observation; the oldest is removed when the window is full."""
        by_time, ordered = self._by_time, self._sorted
        if len(by_time) == self.window:
            del ordered[bisect_left(ordered, by_time.popleft())]
        by_time.append(x)
        insort(ordered, x)

    def get(self) -> float | None:
        return self.at(self.q)

    def values(self) -> list[float]:
        """The observations in the window, sorted; a copy."""
        return list(self._sorted)

    def at(self, q: float) -> float | None:
        """Another quantile (0 to 1) of the same window; None if it is empty."""
        ordered = self._sorted
        if not ordered:
            return None
        rank = q * (len(ordered) - 1)
        below = int(rank)
        share = rank - below
        low = ordered[below]
        return low + share * (ordered[below + 1] - low) if share else low
