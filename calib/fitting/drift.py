"""Test for drift: whether the fits of successive days agree."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from calib.fitting.arrays import Floats


def even_chi2_tail(x: float, df: int) -> float:
    """The chi-squared tail probability for an even number of degrees of freedom: e^(-x/2) sum (x/2)^i / i!.

    >>> round(even_chi2_tail(9.487729036781154, 4), 9)
    0.05
    """
    half = x / 2
    term = total = 1.0
    for i in range(1, df // 2):
        term *= half / i
        total += term
    return math.exp(-half) * total if half < 700 else 0.0


def drift(estimates: Sequence[Floats], covariances: Sequence[Floats]) -> tuple[float, int, float] | None:
    """Cochran's Q of the daily (log A, k): ``sum (x - m)' V^-1 (x - m)`` with m their weighted mean.

    Returns
    -------
    tuple or None
        Q, its degrees of freedom 2 (days - 1), and p; None with fewer than two days.
    """
    if len(estimates) < 2:
        return None
    weights = [np.linalg.inv(cov) for cov in covariances]
    total = sum(weights[1:], weights[0])
    weighted = [weight @ value for weight, value in zip(weights, estimates, strict=True)]
    mean = np.linalg.solve(total, sum(weighted[1:], weighted[0]))
    q = sum(float((value - mean) @ weight @ (value - mean)) for weight, value in zip(weights, estimates, strict=True))
    df = 2 * (len(estimates) - 1)
    return q, df, even_chi2_tail(q, df)
