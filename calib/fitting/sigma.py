"""Volatility of the mid on a regular grid, bps per sqrt(s)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from calib.fitting.arrays import Floats, sums_by
from calib.fitting.estimate import Estimate, finite
from calib.fitting.special import normal_quantile
from calib.recorded.mids import Mids

STEP_S: Final = 1.0
LONG_STEPS_S: Final = (10.0, 60.0)
DAY_S: Final = 86_400.0
SHORT_BLOCK_S: Final = 600.0
MIN_DAYS: Final = 5
MIN_BLOCKS: Final = 5


@dataclass(frozen=True, slots=True)
class Sigma:
    """Volatility with its interval.

    Parameters
    ----------
    sigma
        bps/sqrt(s), from steps of 1 s.
    log_se
        Standard error of its logarithm, from blocks of a day, or of ten minutes if there are fewer than five days;
        None with fewer than five blocks.
    blocks
        Number of blocks.
    ratios
        sigma^2 from steps of 10 and 60 s divided by that from 1 s: far from 1 if the mid mean-reverts or trends.
    """

    sigma: Estimate
    log_se: float | None
    blocks: int
    ratios: dict[str, float | None]

    def as_json(self) -> dict[str, Any]:
        return {
            "bps_per_sqrt_s": self.sigma.as_json(),
            "log_se": finite(self.log_se),
            "blocks": self.blocks,
            "variance_ratio": self.ratios,
        }


def fit_sigma(mids: Mids, *, start_s: float, end_s: float, max_age_s: float, level: float = 0.95) -> Sigma | None:
    """Estimate sigma over ``[start_s, end_s)``; None if no grid step has a mid at both ends.

    sigma^2 is the mean of squared changes of the mid in bps over the grid steps, divided by the step. A step across a
    gap, or with a mid older than ``max_age_s`` at an end, is excluded.
    """
    moments = np.arange(math.ceil(start_s), math.floor(end_s) + 1, STEP_S)
    levels = mids.at(moments, max_age_s)
    squares = _squares(mids, moments, levels, 1)
    if not squares.size or np.all(np.isnan(squares)):
        return None
    variance = float(np.nanmean(squares)) / STEP_S
    if variance <= 0:
        return None
    ratios: dict[str, float | None] = {}
    for step in LONG_STEPS_S:
        longer = _squares(mids, moments, levels, int(step / STEP_S))
        known = longer[~np.isnan(longer)]
        ratios[f"{step:g}s"] = float(known.mean()) / step / variance if len(known) else None
    log_se, blocks = _log_se(moments[:-1], squares)
    est = math.sqrt(variance)
    if log_se is None:
        return Sigma(Estimate(est, None, None), None, blocks, ratios)
    z = normal_quantile(level)
    return Sigma(Estimate(est, est * math.exp(-z * log_se), est * math.exp(z * log_se)), log_se, blocks, ratios)


def _squares(mids: Mids, moments: Floats, levels: Floats, steps: int) -> Floats:
    """Squared changes in bps; NaN if unknown. Every grid point is a start, so the steps overlap."""
    if len(moments) <= steps:
        return np.zeros(0)
    change = (levels[steps:] - levels[:-steps]) / levels[:-steps] * 1e4
    change[mids.broken(moments[:-steps], moments[steps:])] = np.nan
    return np.asarray(change * change)


def _log_se(starts: Floats, squares: Floats) -> tuple[float | None, int]:
    """Standard error of log sigma: half the relative standard error of the variance, estimated between blocks."""
    days = len(np.unique(np.floor(starts / DAY_S)))
    block_s = DAY_S if days >= MIN_DAYS else SHORT_BLOCK_S
    known = ~np.isnan(squares)
    _, places = np.unique(np.floor(starts[known] / block_s), return_inverse=True)
    blocks = int(places.max()) + 1
    if blocks < MIN_BLOCKS:
        return None, blocks
    weight = np.bincount(places)
    total = sums_by(places, squares[known], blocks)
    mean = total.sum() / weight.sum()
    residual = total - mean * weight
    variance = float((residual**2).sum()) / weight.sum() ** 2 * blocks / (blocks - 1)
    return math.sqrt(variance) / float(mean) / 2, blocks
