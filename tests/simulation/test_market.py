"""The market's path against the formulas that describe it."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
import pytest

from calib.simulation.instruments import INSTRUMENTS, first_names, instrument
from calib.simulation.market import REGIMES, Market
from calib.simulation.named_rng import NamedRng


@pytest.mark.parametrize("symbol", ["BTCUSDT", "AVAXUSDT", "SIM20USDT"])
def test_the_variance_of_a_step_is_that_of_its_regime(symbol: str) -> None:
    """Realised volatility, regime by regime: sigma^2 dt + 1/12 half ticks squared."""
    traded, step_s = instrument(symbol), 1.5
    market = Market(traded, NamedRng("path", symbol), step_s)
    moves: dict[str, list[int]] = defaultdict(list)
    for _ in range(20_000):
        before = market.book.mid_h
        market.step()
        moves[market.regime.name].append(market.book.mid_h - before)
    half_tick_bps = 0.5 / traded.start_ticks * 1e4
    for name, steps in moves.items():
        sigma_bps_per_sqrt_s = traded.vol_bps * {"calm": 1.0, "busy": 1.8, "storm": 4.0}[name]
        expected = (sigma_bps_per_sqrt_s / half_tick_bps) ** 2 * step_s + 1 / 12
        found = float(np.mean(np.square(steps)))
        assert abs(found / expected - 1) < 4 * math.sqrt(2 / len(steps)), (name, len(steps))
    assert set(moves) == set(REGIMES)


def test_regimes_stay_as_long_as_they_say() -> None:
    market = Market(instrument("BTCUSDT"), NamedRng("stays"), 1.5)
    stays: dict[str, list[int]] = defaultdict(list)
    name, length = market.regime.name, 0
    for _ in range(150_000):
        market.step()
        length += 1
        if market.regime.name != name:
            stays[name].append(length)
            name, length = market.regime.name, 0
    for regime, lengths in stays.items():
        mean_s = 1.5 * float(np.mean(lengths))
        assert abs(mean_s / REGIMES[regime].mean_s - 1) < 4 / math.sqrt(len(lengths)), (regime, mean_s)


@pytest.mark.parametrize("symbol", first_names(16))
def test_bid_and_ask_are_whole_ticks_around_the_mid(symbol: str) -> None:
    market = Market(instrument(symbol), NamedRng("ticks", symbol), 1.5)
    last_id = 0
    for _ in range(500):
        book = market.step()
        assert 0 < book.bid < book.ask
        assert book.update_id > last_id
        last_id = book.update_id


def test_the_usual_spread_is_the_instruments() -> None:
    traded = INSTRUMENTS["BTCUSDT"]
    book = Market(traded, NamedRng("spread"), 1.5).book
    assert (book.ask - book.bid) / traded.start_ticks * 1e4 == pytest.approx(1.2, abs=0.02)


def test_a_push_moves_the_mid_for_good() -> None:
    market = Market(instrument("BTCUSDT"), NamedRng("push"), 1.5)
    before = market.book
    market.move_mid(-8)
    assert market.book.mid_h == before.mid_h - 8
    assert market.book.update_id == before.update_id + 1


def test_no_path_ends_at_a_price_of_nothing() -> None:
    market = Market(instrument("BTCUSDT"), NamedRng("crash"), 1.5)
    market.move_mid(-10_000_000)
    assert market.book.mid_h == 612_500  # half the starting price
    assert market.book.bid > 0


def test_instruments_of_unknown_symbols_are_tradable_and_their_own() -> None:
    one, other = instrument("FOO"), instrument("BAR")
    assert (one.start_ticks, one.vol_bps) != (other.start_ticks, other.vol_bps)
    assert one.half_ticks_per_bps * one.vol_bps * math.sqrt(1.5) > 0.35
