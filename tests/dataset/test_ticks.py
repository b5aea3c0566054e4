"""The features, each against a figure worked out by hand."""

from __future__ import annotations

import itertools
import math

import pytest

from calib.dataset.ticks import MAX_QUOTES, TickAggregator
from tests.dataset.frames import sum_of_ticks, ticks


def test_trap_polars_quantile_defaults_to_nearest() -> None:
    # The p95 of 1..10 lies at place 0.95 x 9 = 8.55: 9 + 0.55 = 9.55; the nearest value would be 10.
    row = sum_of_ticks(*({"ts": float(n), "tick_total_ms": float(n), "md": n / 10} for n in range(1, 11)))
    assert row["latency_p95_ms"] == pytest.approx(9.55, rel=1e-12)
    assert row["latency_p50_ms"] == pytest.approx(5.5, rel=1e-12)
    assert row["latency_p99_ms"] == pytest.approx(9.91, rel=1e-12)
    assert row["fetch_md_p95_ms"] == pytest.approx(0.955, rel=1e-12)


def test_stages_that_are_null_are_left_out_of_the_quantile() -> None:
    row = sum_of_ticks({"ts": 1.0, "md": 4.0}, {"ts": 2.0, "md": None}, {"ts": 3.0})
    assert row["fetch_md_p95_ms"] == 4.0
    assert sum_of_ticks({"ts": 1.0})["fetch_md_p95_ms"] is None


def test_trap_ticks_sampled_1_in_10() -> None:
    # Two lines that stand for ten ticks each with one quote a tick are twenty quotes, not two.
    assert sum_of_ticks({"ts": 1.0}, {"ts": 2.0})["quotes"] == 20
    assert sum_of_ticks({"ts": 1.0}, {"ts": 2.0}, tick_sample_rate=1)["quotes"] == 2


def test_quotes_are_counted_line_by_line() -> None:
    # 2 x 5 + (else 1) x 3 + 4 x (else 10) + 0 x 7
    row = sum_of_ticks(
        {"ts": 1.0, "n_quotes": 2, "sample_rate": 5},
        {"ts": 2.0, "sample_rate": 3},
        {"ts": 3.0, "n_quotes": 4},
        {"ts": 4.0, "n_quotes": 0, "sample_rate": 7},
    )
    assert row["quotes"] == 10 + 3 + 40


def test_a_count_of_quotes_past_63_bits_is_capped_not_wrapped() -> None:
    huge = {"n_quotes": 2**63 - 1, "sample_rate": 2**63 - 1}
    assert sum_of_ticks({"ts": 1.0, **huge}, {"ts": 2.0, **huge}, {"ts": 3.0})["quotes"] == MAX_QUOTES
    assert sum_of_ticks({"ts": 1.0, "n_quotes": 2**62, "sample_rate": 1})["quotes"] == 2**62


def test_rates_and_means_over_what_is_known() -> None:
    row = sum_of_ticks(
        {"ts": 1.0, "cache_hit": True, "deadline_miss": False, "used_stale": True, "cache_age_ms": 10.0},
        {"ts": 2.0, "cache_hit": False, "deadline_miss": False, "used_stale": False, "cache_age_ms": 15.0},
        {"ts": 3.0, "cache_hit": True, "deadline_miss": True},
        {"ts": 4.0, "cache_hit": True, "deadline_miss": False},
    )
    assert row["cache_hit_ratio"] == 0.75
    assert row["deadline_miss_rate"] == 0.25
    assert row["stale_rate"] == 0.5
    assert row["cache_age_avg_ms"] == 12.5
    assert row["ticks"] == 4


def test_missing_is_null_never_0() -> None:
    row = sum_of_ticks({"ts": 1.0})
    for name in ("fetch_md_p95_ms", "cache_age_avg_ms", "stale_rate", "vol_realized_bps"):
        assert row[name] is None, name


@pytest.mark.parametrize(
    ("times", "gap"),
    [([10.0, 20.0, 290.0], 270.0), ([100.0, 200.0, 290.0], 100.0), ([10.0, 20.0], 280.0), ([0.0], 300.0)],
)
def test_the_longest_silence_includes_the_interval_s_edges(times: list[float], gap: float) -> None:
    assert sum_of_ticks(*({"ts": ts} for ts in times))["max_gap_s"] == gap


