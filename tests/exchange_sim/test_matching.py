"""Queue matching: worked examples, and a slow model that tracks every lot."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.exchange_sim.matching import Match, QueueMatching


def test_a_trade_at_our_price_eats_what_is_ahead_first() -> None:
    matching = QueueMatching()
    matching.place("q", +1, price=100, qty=5, ahead=10)
    assert matching.trade(-1, 100, 10) == []
    resting = matching.get("q")
    assert resting is not None
    assert (resting.ahead, resting.left) == (0, 5)
    assert matching.trade(-1, 100, 2) == [Match("q", 100, 2)]
    assert matching.trade(-1, 100, 99) == [Match("q", 100, 3)]
    assert matching.get("q") is None


def test_trades_of_our_own_side_or_at_other_prices_leave_us_alone() -> None:
    matching = QueueMatching()
    matching.place("buy", +1, price=100, qty=5, ahead=0)
    assert matching.trade(+1, 100, 50) == []
    assert matching.trade(-1, 101, 50) == []


@pytest.mark.parametrize(("sign", "price"), [(+1, 99), (-1, 101)])
def test_a_trade_through_our_price_fills_us_whatever_was_ahead(sign: int, price: int) -> None:
    matching = QueueMatching()
    matching.place("q", sign, price=100, qty=5, ahead=1000)
    assert matching.trade(-sign, price, 1) == [Match("q", 100, 5)]


@pytest.mark.parametrize(("sign", "bid", "ask"), [(+1, 98, 100), (-1, 100, 102)])
def test_a_market_that_quotes_through_us_fills_us(sign: int, bid: int, ask: int) -> None:
    matching = QueueMatching()
    matching.place("q", sign, price=100, qty=5, ahead=1000)
    assert matching.best(bid, ask) == [Match("q", 100, 5)]


def test_a_shrinking_level_moves_us_up_and_a_growing_one_does_not_move_us_back() -> None:
    matching = QueueMatching()
    matching.place("q", +1, price=100, qty=5, ahead=50)
    matching.level(+1, 100, 20)
    matching.level(+1, 100, 90)
    matching.level(-1, 100, 1)
    matching.level(+1, 99, 1)
    resting = matching.get("q")
    assert resting is not None
    assert resting.ahead == 20


def test_a_cancelled_quote_is_filled_no_more() -> None:
    matching = QueueMatching()
    matching.place("q", +1, price=100, qty=5, ahead=0)
    cancelled = matching.cancel("q")
    assert cancelled is not None
    assert cancelled.left == 5
    assert matching.trade(-1, 100, 50) == []
    assert matching.cancel("q") is None


@pytest.mark.parametrize(("sign", "qty", "ahead"), [(0, 1, 0), (1, 0, 0), (1, 1, -1)])
def test_no_such_quote(sign: int, qty: int, ahead: int) -> None:
    with pytest.raises(ValueError, match="invalid quote"):
        QueueMatching().place("q", sign, 100, qty, ahead)


@given(
    ahead=st.integers(0, 30),
    qty=st.integers(1, 30),
    trades=st.lists(st.integers(1, 20), max_size=12),
)
@settings(deadline=None, max_examples=100)
def test_equals_a_queue_of_single_lots(ahead: int, qty: int, trades: list[int]) -> None:
    lots = ["other"] * ahead + ["ours"] * qty
    matching = QueueMatching()
    matching.place("q", +1, price=100, qty=qty, ahead=ahead)
    for size in trades:
        taken, lots = lots[:size], lots[size:]
        assert sum(match.qty for match in matching.trade(-1, 100, size)) == taken.count("ours")
