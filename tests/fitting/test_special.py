"""Quantiles and tails against printed tables."""

from __future__ import annotations

import math

import pytest

from calib.fitting.drift import even_chi2_tail
from calib.fitting.special import chi2_quantile, chi2_tail, gamma_tail, ks_exponential, poisson_interval


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.6889), (1, 0.0253, 5.5716), (5, 1.6235, 11.6683), (50, 37.1110, 65.9188)],
)
def test_garwoods_intervals(count: int, low: float, high: float) -> None:
    """Garwood, Biometrika 28 (1936), as reprinted in tables of the Poisson mean."""
    assert poisson_interval(count, 0.95) == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize(("df", "quantile"), [(1, 3.841459), (2, 5.991465), (10, 18.307038), (40, 55.758479)])
def test_chi_squared_table(df: int, quantile: float) -> None:
    assert chi2_quantile(0.95, df) == pytest.approx(quantile, abs=1e-6)
    assert chi2_tail(quantile, df) == pytest.approx(0.05, abs=1e-7)


@pytest.mark.parametrize("df", [2, 4, 12, 60])
@pytest.mark.parametrize("x", [0.5, 5.0, 40.0])
def test_even_degrees_of_freedom_by_the_finite_sum(df: int, x: float) -> None:
    assert even_chi2_tail(x, df) == pytest.approx(chi2_tail(x, df), rel=1e-10)


def test_far_tail_keeps_its_digits() -> None:
    assert gamma_tail(50.0, 1.0) == pytest.approx(math.exp(-50.0), rel=1e-12)


def test_kolmogorov_smirnov_of_exact_quantiles() -> None:
    """Mid-quantiles of the exponential are as near as n values can be: distance 1 / (2 n)."""
    values = [-math.log(1 - (i + 0.5) / 20) for i in range(20)]
    distance, p = ks_exponential(values)
    assert distance == pytest.approx(1 / 40)
    assert p > 0.999


def test_kolmogorov_smirnov_table() -> None:
    """The 5 % point of 20 values is .294 (Massey 1951)."""
    values = [-math.log(1 - max(0.0, (i + 1) / 20 - 0.294)) for i in range(20)]
    distance, p = ks_exponential(values)
    assert distance == pytest.approx(0.294)
    assert p == pytest.approx(0.05, abs=0.002)
