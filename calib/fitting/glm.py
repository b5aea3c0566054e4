"""Poisson regression with exposure: log link, offset log E, by iteratively reweighted least squares.

One fit serves three models: a rate over distance, the fill-probability model (piecewise exponential survival is a
Poisson regression, Holford 1980), and the test whether withdrawals depend on the distance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from calib.fitting.arrays import Floats, Ints, chunks, sums_by

MAX_STEPS: Final = 60
TOLERANCE: Final = 1e-10
"""Convergence: the last step is at most this fraction of the largest coefficient."""
_DIVERGED: Final = 500.0
"""A coefficient beyond this is not a plausible log rate: the likelihood has no maximum."""


@dataclass(frozen=True, slots=True)
class PoissonFit:
    """A fitted Poisson regression.

    Parameters
    ----------
    coef
        One per column of the design.
    cov
        Inverse of the Fisher information.
    deviance, pearson
        Residual statistics relative to the saturated model.
    log_likelihood
        Including the factorials.
    """

    coef: Floats
    cov: Floats
    deviance: float
    pearson: float
    log_likelihood: float


def fit_poisson(design: Floats, counts: Floats, exposure: Floats) -> PoissonFit | None:
    """Fit ``log(mean) = design @ coef + log(exposure)``.

    Parameters
    ----------
    design
        One row per piece of exposure, one column per term.
    counts
        Events in each piece.
    exposure
        Greater than zero.

    Returns
    -------
    PoissonFit or None
        None if the information is singular or the likelihood has no maximum.
    """
    if not len(counts) or not counts.sum():
        return None
    coef = _start(design, counts, exposure)
    value, score, information = _likelihood(design, counts, exposure, coef)
    for _ in range(MAX_STEPS):
        step = _solved(information, score)
        if step is None:
            return None
        reached = _line_search(design, counts, exposure, coef, step, value)
        moved = float(np.max(np.abs(reached - coef)))
        coef = reached
        value, score, information = _likelihood(design, counts, exposure, coef)
        if moved <= TOLERANCE * max(1.0, float(np.max(np.abs(coef)))):
            break
    else:
        return None
    cov = _inverse(information)
    if cov is None or np.max(np.abs(coef)) > _DIVERGED:
        return None
    return PoissonFit(coef, cov, *_residuals(design, counts, exposure, coef))


def sandwich(design: Floats, counts: Floats, exposure: Floats, fit: PoissonFit, cluster: Ints) -> Floats:
    """The covariance if events within a cluster are correlated: cov B cov C / (C - 1).

    Parameters
    ----------
    cluster
        Integers; rows with equal numbers belong to one cluster.
    """
    _, places = np.unique(cluster, return_inverse=True)
    size = int(places.max()) + 1
    residual = counts - exposure * np.exp(_eta(design, fit.coef))
    scores = np.stack([sums_by(places, residual * column, size) for column in design.T])
    return sandwiched(fit.cov, scores)


def sandwiched(cov: Floats, scores: Floats) -> Floats:
    """``cov B cov C / (C - 1)``, with B the sum of squares of the clusters' scores (one row per parameter)."""
    clusters = scores.shape[1]
    middle = np.array([[float((one * other).sum()) for other in scores] for one in scores])
    return np.asarray(cov @ middle @ cov * (clusters / max(1, clusters - 1)))


def _start(design: Floats, counts: Floats, exposure: Floats) -> Floats:
    """The constant rate, projected on the columns by least squares."""
    rate = math.log(counts.sum() / exposure.sum())
    sums = np.array([[float((a * b).sum()) for b in design.T] for a in design.T])
    level = _solved(sums, rate * np.array([float(column.sum()) for column in design.T]))
    return np.zeros(design.shape[1]) if level is None else level


def _eta(design: Floats, coef: Floats) -> Floats:
    """The linear predictor, without matrix products: their summation order may depend on the number of threads."""
    eta = np.zeros(len(design))
    for column, value in zip(design.T, coef, strict=True):
        eta += column * value
    return eta


def _likelihood(design: Floats, counts: Floats, exposure: Floats, coef: Floats) -> tuple[float, Floats, Floats]:
    width = design.shape[1]
    value, score, information = 0.0, np.zeros(width), np.zeros((width, width))
    for part in chunks(len(counts)):
        x, n = design[part], counts[part]
        eta = _eta(x, coef)
        mean = exposure[part] * np.exp(np.minimum(eta, 600.0))
        value += float((n * eta - mean).sum())
        residual = n - mean
        for i in range(width):
            score[i] += (residual * x[:, i]).sum()
            weighted = mean * x[:, i]
            for j in range(i, width):
                information[i, j] += (weighted * x[:, j]).sum()
    return value, score, information + np.triu(information, 1).T


def _line_search(design: Floats, counts: Floats, exposure: Floats, coef: Floats, step: Floats, value: float) -> Floats:
    """The coefficients after a step, halved while it lowers the likelihood: the first steps may overshoot."""
    for _ in range(30):
        if _value(design, counts, exposure, coef + step) >= value - 1e-12 * abs(value):
            break
        step = step / 2
    return np.asarray(coef + step)


def _value(design: Floats, counts: Floats, exposure: Floats, coef: Floats) -> float:
    value = 0.0
    for part in chunks(len(counts)):
        eta = _eta(design[part], coef)
        value += float((counts[part] * eta - exposure[part] * np.exp(np.minimum(eta, 600.0))).sum())
    return value


def _residuals(design: Floats, counts: Floats, exposure: Floats, coef: Floats) -> tuple[float, float, float]:
    deviance = pearson = log_likelihood = 0.0
    for part in chunks(len(counts)):
        n, mean = counts[part], exposure[part] * np.exp(_eta(design[part], coef))
        some = n > 0
        ratio = np.log(n[some] / mean[some])
        deviance += 2 * float((n[some] * ratio).sum() - (n - mean).sum())
        pearson += float(((n - mean) ** 2 / mean).sum())
        factorials = sum(math.lgamma(count + 1) for count in n[n > 1].tolist())
        log_likelihood += float((n[some] * np.log(mean[some])).sum() - mean.sum()) - factorials
    return deviance, pearson, log_likelihood


def _scale(matrix: Floats) -> Floats:
    return np.sqrt(np.maximum(np.diag(matrix), 1e-300))


def _solved(matrix: Floats, right: Floats) -> Floats | None:
    scale = _scale(matrix)
    scaled = matrix / np.outer(scale, scale)
    if not np.all(np.isfinite(scaled)) or np.linalg.cond(scaled) > 1e12:
        return None
    return np.asarray(np.linalg.solve(scaled, right / scale) / scale)


def _inverse(matrix: Floats) -> Floats | None:
    scale = _scale(matrix)
    scaled = matrix / np.outer(scale, scale)
    if not np.all(np.isfinite(scaled)) or np.linalg.cond(scaled) > 1e12:
        return None
    return np.asarray(np.linalg.inv(scaled) / np.outer(scale, scale))
