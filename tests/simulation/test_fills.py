"""The fill intensity and the queue."""

from __future__ import annotations

import math

import numpy as np
import pytest

from calib.simulation.chance import Chance
from calib.simulation.fills import Intensity, join_queue
from calib.simulation.instruments import INSTRUMENTS

BTC = INSTRUMENTS["BTCUSDT"]


@pytest.mark.parametrize("delta_bps", [0.0, 0.4, 1.6, 5.2])
def test_intensity_is_a_exp_minus_k_delta(delta_bps: float) -> None:
    delta_h = delta_bps / 1e4 * 61_250.0 / 0.05  # half a tick of BTCUSDT is 0.05
    expected = 0.022 * math.exp(-0.55 * delta_bps)
    assert Intensity(BTC).per_s(round(delta_h)) == pytest.approx(expected, rel=0.002)


def test_behind_the_mid_the_intensity_is_a() -> None:
    assert Intensity(BTC).per_s(-50) == Intensity(BTC).per_s(0) == 0.022


@pytest.mark.parametrize(("rate_per_s", "window_s"), [(0.02, 1.5), (0.5, 1.5), (3.0, 2.0)])
def test_fills_come_in_a_window_with_the_poisson_probability(rate_per_s: float, window_s: float) -> None:
    chance, n, intensity = Chance("window", str(rate_per_s)), 20_000, Intensity(BTC)
    window_us = round(window_s * 1e6)
    times = [intensity.time_to_fill_us(chance, rate_per_s, window_us) for _ in range(n)]
    came = [time for time in times if time is not None]
    p = 1 - math.exp(-rate_per_s * window_s)
    assert abs(len(came) / n - p) < 4 * math.sqrt(p * (1 - p) / n)
    assert 0 <= min(came) <= max(came) < window_us
    # The mean of an exponential time that is cut at w: 1/rate - w exp(-rate w) / (1 - exp(-rate w)).
    mean_s = 1 / rate_per_s - window_s * math.exp(-rate_per_s * window_s) / p
    assert np.mean(came) / 1e6 == pytest.approx(mean_s, rel=4 / math.sqrt(len(came)))


def test_the_queue_ahead_slows_our_fills_and_is_fair_on_average() -> None:
    chance = Chance("queue")
    queues = [join_queue(chance, BTC) for _ in range(20_000)]
    weights = np.array([queue.weight for queue in queues])
    lots = np.array([queue.lots for queue in queues])
    assert abs(weights.mean() - 1.0) < 4 * 0.29 / 20_000**0.5
    assert (weights.min(), weights.max()) == (0.5, 1.5)
    assert (lots.min(), lots.max()) == (0, 800)
    assert np.corrcoef(weights, lots)[0, 1] < -0.999
