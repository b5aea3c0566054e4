"""An e-process for the mean of values in [0, 1]: "the conditional mean is at most m".

``E = prod(1 + l_i (X_i - m))`` with predictable bets ``l_i = clip((mu - m) / (var + (mu - m)^2), 0, 0.5 / m)``. The
test requires that each *conditional* mean is at most ``m``. Bursts violate that in short blocks, so blocks have at
least 60 s.

References
----------
Waudby-Smith and Ramdas (2024), JRSS-B 86(1), 1-27: betting, and the approximate growth-rate-optimal bets.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def bet(mean: ArrayLike, variance: ArrayLike, limit: float) -> Floats:
    """Return the bet ``clip((mu - m) / (var + (mu - m)^2), 0, 0.5 / m)``.

    >>> [round(float(bet(mean, variance, 0.02)), 9) for mean, variance in ((0.03, 0.0009), (0.01, 0.0009), (0.03, 0.0))]
    [10.0, 0.0, 25.0]
    """
    excess = np.asarray(mean, dtype=np.float64) - limit
    spread = np.maximum(np.asarray(variance, dtype=np.float64) + excess**2, 1e-12)
    return np.asarray(np.clip(excess / spread, 0.0, 0.5 / limit), dtype=np.float64)


class BoundedMean:
    """The state of one test (or, with leading dimensions, of many).

    Parameters
    ----------
    alpha
        Error rate.
    limit
        ``m``, in (0, 1).
    warmup
        Number of first values that update the mean and variance but are not bet on.
    shape
        Leading dimensions.
    """

    __slots__ = ("alpha", "limit", "log_e", "max_log_e", "mean", "seen", "spread", "warmup")

    def __init__(self, alpha: float, limit: float, warmup: int = 5, shape: tuple[int, ...] = ()) -> None:
        if not 0 < alpha < 1 or not 0 < limit < 1:
            raise ValueError(f"alpha {alpha} and limit {limit} must lie in (0, 1)")
        self.alpha, self.limit, self.warmup = alpha, limit, warmup
        self.seen = np.zeros(shape)
        self.mean = np.full(shape, limit)
        """Running mean with one pseudo-observation at the limit: the first bet is 0."""
        self.spread = np.full(shape, limit**2)
        """Running sum of squared deviations with the same pseudo-observation."""
        self.log_e = np.zeros(shape)
        self.max_log_e = np.zeros(shape)

    def update(self, value: ArrayLike) -> None:
        """Add the next value in [0, 1]; NaN is ignored."""
        x = np.asarray(value, dtype=np.float64)
        valid = np.isfinite(x)
        x = np.where(valid, x, self.limit)
        stake = np.where(self.seen >= self.warmup, bet(self.mean, self.spread / (self.seen + 1), self.limit), 0.0)
        self.log_e = self.log_e + np.where(valid, np.log1p(stake * (x - self.limit)), 0.0)
        self.max_log_e = np.maximum(self.max_log_e, self.log_e)
        self.seen = self.seen + valid
        deviation = x - self.mean
        mean = self.mean + np.where(valid, deviation / (self.seen + 1), 0.0)
        self.spread = self.spread + np.where(valid, deviation * (x - mean), 0.0)
        self.mean = mean

    @property
    def p_value(self) -> Floats:
        return np.exp(-self.max_log_e)

    @property
    def rejected(self) -> NDArray[np.bool_]:
        return np.asarray(self.max_log_e >= -np.log(self.alpha))

    def to_state(self) -> dict[str, Any]:
        return {name: float(getattr(self, name)) for name in _SCALARS}

    def load_state(self, state: dict[str, Any]) -> None:
        for name in _SCALARS:
            setattr(self, name, np.asarray(float(state[name])))


_SCALARS = ("seen", "mean", "spread", "log_e", "max_log_e")
