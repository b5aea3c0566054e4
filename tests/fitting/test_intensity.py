"""The intensity fit against published figures and figures worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calib.fitting.glm import fit_poisson, sandwich
from calib.fitting.intensity import Pieces, fit_intensity, grouped, places_of, profile_interval

# Agresti, Introduction to Categorical Data Analysis (2007), table 3.4: British train-road collisions 1975 to 2003.
MILLION_KM = np.array(
    [
        *(436, 426, 425, 430, 426, 430, 417, 372, 401, 389, 418, 414, 397, 443, 436),
        *(431, 439, 430, 425, 415, 423, 437, 463, 487, 505, 503, 508, 516, 518),
    ],
    float,
)
COLLISIONS = np.array([2, 12, 8, 4, 3, 2, 2, 3, 7, 3, 5, 13, 6, 4, 4, 2, 6, 4, 4, 4, 2, 2, 1, 4, 2, 3, 4, 3, 3], float)
YEARS = np.arange(29.0)
AGRESTI = Pieces(YEARS, MILLION_KM, COLLISIONS, np.zeros(29, np.int64))


def test_collisions_as_published() -> None:
    fit = fit_poisson(np.column_stack([np.ones(29), YEARS]), COLLISIONS, MILLION_KM)
    assert fit is not None
    assert fit.coef == pytest.approx([-4.21142, -0.03292], abs=5e-6)
    assert np.sqrt(np.diag(fit.cov)) == pytest.approx([0.15892, 0.01076], abs=5e-6)
    assert fit.deviance == pytest.approx(37.853, abs=5e-4)
    assert fit.pearson == pytest.approx(42.192, abs=5e-4)
    assert fit.log_likelihood == pytest.approx(-64.7596, abs=5e-5)


def test_collisions_as_an_intensity() -> None:
    fit = fit_intensity(AGRESTI)
    assert fit is not None
    assert (fit.a_per_s.est, fit.k.est) == pytest.approx((0.0148253, 0.0329180), abs=1e-7)
    assert (fit.k.low, fit.k.high) == pytest.approx((0.011831, 0.054005), abs=1e-6)
    # The fitted mean distance is the fills' own: 12.139344.
    mu = MILLION_KM * fit.rate(YEARS)
    assert (mu * YEARS).sum() / mu.sum() == pytest.approx(12.139344, abs=1e-6)


def test_profile_likelihood_as_computed_elsewhere() -> None:
    fit = fit_intensity(AGRESTI)
    assert fit is not None
    low, high = profile_interval(AGRESTI, fit.k_per_bps, math.sqrt(fit.fisher[1, 1]), 0.95)
    assert (low, high) == pytest.approx((0.011965, 0.054210), abs=1e-6)


def test_two_distances_by_hand() -> None:
    pieces = Pieces(np.array([1.0, 2.0]), np.array([100.0, 200.0]), np.array([30.0, 10.0]), np.array([0, 1]))
    fit = fit_intensity(pieces)
    assert fit is not None
    assert fit.k_per_bps == pytest.approx(math.log(6), abs=1e-10)
    assert fit.a_per_s.est == pytest.approx(1.8, abs=1e-10)
    assert math.sqrt(fit.fisher[1, 1]) == pytest.approx(math.sqrt(1 / 30 + 1 / 10), abs=1e-10)


def test_survival_with_constant_hazard_is_a_poisson_regression() -> None:
    """Freireich 1963: 9 relapses in 359 weeks under 6-MP, 21 in 182 under placebo."""
    fit = fit_poisson(np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([9.0, 21.0]), np.array([359.0, 182.0]))
    assert fit is not None
    assert math.exp(fit.coef[0]) == pytest.approx(9 / 359, abs=1e-9)
    assert fit.coef[1] == pytest.approx(1.526614, abs=1e-6)
    assert math.sqrt(fit.cov[1, 1]) == pytest.approx(0.398409, abs=1e-6)


@pytest.mark.parametrize("delta", [[1.0, 1.0], [0.5, 1.0]])
def test_k_not_identified(delta: list[float]) -> None:
    """All fills at the smallest or the only distance: the likelihood rises for ever."""
    pieces = Pieces(np.array(delta), np.array([10.0, 10.0]), np.array([3.0, 0.0]), np.array([0, 1]))
    assert fit_intensity(pieces) is None


def test_no_fill_gives_no_number() -> None:
    assert fit_intensity(Pieces(np.array([1.0, 2.0]), np.ones(2), np.zeros(2), np.arange(2))) is None


def test_few_fills_get_the_profile_interval() -> None:
    pieces = Pieces(np.array([1.0, 2.0]), np.array([100.0, 200.0]), np.array([12.0, 4.0]), np.array([0, 1]))
    fit = fit_intensity(pieces)
    assert fit is not None
    assert fit.interval == "profile"
    assert fit.k.low is not None
    assert fit.k.high is not None
    # The likelihood at the two ends, written out here once more, is the chi-squared quantile below the maximum.
    for end in (fit.k.low, fit.k.high):
        at = [-16 * math.log(100 * math.exp(-k) + 200 * math.exp(-2 * k)) - k * (12 + 8) for k in (fit.k_per_bps, end)]
        assert 2 * (at[0] - at[1]) == pytest.approx(3.841458820694124, rel=1e-8)


def test_bursts_widen_the_interval_by_the_sandwich() -> None:
    """One minute in three carries all fills: Fisher's interval of A is too narrow."""
    clusters = np.repeat(np.arange(90), 2)
    delta = np.tile([0.1, 1.1], 90)
    fills = np.where(clusters % 3 == 0, np.tile([9.0, 3.0], 90), 0.0)
    fit = fit_intensity(Pieces(delta, np.full(180, 10.0), fills, clusters))
    assert fit is not None
    assert fit.interval == "sandwich"
    assert fit.cov[0, 0] > 1.5 * fit.fisher[0, 0]
    assert fit.cov[1, 1] >= fit.fisher[1, 1]