def test_the_stream_s_own_gaps_are_used_alone_where_any_line_tells_them() -> None:
    row = sum_of_ticks({"ts": 1.0, "ws_gap_ms": 250.0}, {"ts": 2.0, "ws_gap_ms": 1500.0}, {"ts": 299.0})
    assert row["max_gap_s"] == 1.5


def test_a_silence_is_measured_from_the_interval_s_own_start() -> None:
    row = sum_of_ticks({"ts": 900.0 + 299.0, "index": 3})
    assert row["max_gap_s"] == 299.0


def test_realised_volatility_is_the_root_of_the_squared_returns() -> None:
    # ln(101/100) = 0.00995033..., ln(99/101) = -0.02000067...: 1e4 sqrt(9.9009e-5 + 4.000268e-4)
    row = sum_of_ticks({"ts": 1.0, "mid": 100.0}, {"ts": 2.0}, {"ts": 3.0, "mid": 101.0}, {"ts": 4.0, "mid": 99.0})
    expected = 1e4 * math.sqrt(math.log(101 / 100) ** 2 + math.log(99 / 101) ** 2)
    assert row["vol_realized_bps"] == pytest.approx(expected, rel=1e-12)
    assert row["vol_realized_bps"] == pytest.approx(223.39, abs=0.01)


def test_one_mid_has_no_volatility_and_a_mid_that_stands_still_has_none_either() -> None:
    assert sum_of_ticks({"ts": 1.0, "mid": 5.0}, {"ts": 2.0})["vol_realized_bps"] is None
    assert sum_of_ticks({"ts": 1.0, "mid": 5.0}, {"ts": 2.0, "mid": 5.0})["vol_realized_bps"] == 0.0


def test_the_smallest_move_is_not_lost_and_the_largest_does_not_overflow() -> None:
    tiny = sum_of_ticks({"ts": 1.0, "mid": 1e5}, {"ts": 2.0, "mid": 1e5 * (1 + 2**-40)})
    assert tiny["vol_realized_bps"] == pytest.approx(1e4 * 2**-40, rel=1e-9)
    huge = sum_of_ticks({"ts": 1.0, "mid": 1e-300}, {"ts": 2.0, "mid": 1e300})
    assert huge["vol_realized_bps"] == pytest.approx(1e4 * 600 * math.log(10), rel=1e-12)
    fall = sum_of_ticks({"ts": 1.0, "mid": 1e20}, {"ts": 2.0, "mid": 1e-5})
    assert fall["vol_realized_bps"] == pytest.approx(1e4 * 25 * math.log(10), rel=1e-12)


def test_lines_are_ordered_by_ts_then_file_then_line() -> None:
    lines = (
        {"ts": 2.0, "mid": 3.0, "file": 0, "line": 9},
        {"ts": 1.0, "mid": 8.0, "file": 1, "line": 1},
        {"ts": 1.0, "mid": 2.0, "file": 0, "line": 7},
        {"ts": 1.0, "mid": 5.0, "file": 0, "line": 8},
    )
    path = [2.0, 5.0, 8.0, 3.0]
    squares = [math.log(b / a) ** 2 for a, b in itertools.pairwise(path)]
    for order in (lines, lines[::-1]):
        assert sum_of_ticks(*order)["vol_realized_bps"] == pytest.approx(1e4 * math.sqrt(sum(squares)), rel=1e-12)


def test_symbols_and_intervals_do_not_mix() -> None:
    table = TickAggregator(300, 1)(
        ticks(
            {"ts": 299.0, "mid": 1.0, "tick_total_ms": 1.0},
            {"ts": 301.0, "mid": 2.0, "tick_total_ms": 2.0, "index": 1},
            {"ts": 299.5, "mid": 4.0, "tick_total_ms": 4.0, "symbol": "ADAUSDT"},
            {"ts": 302.0, "mid": 8.0, "tick_total_ms": 8.0, "index": 1},
        )
    )
    rows = [(r["symbol"], r["index"], r["ticks"], r["latency_p50_ms"]) for r in table.iter_rows(named=True)]
    assert rows == [("ADAUSDT", 0, 1, 4.0), ("BTCUSDT", 0, 1, 1.0), ("BTCUSDT", 1, 2, 5.0)]
    assert table["vol_realized_bps"].to_list() == [None, None, pytest.approx(1e4 * math.log(4))]
    assert table["max_gap_s"].to_list() == [299.5, 299.0, 298.0]
