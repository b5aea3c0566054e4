"""The fill-probability model, its score under withdrawal, and drift."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calib.fitting.brier import brier_score, reliability, withdrawal_weights
from calib.fitting.drift import drift
from calib.fitting.fill_model import fit_fill_model


def waits(n: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Exponential waits at rate e^(-1 - .5 delta), withdrawn at rate .5: covariates, life, filled, true probability."""
    random = np.random.default_rng(seed)
    delta = random.uniform(0, 4, n)
    rate = np.exp(-1 - 0.5 * delta)
    fill, withdrawal = random.exponential(1 / rate), random.exponential(2.0, n)
    covariates = np.column_stack([delta, np.zeros(n), np.ones(n), np.zeros(n), np.ones(n)])
    return covariates, np.minimum(fill, withdrawal), fill < withdrawal, 1 - np.exp(-rate)


def test_the_model_finds_the_hazard() -> None:
    covariates, life, filled, truth = waits(6000)
    model = fit_fill_model(covariates, life, filled)
    assert model is not None
    terms = {term["name"]: term for term in model.terms()}
    assert terms["delta_bps"]["est"] == pytest.approx(-0.5, abs=3 * terms["delta_bps"]["se"])
    assert set(terms) >= {"band_0_0.1s", "delta_bps"}
    assert "side" not in terms  # it does not vary
    assert model.probability(covariates, 1.0) == pytest.approx(truth, abs=0.05)


def test_without_a_fill_there_is_no_model() -> None:
    covariates, life, filled, _ = waits(50)
    assert fit_fill_model(covariates, life, np.zeros_like(filled)) is None


def test_withdrawn_is_not_unfilled() -> None:
    """Graf's weights find the score of a world without withdrawal; counting withdrawn as unfilled does not."""
    covariates, life, filled, truth = waits(20_000)
    score = brier_score(truth, life, filled, ~filled, 1.0)
    # The score of a perfect forecast is the mean of p (1 - p).
    assert score.brier == pytest.approx(float((truth * (1 - truth)).mean()), abs=0.005)
    assert score.skill is not None
    assert score.skill > 0
    naive = float((((filled & (life <= 1.0)).astype(float) - truth) ** 2).mean())
    assert abs(naive - (truth * (1 - truth)).mean()) > 0.01
    assert len(covariates) == len(truth)


def test_weights_by_hand() -> None:
    """Withdrawn at 1, filled at 1 and 2, resting past 3: G falls by 1/2 after the fills of time 1 at risk 3."""
    life = np.array([1.0, 1.0, 2.0, 4.0])
    filled, withdrawn = np.array([0, 1, 1, 0], bool), np.array([1, 0, 0, 0], bool)
    weights = withdrawal_weights(life, filled, withdrawn, 3.0)
    assert weights is not None
    # Fills come first at ties: the fill at 1 leaves before, so 1 of 3 at risk is withdrawn and G(1) = 2/3.
    assert weights.tolist() == pytest.approx([0.0, 1.0, 1.5, 1.5])


def test_too_few_rest_to_the_horizon() -> None:
    life, nothing = np.linspace(0.1, 1.0, 50), np.zeros(50, bool)
    assert withdrawal_weights(life, nothing, ~nothing, 2.0) is None
    assert brier_score(np.full(50, 0.5), life, nothing, ~nothing, 2.0).brier is None


def test_reliability_in_deciles() -> None:
    covariates, life, filled, truth = waits(5000, 3)
    rows = reliability(truth, life, filled, 1.0)
    assert len(rows) == 10
    assert [row["n"] for row in rows] == [500] * 10
    assert all(abs(row["predicted"] - row["observed"]) < 0.1 for row in rows)
    assert len(covariates) == 5000


def test_drift_by_hand() -> None:
    """Two days, unit covariances, estimates 2 apart in one coordinate: Q = 2 on 2 df, p = e^-1."""
    found = drift([np.array([0.0, 1.0]), np.array([2.0, 1.0])], [np.eye(2), np.eye(2)])
    assert found is not None
    assert found[0] == pytest.approx(2.0)
    assert found[1] == 2
    assert found[2] == pytest.approx(math.exp(-1))


def test_one_day_has_no_drift() -> None:
    assert drift([np.zeros(2)], [np.eye(2)]) is None