def test_with_three_clusters_the_sandwich_is_not_trusted() -> None:
    clusters = np.repeat(np.arange(3), 20)
    delta = np.tile([1.0, 2.0], 30)
    fills = np.where(clusters == 0, np.tile([9.0, 3.0], 30), 0.0)
    fit = fit_intensity(Pieces(delta, np.full(60, 10.0), fills, clusters))
    assert fit is not None
    assert fit.interval == "fisher"


def test_sandwich_of_independent_rows_by_hand() -> None:
    """Constant rate: the sandwich is sum (n - mu)^2 / (sum mu)^2 times C / (C - 1)."""
    counts, exposure = np.array([3.0, 1.0, 2.0]), np.ones(3)
    fit = fit_poisson(np.ones((3, 1)), counts, exposure)
    assert fit is not None
    robust = sandwich(np.ones((3, 1)), counts, exposure, fit, np.arange(3))
    assert robust[0, 0] == pytest.approx(2 / 36 * 3 / 2)


def test_grouping_moves_no_fit() -> None:
    random = np.random.default_rng(3)
    delta, exposure = random.gamma(2.0, 1.0, 5000), random.exponential(1.0, 5000)
    fills = (random.random(5000) < 0.3 * np.exp(-0.5 * delta)).astype(float)
    pieces = Pieces(delta, exposure, fills, np.zeros(5000, np.int64))
    few = grouped(pieces, 500)
    one, other = fit_intensity(pieces), fit_intensity(few)
    assert one is not None
    assert other is not None
    assert few.n_fills == pieces.n_fills
    assert other.k_per_bps == pytest.approx(one.k_per_bps, rel=1e-2)


def test_a_wrong_price_far_out_does_not_coarsen_the_groups() -> None:
    random = np.random.default_rng(3)
    delta = np.append(random.gamma(2.0, 1.0, 5000), 9000.0)
    exposure = np.ones(5001)
    fills = (random.random(5001) < 0.3 * np.exp(-0.5 * delta)).astype(float)
    few = grouped(Pieces(delta, exposure, fills, np.zeros(5001, np.int64)), 500)
    assert len(few) > 400
    assert few.exposure_s.sum() == pytest.approx(5001)
    assert few.n_fills == fills.sum()


def test_clusters_by_any_number() -> None:
    places, size = places_of(np.array([10**15, 5, 10**15, -7]))
    assert (places.tolist(), size) == ([2, 1, 2, 0], 3)
    places, size = places_of(np.array([12, 10, 12]))
    assert (places.tolist(), size) == ([1, 0, 1], 2)
