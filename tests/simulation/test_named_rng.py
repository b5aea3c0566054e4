"""The draws: seeded by name, distributed as they say."""

from __future__ import annotations

import hashlib
import random
import statistics

import numpy as np
import pytest

from calib.simulation.named_rng import NamedRng


def test_the_seed_is_the_sha256_of_the_names() -> None:
    seed = int.from_bytes(hashlib.sha256(b"7\x1fmarket\x1fBTCUSDT\x1f0").digest(), "big")
    independent = random.Random(seed)
    chance = NamedRng(7, "market", "BTCUSDT", 0)
    assert [chance.uniform() for _ in range(5)] == [independent.random() for _ in range(5)]


def test_names_do_not_run_into_each_other() -> None:
    assert NamedRng("ab", "c").uniform() != NamedRng("a", "bc").uniform()


@pytest.mark.parametrize("quantile", [0.01, 0.25, 0.5, 0.9, 0.99])
def test_normal_quantiles(quantile: float) -> None:
    chance = NamedRng("normal")
    n = 20_000
    below = sum(chance.normal() < statistics.NormalDist().inv_cdf(quantile) for _ in range(n))
    assert abs(below / n - quantile) < 4 * (quantile * (1 - quantile) / n) ** 0.5


def test_exponential_mean_and_sd_are_equal() -> None:
    chance = NamedRng("exponential")
    draws = np.array([chance.exponential(3.0) for _ in range(20_000)])
    assert abs(draws.mean() - 3.0) < 4 * 3.0 / 20_000**0.5
    assert abs(draws.std() - 3.0) < 0.15


def test_below_covers_its_range_evenly() -> None:
    chance = NamedRng("below")
    counts = np.bincount([chance.between(2, 6) - 2 for _ in range(10_000)], minlength=5)
    expected = 2_000
    chi_square = float(((counts - expected) ** 2 / expected).sum())
    assert len(counts) == 5
    assert chi_square < 18.5  # the 0.999 quantile with 4 degrees of freedom
