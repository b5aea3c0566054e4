"""Persistent arms: paired-block difference in differences against a pre-period.

With persistent arms, differences between symbols do not average out. A pre-period in which both arms ran A yields each
symbol's own mean ``ybar``. In a later block, symbol effects and common time effects cancel in ``d_b = mean_B(y - ybar)
- mean_A(y - ybar)``, whose mean must not exceed the margin. Half of ``alpha`` covers the error of the pre-period's
means, half the continuous monitoring of the sum (the half-normal mixture with the long-run variance of the pre-period's
differences as the variance of each block).

The test is asymptotic and assumes that the difference is stationary: weaker than a switchback. Hence the minimum data
and three safeguards. Differences are clipped at five scaled median deviations from the pre-period's median. If the
pre-period is not stationary (KPSS above its 5 % point) there is no verdict. The margin grows with time by the drift of
the largest random walk that this check cannot detect.

References
----------
Newey and West (1987), Econometrica 55(3), 703-708: the long-run variance with Bartlett weights.
Kwiatkowski, Phillips, Schmidt, Shin (1992), Journal of Econometrics 54, 159-178: the check of stationarity.
Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas (2024), Annals of Statistics 52(6): asymptotic confidence sequences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from calib.experiments.sequential import half_normal

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_SYMBOLS: Final = 10
MIN_ARM: Final = 5
MIN_PRE_S: Final = 86_400.0
KPSS_LIMIT: Final = 0.463
"""5 % critical value of the statistic for a constant level (table 1 of the reference)."""
DRIFT: Final = 5.0
"""Standard deviation of a drift that KPSS does not detect, over the length of the pre-period, in standard errors of its
mean; determined by simulation, see ``docs/explanation/ab-decisions.md``."""
_TAIL: Final = NormalDist().inv_cdf(0.95)
CLIP: Final = 5.0
"""Number of scaled median absolute deviations at which a difference is clipped."""
_MAX_PRE: Final = 20_160
"""Maximum number of stored differences of the pre-period: two weeks of minutes."""


def long_run_variance(values: NDArray[np.float64]) -> float:
    """Return the Newey-West long-run variance of a series with bandwidth ``floor(8 n^(1/3))``.

    For a day of minutes that is an hour and a half: the levels of symbols drift over hours, and a shorter bandwidth
    causes false alarms.

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


def stationarity(values: NDArray[np.float64], variance: float) -> float:
    """Return the KPSS statistic for a constant level: ``sum S_t^2 / (n^2 variance)``, S the cumulative deviations.

    Parameters
    ----------
    variance
        Long-run variance; see `long_run_variance`.

    >>> stationarity(np.array([1.0, 1.0, -1.0, -1.0]), 1.0)  # S = 1, 2, 1, 0
    0.375
    """
    sums = np.cumsum(values - values.mean())
    return float((sums**2).sum()) / (len(values) ** 2 * variance)


@dataclass(frozen=True, slots=True)
class Period:
    """The pre-period's differences, clipped: bounds, long-run variance of one block, KPSS statistic."""

    low: float
    high: float
    variance: float
    kpss: float

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Period:
        """Return the figures of at least two differences."""
        middle = float(np.median(values))
        width = CLIP * 1.4826 * float(np.median(np.abs(values - middle))) or math.inf
        clipped = np.clip(values, middle - width, middle + width)
        variance = long_run_variance(clipped)
        return cls(middle - width, middle + width, variance, stationarity(clipped, variance))

    @property
    def stationary(self) -> bool:
        """Whether the KPSS test does not reject stationarity at the 5 % level."""
        return self.kpss <= KPSS_LIMIT


class PairedBlocks:
    """The state of one test: the pre-period's differences, then the sum of the excess.

    Parameters
    ----------
    alpha
        Error rate, in (0, 0.5).
    margin
        Tolerated effect.
    horizon
        Number of blocks that the prior is tuned for.
    """

    __slots__ = ("_known", "alpha", "count", "horizon", "margin", "max_log_e", "post_total", "pre")

    def __init__(self, alpha: float, margin: float, horizon: int) -> None:
        self.alpha, self.margin, self.horizon = alpha, margin, horizon
        self.pre: list[float] = []
        self.count = 0
        self.post_total = 0.0
        self.max_log_e = 0.0
        self._known: Period | None = None

    def update(self, difference: float, *, before: bool) -> None:
        """Add the difference of one block of the pre-period (``before``) or after it; NaN is ignored.

        In the pre-period ``ybar`` is the mean of the blocks so far; afterwards it is constant.
        """
        if not math.isfinite(difference):
            return
        if before:
            self.pre.append(difference)
            del self.pre[:-_MAX_PRE]
            self._known = None
            return
        self.count += 1
        if len(self.pre) > 1:
            known = self.period
            self.post_total += min(max(difference, known.low), known.high)
            self.max_log_e = max(self.max_log_e, self.log_e())

    @property
    def period(self) -> Period:
        """The figures of the pre-period."""
        if self._known is None:
            self._known = Period.of(np.asarray(self.pre))
        return self._known

    def log_e(self) -> float:
        """Return ``log E`` of the sum in excess of the margin, the pre-period's error and an undetected drift."""
        variance, before = self.period.variance, len(self.pre)
        error = NormalDist().inv_cdf(1 - self.alpha / 2) * math.sqrt(variance / before)
        drift = _TAIL * DRIFT * math.sqrt(variance * (before + self.count) / 3) / before
        r = half_normal.tuning(self.horizon * variance, self.alpha / 2)
        excess = self.post_total - self.count * (self.margin + error + drift)
        return float(half_normal.log_e_value(excess, self.count * variance, r))

    @property
    def p_value(self) -> float:
        """Twice ``1 / max E``, at most 1: half of the error rate covers the pre-period."""
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
        self.max_log_e, self._known = float(state["max_log_e"]), None
