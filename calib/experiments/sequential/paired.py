"""Persistent arms: paired-block difference in differences against a pre-period.

With arms that stay as they are, symbols differ for ever. A pre-period in which both arms ran A gives each symbol's own
mean ``ybar``; ``d_b = mean_B(y - ybar) - mean_A(y - ybar)`` of a later block is then free of what belongs to the symbol
and of what belongs to the moment, and must not exceed the margin on average. Half of ``alpha`` pays for the error of
the pre-period's means, half for watching the sum for ever (the half-normal mixture with the long-run variance of the
pre-period's differences as the variance of each block).

This is asymptotic, and it assumes that the difference is stationary: weaker than a switchback. Hence the minimum data.

References
----------
Newey and West (1987), Econometrica 55(3), 703-708: the long-run variance with Bartlett weights.
Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), Annals of Statistics 52(6): asymptotic confidence sequences.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from calib.experiments.sequential import half_normal

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_SYMBOLS: Final = 10
MIN_ARM: Final = 5
MIN_PRE_S: Final = 86_400.0
_MAX_PRE: Final = 20_160
"""Differences kept of the pre-period: two weeks of minutes."""


def long_run_variance(values: NDArray[np.float64]) -> float:
    """Newey-West long-run variance of a series, bandwidth ``floor(8 n^(1/3))``: an hour and a half of a day of minutes,
    because the levels of symbols wander over hours; a shorter one makes false alarms.

    >>> long_run_variance(np.array([1.0, -1.0, 1.0, -1.0])) >= 0
    True
    """
    n = len(values)
    if n < 2:
        return float("nan")
    centred = values - values.mean()
    total = float((centred**2).sum()) / n
    bandwidth = min(n - 1, int(8 * n ** (1 / 3)))
    for lag in range(1, bandwidth + 1):
        total += 2 * (1 - lag / (bandwidth + 1)) * float((centred[lag:] * centred[:-lag]).sum()) / n
    return max(total, 1e-12)


class PairedBlocks:
    """The state of one test: the pre-period's differences, then the sum of the excess.

    Parameters
    ----------
    alpha
        Error rate, in (0, 0.5).
    margin
        Effect that is tolerated.
    horizon
        Blocks the prior is tuned for.
    """

    __slots__ = ("_variance", "alpha", "count", "horizon", "margin", "max_log_e", "post_total", "pre")

    def __init__(self, alpha: float, margin: float, horizon: int) -> None:
        self.alpha, self.margin, self.horizon = alpha, margin, horizon
        self.pre: list[float] = []
        self.count = 0
        self.post_total = 0.0
        self.max_log_e = 0.0
        self._variance: float | None = None

    def update(self, difference: float, *, before: bool) -> None:
        """Take the difference of one block, of the pre-period (``before``) or after it; NaN is left out.

        In the pre-period ``ybar`` is the mean of the blocks so far; afterwards it stays as it was.
        """
        if not math.isfinite(difference):
            return
        if before:
            self.pre.append(difference)
            del self.pre[:-_MAX_PRE]
            self._variance = None
            return
        self.count += 1
        self.post_total += difference
        if len(self.pre) > 1:
            self.max_log_e = max(self.max_log_e, self.log_e())

    @property
    def variance(self) -> float:
        """The long-run variance of one block's difference, from the pre-period."""
        if self._variance is None:
            self._variance = long_run_variance(np.asarray(self.pre))
        return self._variance

    def log_e(self) -> float:
        """``log E`` of the sum over the margin plus the bound of the pre-period's error, at ``alpha / 2``."""
        quantile = NormalDist().inv_cdf(1 - self.alpha / 2)
        tolerated = self.margin + quantile * math.sqrt(self.variance / len(self.pre))
        r = half_normal.tuning(self.horizon * self.variance, self.alpha / 2)
        return float(half_normal.log_e_value(self.post_total - self.count * tolerated, self.count * self.variance, r))

    @property
    def p_value(self) -> float:
        """Twice ``1 / max E``, at most 1: the other half of the error went to the pre-period."""
        return min(1.0, 2 * math.exp(-self.max_log_e))

    @property
    def rejected(self) -> bool:
        return self.max_log_e >= math.log(2 / self.alpha)

    def to_state(self) -> dict[str, Any]:
        return {
            "pre": self.pre,
            "count": self.count,
            "post_total": self.post_total,
            "max_log_e": self.max_log_e,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        self.pre = [float(value) for value in state["pre"]]
        self.count, self.post_total = int(state["count"]), float(state["post_total"])
        self.max_log_e, self._variance = float(state["max_log_e"]), None
