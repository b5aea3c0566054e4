"""Expected time until a queued quote is filled."""

from __future__ import annotations

from calib.features.average import average
from calib.features.base import Statistic


class QueueETA(Statistic):
    """Average of the milliseconds until a quote is filled: ``1000 (ahead + own) / absorb rate``.

    While the rate is 0 or unknown there is no estimate and the average is not updated.

    Parameters
    ----------
    alpha, half_life_s
        Parameters of the average; see `average`.

    >>> eta = QueueETA(alpha=0.5)
    >>> eta.update(40.0, 10.0, absorb_rate=0.0)
    >>> eta.get() is None
    True
    >>> eta.update(40.0, 10.0, absorb_rate=5.0)
    >>> eta.get()
    10000.0
    """

    __slots__ = ("_mean",)

    def __init__(self, alpha: float = 0.1, half_life_s: float | None = None) -> None:
        self._mean = average(alpha, half_life_s)

    def update(self, ahead_qty: float, own_qty: float, absorb_rate: float | None, now_ns: int = 0) -> None:
        """Add the queue position of one quote and the current absorb rate, base units per second."""
        if absorb_rate:
            self._mean.update(1000.0 * (ahead_qty + own_qty) / absorb_rate, now_ns)

    def get(self) -> float | None:
        return self._mean.get()
