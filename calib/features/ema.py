"""Exponential moving average, one step per event."""

from __future__ import annotations

from calib.features.base import Statistic, check_alpha


class EMA(Statistic):
    """Exponential moving average, initialised with its first observation.

    ``m <- x`` at first, then ``m <- m + alpha (x - m)``.

    Parameters
    ----------
    alpha
        Weight of a new observation, in (0, 1]; with 1 only the last one counts.

    Notes
    -----
    The newest k observations have a total weight of ``1 - (1 - alpha)^k``. Roberts, "Control Chart Tests Based on
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
        """Add one observation; its time is ignored here (see `TimeEMA`)."""
        mean = self._mean
        self._mean = x if mean is None else mean + self.alpha * (x - mean)

    def get(self) -> float | None:
        return self._mean
