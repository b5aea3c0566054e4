"""Exponential moving average, one step per event."""

from __future__ import annotations

from calib.features.base import Statistic, check_alpha


class EMA(Statistic):
    """Exponential moving average that starts at its first observation.

    ``m <- x`` at first, then ``m <- m + alpha (x - m)``.

    Parameters
    ----------
    alpha
        Weight of a new observation, in (0, 1]; 1 keeps the last one only.

    Notes
    -----
    After n observations the newest k weigh ``1 - (1 - alpha)^k`` together. Roberts, "Control Chart Tests Based on
    Geometric Moving Averages", Technometrics 1959.

    >>> mean = EMA(alpha=0.5)
    >>> mean.get() is None
    True
    >>> for x in (10.0, 20.0, 0.0):
    ...     mean.update(x)
    >>> mean.get()  # 10, then 15, then 7.5
    7.5
    """

    __slots__ = ("_mean", "alpha")

    def __init__(self, alpha: float = 0.1) -> None:
        self.alpha = check_alpha(alpha)
        self._mean: float | None = None

    def update(self, x: float, now_ns: int = 0) -> None:
        """Take one observation; its time is of no account here (see `TimeEMA`)."""
        mean = self._mean
        self._mean = x if mean is None else mean + self.alpha * (x - mean)

    def get(self) -> float | None:
        return self._mean
