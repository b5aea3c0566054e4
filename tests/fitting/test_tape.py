"""The upper bound from public trades, and what simpler estimates get wrong."""

from __future__ import annotations

import numpy as np
import pytest

from calib.fitting.rows import TradeRows
from calib.fitting.tape import Reach, fit_tape, reach_of
from calib.recorded.mids import Mids


def tape(a: float, k: float, windows: int, seed: int = 1) -> Reach:
    """Windows of a second with Poisson(a) trades whose reach past the mid is exponential with rate k."""
    random = np.random.default_rng(seed)
    counts = random.poisson(a, windows)
    deepest = [random.exponential(1 / k, n).max() if n else -np.inf for n in counts]
    return Reach(np.array(deepest), np.arange(windows, dtype=float), 1.0)


def test_the_notebooks_share_saturates_and_the_likelihood_does_not() -> None:
    """c / (W w) can never exceed one a window: A 1.02 for 2.0, k .435 for .60."""
    reach = tape(2.0, 0.6, 20_000)
    fit = fit_tape([reach], level=0.95)
    assert fit is not None
    assert fit.a_per_s.est == pytest.approx(2.0, abs=0.04)
    assert fit.k.est == pytest.approx(0.6, abs=0.02)
    assert fit.k.low is not None
    assert fit.k.high is not None
    assert fit.k.low < 0.6 < fit.k.high
    saturating = (reach.reach_bps > 0).mean()
    assert saturating < 0.9
    assert reach.rate(0.0) == pytest.approx(2.0, abs=0.05)


def test_the_mid_of_a_window_is_that_of_its_start() -> None:
    """Trades that push the mid are measured from where it was: a sell to 99.9 reaches 10 bps, not 0."""
    mids = Mids.of(np.array([0.0, 1.5, 4.0]), np.array([100.0, 99.9, 99.9]))
    trades = TradeRows(
        np.array([1.4, 1.6]), np.array([np.nan] * 2), np.array([-1.0, -1.0]), np.array([99.9, 99.8]), np.ones(2)
    )
    found = reach_of(trades, trades.ts, mids, "buy", 0.0, 4.0, 60.0)
    assert found.start_s.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert found.reach_bps.tolist() == pytest.approx([-np.inf, 20.0, -np.inf, -np.inf])


def test_buys_meet_sellers() -> None:
    mids = Mids.of(np.array([0.0, 9.0]), np.array([100.0, 100.0]))
    trades = TradeRows(np.array([0.5]), np.array([np.nan]), np.array([1.0]), np.array([100.1]), np.ones(1))
    assert (reach_of(trades, trades.ts, mids, "buy", 0.0, 2.0, 60.0).reach_bps > 0).sum() == 0
    assert reach_of(trades, trades.ts, mids, "sell", 0.0, 2.0, 60.0).reach_bps[0] == pytest.approx(10.0)


def test_too_little_to_fit() -> None:
    assert fit_tape([Reach(np.array([-np.inf, 1.0]), np.arange(2.0), 1.0)], level=0.95) is None
