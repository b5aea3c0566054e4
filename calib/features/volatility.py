"""Realised volatility of irregular prices."""

from __future__ import annotations

from math import exp2, log, sqrt

from calib.features.base import Statistic, check_alpha, check_positive


class RollingVolatility(Statistic):
    """Volatility in bps per square root of a second: ``1e4 sqrt(EMA(r^2) / EMA(dt))``.

    ``r`` is the log return of the mid since the last observation, ``dt`` the seconds between them. Squared returns and
    times are averaged separately, so that bursts of ticks do not bias the result: each return is weighted by its
    duration. An observation that is not later than the last one is skipped. Both averages start at the second
    observation, the first one with a return.

    Parameters
    ----------
    alpha
        Weight of a new return, in (0, 1].
    half_life_s
        If given, a new return has weight ``1 - 2^(-dt / half_life_s)`` instead.

    >>> volatility = RollingVolatility(alpha=0.5)
    >>> volatility.update(100.0, now_ns=0)
    >>> volatility.get() is None
    True
    >>> volatility.update(101.0, now_ns=4_000_000_000)  # ln 1.01 = 99.503 bps in 4 s
    >>> round(volatility.get(), 3)
    49.752
    """

    __slots__ = ("_alpha", "_half_life_ns", "_last_mid", "_last_ns", "_squares", "_time_ns")

    def __init__(self, alpha: float = 0.1, half_life_s: float | None = None) -> None:
        self._alpha = check_alpha(alpha)
        self._half_life_ns = None if half_life_s is None else check_positive("half_life_s", half_life_s) * 1e9
        self._last_mid: float | None = None
        self._last_ns = 0
        self._squares = 0.0
        self._time_ns = 0.0

    def update(self, mid: float, now_ns: int) -> None:
        """Add the mid at ``now_ns`` (monotonic nanoseconds)."""
        last = self._last_mid
        if last is not None:
            elapsed = now_ns - self._last_ns
            if elapsed <= 0:
                return
            change = log(mid / last)
            if self._time_ns:
                half_life_ns = self._half_life_ns
                weight = self._alpha if half_life_ns is None else 1.0 - exp2(-elapsed / half_life_ns)
                self._squares += weight * (change * change - self._squares)
                self._time_ns += weight * (elapsed - self._time_ns)
            else:
                self._squares, self._time_ns = change * change, float(elapsed)
        self._last_mid = mid
        self._last_ns = now_ns

    def get(self) -> float | None:
        return 1e4 * sqrt(self._squares / self._time_ns * 1e9) if self._time_ns else None
