"""Half-spread and skew with intervals, from the fitted intensity and volatility."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from calib.fitting.arrays import Floats
from calib.fitting.bootstrap import SEED
from calib.fitting.estimate import Estimate, finite
from calib.fitting.glft import QuotingInputs, closed_form, exact_quotes, quote_constant
from calib.fitting.intensity import IntensityFit
from calib.fitting.sigma import Sigma
from calib.fitting.special import normal_quantile

DRAWS: Final = 2_000
WIDE_K: Final = 0.3
"""If the relative half-width of k's interval is larger, intervals are computed from random draws."""
MAX_BAD_DRAWS: Final = 0.025
MAX_CLOSED_FORM_ERROR: Final = 0.05


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Quotes for one gamma.

    Parameters
    ----------
    gamma
        Risk aversion, 1/bps per unit of inventory; chosen by the user.
    half, skew
        bps, with intervals; the uncertainty of the adverse move is not included.
    impact_bps
        Adverse move per fill that they include.
    table
        (inventory, bid distance, ask distance), bps.
    closed_half_bps, closed_skew_bps
        The same by the asymptotic formula.
    identified
        False if more than 2.5 % of the draws had k <= 0: then there are no intervals.
    """

    gamma: float
    half: Estimate
    skew: Estimate
    impact_bps: float
    table: tuple[tuple[int, float, float], ...]
    closed_half_bps: float
    closed_skew_bps: float
    identified: bool

    @property
    def closed_form_off(self) -> bool:
        """Whether the formula differs by more than 5 % from the exact half-spread."""
        return abs(self.closed_half_bps / self.half.est - 1) > MAX_CLOSED_FORM_ERROR

    def as_json(self) -> dict[str, Any]:
        return {
            "gamma": self.gamma,
            "half_bps": self.half.as_json(),
            "skew_bps": self.skew.as_json(),
            "impact_bps": self.impact_bps,
            "table": [{"q": q, "bid_bps": bid, "ask_bps": ask} for q, bid, ask in self.table],
            "closed_form": {
                "half_bps": finite(self.closed_half_bps),
                "skew_bps": finite(self.closed_skew_bps),
                "off": self.closed_form_off,
            },
        }


def recommend(
    fit: IntensityFit, sigma: Sigma, gamma: float, impact_bps: float, *, level: float
) -> Recommendation | None:
    """Compute the quotes; None if the equation cannot be solved."""
    centre = np.array([fit.log_a, fit.k_per_bps, math.log(sigma.sigma.est)])
    quotes = _quotes(centre, gamma, impact_bps)
    if quotes is None:
        return None
    market = _market(centre, impact_bps)
    solved = exact_quotes(market, gamma)
    assert solved is not None
    half, skew, identified = _intervals(fit, sigma, centre, gamma, impact_bps, level)
    closed_half, closed_skew = closed_form(market, gamma)
    table = solved.table
    return Recommendation(gamma, half, skew, impact_bps, table, closed_half, closed_skew, identified)


def side_constant(fit: IntensityFit, gamma: float) -> float:
    """c1 of one side's k, bps."""
    return quote_constant(fit.k_per_bps, gamma)


def _market(x: Floats, impact_bps: float) -> QuotingInputs:
    return QuotingInputs(math.exp(x[0]), float(x[1]), math.exp(x[2]), impact_bps)


def _quotes(x: Floats, gamma: float, impact_bps: float) -> tuple[float, float] | None:
    if x[1] <= 0:
        return None
    solved = exact_quotes(_market(x, impact_bps), gamma)
    if solved is None or solved.half_bps <= 0 or solved.skew_bps <= 0:
        return None
    return solved.half_bps, solved.skew_bps


def _covariance(fit: IntensityFit, sigma: Sigma) -> Floats | None:
    if sigma.log_se is None:
        return None
    cov = np.zeros((3, 3))
    cov[:2, :2] = fit.cov
    cov[2, 2] = sigma.log_se**2
    return cov


def _intervals(
    fit: IntensityFit, sigma: Sigma, centre: Floats, gamma: float, impact_bps: float, level: float
) -> tuple[Estimate, Estimate, bool]:
    at = _quotes(centre, gamma, impact_bps)
    assert at is not None
    cov = _covariance(fit, sigma)
    if cov is None:
        return Estimate(at[0], None, None), Estimate(at[1], None, None), True
    if fit.k.relative_half_width > WIDE_K:
        return _by_draws(centre, cov, gamma, impact_bps, level, at)
    return _by_delta(centre, cov, gamma, impact_bps, level, at)


def _by_delta(
    centre: Floats, cov: Floats, gamma: float, impact_bps: float, level: float, at: tuple[float, float]
) -> tuple[Estimate, Estimate, bool]:
    """Delta method on the logarithms of the results; derivatives by central differences."""
    steps = 1e-4 * np.array([1.0, centre[1], 1.0])
    gradient = np.zeros((2, 3))
    for place in range(3):
        move = np.zeros(3)
        move[place] = steps[place]
        up, down = (_quotes(centre + sign * move, gamma, impact_bps) for sign in (1, -1))
        if up is None or down is None:
            return Estimate(at[0], None, None), Estimate(at[1], None, None), True
        for row in range(2):
            gradient[row, place] = (math.log(up[row]) - math.log(down[row])) / (2 * steps[place])
    z = normal_quantile(level)
    ends = []
    for row in range(2):
        se = math.sqrt(float((np.outer(gradient[row], gradient[row]) * cov).sum()))
        ends.append(Estimate(at[row], at[row] * math.exp(-z * se), at[row] * math.exp(z * se)))
    return ends[0], ends[1], True


def _by_draws(
    centre: Floats, cov: Floats, gamma: float, impact_bps: float, level: float, at: tuple[float, float]
) -> tuple[Estimate, Estimate, bool]:
    random = np.random.default_rng(SEED)
    root = np.linalg.cholesky(cov)
    noise = random.standard_normal((DRAWS, 3))
    drawn = [_quotes(centre + (root * one).sum(axis=1), gamma, impact_bps) for one in noise]
    good = [one for one in drawn if one is not None]
    if len(good) < (1 - MAX_BAD_DRAWS) * DRAWS:
        return Estimate(at[0], None, None), Estimate(at[1], None, None), False
    low, high = np.quantile(np.array(good), [(1 - level) / 2, (1 + level) / 2], axis=0)
    return (
        Estimate(at[0], float(low[0]), float(high[0])),
        Estimate(at[1], float(low[1]), float(high[1])),
        True,
    )
