"""Quantiles and tail probabilities of the normal, gamma, chi-squared and Kolmogorov distributions, without scipy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Final

_EPSILON: Final = 1e-16
_TINY: Final = 1e-300
_MAX_STEPS: Final = 10_000


def normal_quantile(level: float) -> float:
    """The two-sided quantile of the standard normal for an interval of that level.

    >>> round(normal_quantile(0.95), 6)
    1.959964
    """
    return NormalDist().inv_cdf((1 + level) / 2)


def gamma_cdf(x: float, shape: float) -> float:
    """Regularised lower incomplete gamma function P(shape, x): series for small x, continued fraction for large x.

    Source: Abramowitz and Stegun 6.5.29 and 6.5.31.

    >>> round(gamma_cdf(1.0, 1.0), 12) == round(1 - math.exp(-1.0), 12)
    True
    """
    if x <= 0:
        return 0.0
    return _series(x, shape) if x < shape + 1 else 1.0 - _fraction(x, shape)


def gamma_tail(x: float, shape: float) -> float:
    """1 - `gamma_cdf`, accurate far out in the tail."""
    if x <= 0:
        return 1.0
    return 1.0 - _series(x, shape) if x < shape + 1 else _fraction(x, shape)


def gamma_quantile(p: float, shape: float) -> float:
    """The x with ``gamma_cdf(x, shape) == p``; 0 if the shape is 0.

    >>> round(gamma_quantile(0.975, 11), 4)
    18.3904
    """
    if shape <= 0 or p <= 0:
        return 0.0
    spread = 1 - 1 / (9 * shape) + NormalDist().inv_cdf(p) / (3 * math.sqrt(shape))
    high = max(shape * max(spread, 0.01) ** 3, 1e-6)  # starting value: Wilson and Hilferty's approximation
    while gamma_cdf(high, shape) < p:
        high *= 2
    low = 0.0
    while high - low > 1e-13 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if gamma_cdf(middle, shape) < p else (low, middle)
    return (low + high) / 2


def chi2_tail(x: float, df: int) -> float:
    """The probability that a chi-squared variable with ``df`` degrees of freedom exceeds ``x``.

    >>> round(chi2_tail(3.841458820694124, 1), 9)
    0.05
    """
    return gamma_tail(x / 2, df / 2)


def chi2_quantile(p: float, df: int) -> float:
    """The ``p`` quantile of the chi-squared distribution with ``df`` degrees of freedom."""
    return 2 * gamma_quantile(p, df / 2)


def poisson_interval(count: float, level: float) -> tuple[float, float]:
    """Exact interval of a Poisson mean (Garwood 1936).

    >>> [round(end, 4) for end in poisson_interval(10, 0.95)]
    [4.7954, 18.3904]
    """
    alpha = 1 - level
    return gamma_quantile(alpha / 2, count), gamma_quantile(1 - alpha / 2, count + 1)


def ks_exponential(values: Sequence[float]) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance from the unit exponential distribution, and its p value.

    The p value uses the approximation of Stephens (1970). It is too large if the rate was fitted to the same values.
    """
    n = len(values)
    if n == 0:
        return 0.0, 1.0
    distance = 0.0
    for index, value in enumerate(sorted(values)):
        below = -math.expm1(-value)
        distance = max(distance, below - index / n, (index + 1) / n - below)
    root = math.sqrt(n)
    scaled = (root + 0.12 + 0.11 / root) * distance
    return distance, _kolmogorov_tail(scaled)


def _kolmogorov_tail(x: float) -> float:
    if x < 0.2:
        return 1.0
    terms = ((1.0 if j % 2 else -1.0) * math.exp(-2 * (j * x) ** 2) for j in range(1, 101))
    return min(1.0, max(0.0, 2 * sum(terms)))


def _log_front(x: float, shape: float) -> float:
    return shape * math.log(x) - x - math.lgamma(shape)


def _series(x: float, shape: float) -> float:
    term = total = 1 / shape
    for step in range(1, _MAX_STEPS):
        term *= x / (shape + step)
        total += term
        if term < total * _EPSILON:
            break
    return total * math.exp(_log_front(x, shape))


def _fraction(x: float, shape: float) -> float:
    b = x + 1 - shape
    c, d = 1 / _TINY, 1 / b
    value = d
    for step in range(1, _MAX_STEPS):
        a = -step * (step - shape)
        b += 2
        d = 1 / _away_from_zero(a * d + b)
        c = _away_from_zero(b + a / c)
        value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value * math.exp(_log_front(x, shape))


def _away_from_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
