"""Markouts: the identity to the last digit, the mids that count, the intervals, the buckets."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.fitting.bootstrap import benjamini_hochberg, block_length_s, ratio_interval, resampled
from calib.fitting.buckets import cache_state, dimensions
from calib.fitting.markout import markout_table
from calib.fitting.markouts_of import FillMarkouts, fill_markouts, trade_markouts
from calib.fitting.rows import TickRows, TradeRows
from calib.recorded.mids import Mids
from tests.fitting.test_joins import fill_rows

NAN = float("nan")


def one_fill(mids: Mids, horizons: tuple[float, ...] = (1.0, 5.0), at: float = 10.0, **fields: float) -> FillMarkouts:
    rows = fill_rows(("q", at, fields.get("sign", 1.0), fields.get("maker", 1.0) > 0))
    columns: dict[str, Any] = {
        name: np.array([fields[name]]) for name in ("price", "mid_now", "mid_at_quote", "fee_bps") if name in fields
    }
    rows = type(rows)(**{name: columns.get(name, getattr(rows, name)) for name in rows.__slots__})
    return fill_markouts(rows, rows.ts, mids, horizons, 60.0)


MIDS = Mids.of(np.array([0.0, 10.0, 11.0, 14.0, 20.0]), np.array([100.0, 99.0, 98.5, 99.5, 99.5]))


def test_a_maker_buy_by_hand() -> None:
    """Bought at 99.5 for a mid of 100; the mid at the fill is 99, one second later 98.5."""
    found = one_fill(MIDS, price=99.5, mid_at_quote=100.0, fee_bps=-0.5, horizons=(3.5,))
    assert found.before.tolist() == [100.0]
    assert found.at_fill.tolist() == [99.0]
    assert found.markout(0).tolist() == pytest.approx([-50.0])
    assert found.net(0).tolist() == pytest.approx([-99.5])
    # The aggressor sold: effective 2 x (100 - 99.5) = 100 bps, impact 150 bps, realised 100 - 300.
    assert found.impact(0).tolist() == pytest.approx([150.0])
    assert found.realised(0).tolist() == pytest.approx([-200.0])


def test_the_mid_just_before_the_fill_is_strictly_before() -> None:
    assert one_fill(MIDS, at=10.0).before.tolist() == [100.0]
    assert one_fill(MIDS, at=10.0).at_fill.tolist() == [99.0]


def test_horizons_past_the_end_of_the_mids_are_null() -> None:
    """The last mid is never carried on: a stale one would look like a quiet market."""
    found = one_fill(MIDS, horizons=(9.0, 11.0))
    assert np.isfinite(found.later[0]).all()
    assert np.isnan(found.later[1]).all()


def test_horizons_over_a_gap_are_null() -> None:
    mids = Mids.of(np.array([0.0, 10.0, 14.0, 20.0]), np.array([100.0, 99.0, 99.5, 99.0]), np.array([13.0]))
    found = one_fill(mids, horizons=(5.0,))
    assert np.isnan(found.later).all()


def test_mids_coarser_than_the_horizon_give_null() -> None:
    found = one_fill(MIDS, horizons=(0.1, 5.0))
    assert np.isnan(found.later[0]).all()
    assert np.isfinite(found.later[1]).all()


def test_mid_now_may_hold_the_impact_and_is_kept_apart() -> None:
    found = one_fill(MIDS, mid_now=98.0)
    assert (found.before.tolist(), found.at_fill.tolist()) == ([100.0], [98.0])


def test_public_trades_take_the_mid_before_for_every_base() -> None:
    trades = TradeRows(np.array([10.0]), np.array([NAN]), np.array([1.0]), np.array([100.2]), np.array([2.0]))
    found = trade_markouts(trades, trades.ts, MIDS, (3.5,), 60.0)
    assert found.base.tolist() == found.before.tolist() == [100.0]
    assert found.markout(0).tolist() == found.impact(0).tolist() == pytest.approx([-150.0])
    at = trade_markouts(trades, trades.ts, MIDS, (3.5,), 60.0, before=False)
    assert at.base.tolist() == [99.0]


def table_of(fills: FillMarkouts, horizons: tuple[float, ...] = (1.0,)) -> list[dict[str, object]]:
    n = len(fills.sign)
    dims = dimensions(["X"] * n, fills.sign, fills.time_s, np.full(n, 5.0), np.full(n, NAN), np.full(n, NAN))
    return [row.as_json() for row in markout_table("maker", fills, dims, horizons).rows]


def drawn(n: int, seed: int = 1, drift: float = 0.0) -> FillMarkouts:
    random = np.random.default_rng(seed)
    time = np.sort(random.uniform(0, 7200, n))
    sign = random.choice([-1.0, 1.0], n)
    before = 100 + random.normal(0, 0.1, n)
    at_fill = before + random.normal(0, 0.01, n)
    later = at_fill + random.normal(0, 0.02, n) + sign * drift
    price = before - sign * 0.02
    return FillMarkouts(
        sign, random.uniform(1, 9, n), time, -sign, price, np.full(n, 0.1), before, at_fill, before, later[None, :]
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 60), st.integers(0, 50))
def test_the_decomposition_adds_up_to_the_last_digit(n: int, seed: int) -> None:
    for row in table_of(drawn(n, seed)):
        effective, realised, impact = (row[key] for key in ("effective", "realised", "impact"))
        assert isinstance(realised, float)
        assert isinstance(impact, float)
        assert effective == realised + 2 * impact


def test_the_decomposition_is_the_effective_spread_of_the_same_fills() -> None:
    fills = drawn(200)
    row = next(row for row in table_of(fills) if row["bucket"] == "all" and row["weight"] == "equal")
    direct = (2 * fills.aggressor * (fills.price - fills.before) / fills.base * 1e4).mean()
    assert row["effective"] == pytest.approx(direct)


def test_without_adverse_selection_the_interval_covers_zero() -> None:
    """Two hundred samples without drift: the interval misses 0 in about one of twenty."""
    misses = 0
    for seed in range(200):
        fills = drawn(150, seed)
        blocks = np.floor(fills.time_s / block_length_s(1.0)).astype(int)
        low, high = ratio_interval(fills.markout(0), np.ones(150), blocks, level=0.95)
        assert low is not None
        assert high is not None
        misses += not low <= 0 <= high
    # 5 % of 200 is 10, two standard errors are 6; the percentile bootstrap is a little narrow.
    assert 4 <= misses <= 20


def test_adverse_selection_is_seen() -> None:
    row = next(row for row in table_of(drawn(400, drift=-0.02)) if row["bucket"] == "all" and row["weight"] == "equal")
    assert isinstance(row["high"], float)
    assert row["high"] < 0


def test_with_fewer_than_20_blocks_there_is_no_interval() -> None:
    time = np.arange(10.0) * 60
    assert ratio_interval(np.ones(10), np.ones(10), np.floor(time / 60).astype(int), level=0.95) == (None, None)
    assert block_length_s(30.0) == 120.0
    assert block_length_s(1.0) == 60.0


def test_iid_intervals_would_be_too_narrow_for_overlapping_horizons() -> None:
    """A random walk's 30 s changes each second: errors depend on each other, and blocks know it."""
    random = np.random.default_rng(4)
    walk = np.cumsum(random.normal(size=7230))
    change = walk[30:] - walk[:-30]
    blocks = np.floor(np.arange(7200) / block_length_s(30.0)).astype(int)
    low, high = ratio_interval(change, np.ones(7200), blocks, level=0.95)
    assert low is not None
    assert high is not None
    naive = 2 * 1.96 * change.std() / np.sqrt(7200)
    assert high - low > 3 * naive


