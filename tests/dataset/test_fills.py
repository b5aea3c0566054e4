"""The targets, each against a figure worked out by hand."""

from __future__ import annotations

import math

import pytest

from calib.dataset.fills import FillAggregator
from tests.dataset.frames import fills, sum_of_fills


def test_a_buy_below_the_mid_earns_the_edge() -> None:
    # (100.05 - 100) / 100 x 1e4 = 5 bps
    row = sum_of_fills({"price": 100.0, "mid_at_quote": 100.0, "mid_now": 100.05})
    assert row["net_bps"] == pytest.approx(5.0, rel=1e-12)


def test_a_sell_below_the_mid_loses() -> None:
    row = sum_of_fills({"side": "sell", "price": 100.0, "mid_at_quote": 100.0, "mid_now": 100.05})
    assert row["net_bps"] == pytest.approx(-5.0, rel=1e-12)


def test_net_telescopes_into_edge_less_adverse_move_less_fee() -> None:
    # e = (100 - 99.96) / 100 = 4 bps, the mid then falls 3 bps (a = 3), fee 0.5: 4 - 3 - 0.5
    row = sum_of_fills({"price": 99.96, "mid_at_quote": 100.0, "mid_now": 99.97, "fee_bps": 0.5})
    assert row["net_bps"] == pytest.approx(0.5, rel=1e-9)


def test_net_is_weighted_by_notional_and_net_equal_is_not() -> None:
    # 10 bps on 100 of notional, -5 bps on 300: (1000 - 1500) / 400 and (10 - 5) / 2
    row = sum_of_fills(
        {"price": 100.0, "qty": 1.0, "mid_at_quote": 100.0, "mid_now": 100.1},
        {"price": 100.0, "qty": 3.0, "mid_at_quote": 100.0, "mid_now": 99.95},
    )
    assert row["net_bps"] == pytest.approx(-1.25, rel=1e-9)
    assert row["net_bps_equal"] == pytest.approx(2.5, rel=1e-9)


def test_trap_partial_fills_averaged_unweighted() -> None:
    # One order filled in two parts, 0.1 far and 0.9 near: the weighted cost is 0.1 x 20 + 0.9 x 2 = 3.8 bps, not 11.
    row = sum_of_fills(
        {"price": 100.2, "qty": 0.1, "quote_price": 100.0},
        {"price": 100.02, "qty": 0.9, "quote_price": 100.0},
    )
    weights = 100.2 * 0.1, 100.02 * 0.9
    assert row["slippage_bps"] == pytest.approx((weights[0] * 20 + weights[1] * 2) / sum(weights), rel=1e-9)
    assert row["slippage_bps"] == pytest.approx(3.8, abs=0.01)


def test_the_mid_now_stands_in_for_a_missing_mid_at_quote() -> None:
    # (200 - 100) / 200 x 1e4
    assert sum_of_fills({"price": 100.0, "mid_now": 200.0})["net_bps"] == pytest.approx(5000.0)


def test_a_fill_without_mid_now_is_left_out_of_both_sums() -> None:
    row = sum_of_fills(
        {"price": 100.0, "mid_at_quote": 100.0, "mid_now": 100.1},
        {"price": 100.0, "qty": 1000.0, "mid_at_quote": 100.0},
    )
    assert row["net_bps"] == pytest.approx(10.0, rel=1e-9)
    assert row["net_bps_equal"] == pytest.approx(10.0, rel=1e-9)
    assert row["fills"] == 2


def test_without_any_mid_the_net_is_null_never_0() -> None:
    row = sum_of_fills({"price": 100.0})
    assert row["net_bps"] is None
    assert row["net_bps_equal"] is None
    assert row["slippage_bps"] is None
    assert row["taker_share"] == 0.0


@pytest.mark.parametrize(
    ("liquidity", "fee_bps", "net"),
    [("maker", None, -1.0), ("taker", None, -4.0), ("maker", -0.25, 0.25), ("taker", 0.0, 0.0)],
)
def test_the_fee_is_the_record_s_else_the_configured_one(liquidity: str, fee_bps: float | None, net: float) -> None:
    fill = {"price": 100.0, "mid_at_quote": 100.0, "mid_now": 100.0, "liquidity": liquidity, "fee_bps": fee_bps}
    assert sum_of_fills(fill, maker_fee_bps=1.0, taker_fee_bps=4.0)["net_bps"] == net


@pytest.mark.parametrize(
    ("fill", "slippage"),
    [
        ({"side": "buy", "price": 100.1, "quote_price": 100.0}, 10.0),
        ({"side": "sell", "price": 100.1, "quote_price": 100.0}, -10.0),
        ({"side": "sell", "price": 99.9, "quote_price": 100.0, "slip_bps": 77.0}, 10.0),
        ({"price": 100.1, "slip_bps": 7.5}, 7.5),
    ],
)
def test_slippage_divides_by_the_quote_and_falls_back_to_the_log(fill: dict[str, object], slippage: float) -> None:
    assert sum_of_fills(fill)["slippage_bps"] == pytest.approx(slippage, rel=1e-9)


def test_a_quote_filled_in_parts_is_one_filled_quote_and_fills_without_id_are_one_each() -> None:
    parts = [{"price": 1.0, "quote_id": quote} for quote in ("q1", "q1", "q2", None, None)]
    assert sum_of_fills(*parts)["filled_quotes"] == 4


def test_taker_share_by_count_and_by_notional() -> None:
    row = sum_of_fills(
        {"price": 100.0, "qty": 3.0},
        {"price": 100.0, "qty": 1.0, "liquidity": "taker"},
        {"price": 50.0, "qty": 8.0, "liquidity": "maker"},
        {"price": 100.0, "qty": 2.0, "liquidity": "taker"},
    )
    assert row["taker_share"] == 0.5
    assert row["taker_share_notional"] == pytest.approx(300 / 1000, rel=1e-12)


def test_an_overflow_shows_as_a_number_that_is_not_finite() -> None:
    row = sum_of_fills({"price": 1e200, "qty": 1e200, "mid_at_quote": 1e200, "mid_now": 1e200})
    assert math.isnan(row["net_bps"])
    assert row["fills"] == 1


def test_no_fills_give_no_rows() -> None:
    table = FillAggregator(0.0, 0.0)(fills())
    assert table.height == 0
    assert "net_bps" in table.columns
