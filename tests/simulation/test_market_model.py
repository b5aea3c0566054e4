"""The venue's truth of one symbol: the stream builds it exactly, quotes are filled by rule, intensity comes out."""

from __future__ import annotations

import math

import pytest

from calib.market import OrderBook
from calib.simulation.instruments import instrument
from calib.simulation.market_model import MarketModel

STEP_S = 0.25


def test_the_deltas_build_a_book_with_the_true_best_prices_and_ids_without_a_hole() -> None:
    traded = instrument("ETHUSDT")
    world, book = MarketModel(traded, (1, 0), STEP_S), OrderBook("ETHUSDT")
    deltas = [world.open()]
    for _ in range(2000):
        deltas += world.step().deltas
        last = 1_000_000 if book.update_id is None else book.update_id
        for delta in deltas:
            assert delta.first_id == last + 1
            last = delta.last_id
            book.delta(delta.bids, delta.asks, delta.last_id)
        deltas = []
        assert book.best_bid is not None
        assert book.best_ask is not None
        assert (book.best_bid[0], book.best_ask[0]) == (traded.price(world.best.bid), traded.price(world.best.ask))
        assert not book.crossed
    assert book.problems() == []


def test_a_jump_moves_the_market_by_whole_ticks() -> None:
    world = MarketModel(instrument("BTCUSDT"), (1, 0), STEP_S)
    world.open()
    before = world.best
    happened = world.jump(-40)
    assert (world.best.bid, world.best.ask) == (before.bid - 40, before.ask - 40)
    assert len(happened.deltas) == 1


def test_our_market_order_walks_the_levels() -> None:
    world = MarketModel(instrument("BTCUSDT"), (1, 0), STEP_S)
    world.open()
    first = world.lots_at(-1, world.best.ask)
    prints = world.take(+1, first + 1)
    assert prints[0] == (+1, world.best.ask, first)
    assert (prints[1].lots, prints[1].price > world.best.ask) == (1, True)


@pytest.mark.parametrize("delta_bps", [1.0, 2.0])
def test_quotes_with_nobody_ahead_are_reached_at_the_intensity_of_the_model(delta_bps: float) -> None:
    """Quotes are renewed at every step at a fixed distance from the mid, first in their queue: fills / time is
    A exp(-k delta), and somewhat more, because the moving market passes quotes too."""
    traded = instrument("BTCUSDT")
    world = MarketModel(traded, (3, 0), STEP_S)
    world.open()
    steps, fills = 60_000, 0
    away = round(delta_bps * traded.half_ticks_per_bps / 2)
    for number in range(steps):
        bid = (world.best.mid_h - 2 * away) // 2
        world.matching.place(f"q{number}", +1, bid, 1, 0)
        fills += len(world.step().matches)
        world.matching.cancel(f"q{number}")
    expected = steps * STEP_S * traded.intensity_per_s * math.exp(-traded.decay_per_bps * delta_bps)
    assert abs(fills - expected) < 4 * math.sqrt(expected) + 0.06 * expected


def test_equal_names_give_equal_worlds() -> None:
    one, other = (MarketModel(instrument("XRPUSDT"), (9, 7), STEP_S) for _ in range(2))
    assert one.open() == other.open()
    assert [one.step() for _ in range(200)] == [other.step() for _ in range(200)]