def test_every_row_resamples_the_same_blocks() -> None:
    sums = np.array([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 0.0, 5.0]])
    drawn_ = resampled(sums, draws=50)
    assert (drawn_[1] == 2 * drawn_[0]).all()
    assert set(drawn_[2] / 5) <= {0.0, 1.0, 2.0, 3.0}


def test_benjamini_and_hochberg_by_hand() -> None:
    """Their own example, 1995, section 3.2: 15 p values, the first four are rejected at .05."""
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1.0,
    ]
    assert [q <= 0.05 for q in benjamini_hochberg(p)].count(True) == 4


def test_latency_buckets_have_fixed_edges() -> None:
    latency = np.array([0.0, 9.9, 10.0, 299.0, 300.0, NAN])
    n = len(latency)
    found = dimensions(["X"] * n, np.ones(n), np.zeros(n), latency, np.full(n, NAN), np.full(n, NAN))
    dim = next(one for one in found if one.name == "latency_ms")
    assert [dim.labels[code] if code >= 0 else None for code in dim.code] == [
        *("0-10", "0-10", "10-30", "100-300", "300+"),
        None,
    ]


def test_the_tick_that_quoted_is_found_by_its_times() -> None:
    rows = fill_rows(("a", 20.0, 1.0, True), ("b", 21.0, 1.0, True), ("c", 22.0, 1.0, True))
    columns = {name: getattr(rows, name) for name in rows.__slots__}
    columns |= {"ts_quote": np.array([10.05, 10.2, NAN]), "used_stale": np.array([NAN, NAN, 0.0])}
    ticks = TickRows(np.array([10.0]), np.array([100.0]), np.array([99.0]), np.array([1.0]), np.array([33.0]))
    stale, age = cache_state(type(rows)(**columns), ticks)
    # The first was sent within the tick, the second 0.1 s after its end, the third is stamped.
    assert stale.tolist()[0] == 1.0
    assert np.isnan(stale[1])
    assert stale[2] == 0.0
    assert age[0] == 33.0
