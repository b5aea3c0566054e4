"""The depth follows the best prices; market orders reach quotes at the model's intensity."""

from __future__ import annotations

import math

import pytest

from calib.simulation.depth import LEVELS, Depth
from calib.simulation.instruments import instrument
from calib.simulation.market import Market
from calib.simulation.market_order_flow import MarketOrderFlow
from calib.simulation.named_rng import NamedRng


@pytest.mark.parametrize("symbol", ["BTCUSDT", "DOTUSDT", "SIM13USDT"])
def test_depth_keeps_its_levels_at_and_behind_the_best_prices(symbol: str) -> None:
    traded = instrument(symbol)
    market = Market(traded, NamedRng(1, symbol), 0.25)
    depth = Depth(traded, NamedRng(2, symbol))
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for _ in range(500):
        best = market.step()
        changes = depth.step(best)
        for side, changed in ((bids, changes.bids), (asks, changes.asks)):
            side.update(changed)
            for price in [price for price, lots in changed.items() if not lots]:
                del side[price]
        assert (max(bids), min(asks)) == (best.bid, best.ask)
        assert (len(bids), len(asks)) == (LEVELS, LEVELS)
        assert (bids, asks) == (depth.bids, depth.asks)
        assert min([*bids.values(), *asks.values()]) > 0


def test_most_levels_stand_when_the_best_price_moves_a_little() -> None:
    traded = instrument("BTCUSDT")
    market, depth = Market(traded, NamedRng(1), 0.25), Depth(traded, NamedRng(2))
    depth.step(market.book)
    sizes = [len(changes.bids) for changes in (depth.step(market.step()) for _ in range(500))]
    assert sum(sizes) / len(sizes) < LEVELS / 2


def test_a_market_order_takes_whole_levels_and_a_share_of_the_last() -> None:
    depth = Depth(instrument("BTCUSDT"), NamedRng(1))
    depth.asks, depth.bids = {100: 10, 101: 20, 102: 30}, {99: 10, 98: 20}
    assert depth.take(+1, 101, 0.25) == ({}, {100: 0, 101: 15})
    assert depth.asks == {101: 15, 102: 30}
    assert depth.take(-1, 98, 0.5) == ({99: 0, 98: 10}, {})
    assert depth.take(+1, 100, 0.5) == ({}, {})


def test_orders_reach_a_distance_with_the_intensity_of_the_model() -> None:
    traded, hours = instrument("BTCUSDT"), 40
    tape = MarketOrderFlow(traded, NamedRng(5))
    mid_h = 2 * traded.start_ticks
    orders = [order for _ in range(hours * 3600) for order in tape.orders(mid_h, 1.0)]
    for delta_bps in (0.0, 1.0, 3.0):
        distance = delta_bps * traded.half_ticks_per_bps / 2
        for side in (+1, -1):
            reached = sum(
                order.aggressor == side and (order.limit - traded.start_ticks) * side > distance for order in orders
            )
            expected = hours * 3600 * traded.intensity_per_s * math.exp(-traded.decay_per_bps * delta_bps)
            assert abs(reached - expected) < 4 * math.sqrt(expected) + 0.02 * expected
