"""Exponential moving average by elapsed time, for irregular observations."""

from __future__ import annotations

from math import exp2

from calib.features.base import Statistic, check_positive


class TimeEMA(Statistic):
    """Exponential moving average whose memory is a half-life in seconds instead of a number of events.

    An observation ``dt`` seconds after the previous time has weight ``1 - 2^(-dt / half_life)``. The observations of
    the first time are the initial value. Observations with equal times share one weight, so their order does not
    matter. An observation with an earlier time counts towards the latest time: it is not dropped.

    Parameters
    ----------
    half_life_s
        Seconds after which the weight of an observation has halved, above 0.

    Notes
    -----
    Eckner, "Algorithms for Unevenly Spaced Time Series: Moving Averages and Other Rolling Operators", 2019: the
    "next point" form of the moving average.

    >>> mean = TimeEMA(half_life_s=10)
    >>> mean.update(100.0, now_ns=0)
    >>> mean.update(200.0, now_ns=10_000_000_000)  # one half-life later: half-way
    >>> mean.get()
    150.0
    >>> mean.update(400.0, now_ns=10_000_000_000)  # the same time: half-way to the mean of 200 and 400
    >>> mean.get()
    200.0
    """

    __slots__ = ("_before", "_count", "_half_life_ns", "_last_ns", "_sum", "_weight", "half_life_s")

    def __init__(self, half_life_s: float) -> None:
        self.half_life_s = check_positive("half_life_s", half_life_s)
        self._half_life_ns = self.half_life_s * 1e9
        self._before = 0.0
        self._weight = 1.0
        self._sum = 0.0
        self._count = 0
        self._last_ns = 0

    def update(self, x: float, now_ns: int) -> None:
        """Add one observation made at ``now_ns`` (monotonic nanoseconds)."""
        mean = self.get()
        elapsed = now_ns - self._last_ns
        if mean is None:
            self._last_ns = now_ns
        elif elapsed > 0:
            self._before = mean
            self._weight = 1.0 - exp2(-elapsed / self._half_life_ns)
            self._sum, self._count = 0.0, 0
            self._last_ns = now_ns
        self._sum += x
        self._count += 1

    def get(self) -> float | None:
        if not self._count:
            return None
        return self._before + self._weight * (self._sum / self._count - self._before)
