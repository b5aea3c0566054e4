"""The checks of a fit, each on data that has what it looks for."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calib.fitting.arrays import Floats
from calib.fitting.checks import bins, compensators, curvature_p, dispersion, is_monotone, pooled_rates
from calib.fitting.estimate import Estimate
from calib.fitting.intensity import IntensityFit, Pieces, fit_intensity


def fitted(pieces: Pieces) -> IntensityFit:
    fit = fit_intensity(pieces)
    assert fit is not None
    return fit


def drawn(rate: Floats, delta: Floats, exposure: Floats, seed: int = 1, cluster: Floats | None = None) -> Pieces:
    random = np.random.default_rng(seed)
    fills = random.poisson(rate * exposure).astype(float)
    clusters = np.arange(len(delta)) // 20 if cluster is None else cluster.astype(np.int64)
    return Pieces(delta, exposure, fills, clusters)


DELTA = np.tile(np.linspace(0.2, 4.0, 40), 60)
EXPOSURE = np.full(len(DELTA), 5.0)


def test_a_line_passes_every_check() -> None:
    pieces = drawn(0.5 * np.exp(-0.8 * DELTA), DELTA, EXPOSURE)
    fit = fitted(pieces)
    found = bins(pieces, fit, level=0.95)
    p = curvature_p(pieces)
    spread = dispersion(pieces, fit)
    assert len(found) == 10
    assert sum(one.fills for one in found) == pieces.n_fills
    assert sum(one.expected for one in found) == pytest.approx(pieces.n_fills)
    assert is_monotone(found)
    assert p is not None
    assert p > 0.01
    assert spread == pytest.approx(1.0, abs=0.35)


def test_curvature_is_found() -> None:
    pieces = drawn(0.5 * np.exp(-0.3 * DELTA**2), DELTA, EXPOSURE)
    p = curvature_p(pieces)
    assert p is not None
    assert p < 1e-4


def test_bursts_are_overdispersed() -> None:
    random = np.random.default_rng(2)
    clusters = np.arange(len(DELTA)) // 20
    burst = random.gamma(1.0, 1.0, clusters.max() + 1)[clusters]
    pieces = drawn(0.5 * burst * np.exp(-0.8 * DELTA), DELTA, EXPOSURE)
    spread = dispersion(pieces, fitted(pieces))
    assert spread is not None
    assert spread > 2


def test_rates_that_rise_are_not_monotone() -> None:
    delta = np.tile([0.5, 1.0, 1.5, 2.0, 3.0, 4.0], 50)
    rates = np.tile([0.4, 0.1, 0.1, 0.4, 0.1, 0.05], 50)
    pieces = drawn(rates, delta, np.full(300, 10.0))
    assert not is_monotone(bins(pieces, fitted(pieces), level=0.95))


def test_a_bin_by_hand() -> None:
    pieces = Pieces(np.array([1.0, 2.0]), np.array([100.0, 200.0]), np.array([30.0, 10.0]), np.array([0, 1]))
    first, second = bins(pieces, fitted(pieces), level=0.95)
    assert (first.delta_bps, first.exposure_s, first.fills) == (1.0, 100.0, 30.0)
    assert (first.rate.est, second.rate.est) == (0.3, 0.05)
    assert first.expected == pytest.approx(30)
    # Garwood's interval of 10: 4.7954 to 18.3904.
    assert (second.rate.low, second.rate.high) == pytest.approx((4.7954 / 200, 18.3904 / 200), rel=1e-4)


def test_pool_adjacent_violators_by_hand() -> None:
    assert pooled_rates(np.array([5.0, 1.0, 2.0, 3.0, 1.0]), np.ones(5)).tolist() == [5.0, 2.0, 2.0, 2.0, 1.0]
    assert pooled_rates(np.array([1.0, 3.0]), np.array([3.0, 1.0])).tolist() == [1.5, 1.5]


def test_compensators_add_up_overlapping_quotes() -> None:
    """Two quotes over [0, 10) and [4, 8) at rates 1 and 2; fills at 8 and 10: 8 + 8 expected before the first."""
    pieces = Pieces(np.array([1.0, 0.0]), np.array([10.0, 4.0]), np.array([1.0, 1.0]), np.zeros(2, np.int64))
    nothing = Estimate(0.0, None, None)
    fit = IntensityFit(math.log(2.0), math.log(2.0), np.eye(2), np.eye(2), "fisher", nothing, nothing, 0.0)
    assert compensators(np.array([0.0, 4.0]), pieces, fit).tolist() == pytest.approx([16.0, 2.0])
