"""Durations against the lognormal law, and bursts against theirs."""

from __future__ import annotations

import math
import statistics

import pytest

from calib.simulation import latency
from calib.simulation.named_rng import NamedRng


@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.95, 0.99])
@pytest.mark.parametrize("duration", [latency.VENUE_READ, latency.CACHE_READ, latency.STAGES["quote"]])
def test_quantiles_are_those_of_the_lognormal(duration: latency.LogNormal, quantile: float) -> None:
    chance, n = NamedRng("latency", duration.median_us), 10_000
    z = statistics.NormalDist().inv_cdf(quantile)
    bound = duration.median_us * math.exp(duration.sigma * z)
    below = sum(duration.draw(chance) < bound for _ in range(n))
    assert abs(below / n - quantile) < 4 * math.sqrt(quantile * (1 - quantile) / n)


def test_a_factor_slows_and_the_cap_holds() -> None:
    steady = latency.LogNormal(1_000, 0.0, cap_us=5_000)
    assert [steady.draw(NamedRng("cap"), factor) for factor in (1.0, 3.0, 9.0)] == [1_000, 3_000, 5_000]


def test_bursts_take_their_share_of_the_time() -> None:
    bursts = latency.Bursts(NamedRng("bursts"), 0, every_s=30.0, mean_s=10.0, factor=2.0)
    factors = [bursts.factor(us) for us in range(0, 200_000_000_000, 1_000_000)]
    share = sum(factor == 2.0 for factor in factors) / len(factors)
    # 5,000 cycles; the share's standard error is share (1 - share) sqrt(2 / cycles).
    assert abs(share - 10 / 40) < 4 * 0.25 * 0.75 * math.sqrt(2 / 5_000)
    assert set(factors) == {1.0, 2.0}
