"""Which direction of a target or feature is better for us."""

from __future__ import annotations

from calib.dataset.columns import NUMBERS


def test_gains_hits_and_markouts_are_better_if_higher_costs_delays_and_gaps_if_lower() -> None:
    found: dict[str, list[str]] = {"higher": [], "lower": [], "": []}
    for column in NUMBERS:
        found[column.better].append(column.name)
    assert found == {
        "higher": [
            "net_bps", "net_bps_equal", "markout_1s_bps", "markout_5s_bps", "markout_30s_bps", "pnl_mid",
            "cache_hit_ratio",
        ],
        "lower": [
            "slippage_bps", "taker_share", "taker_share_notional", "latency_p95_ms", "latency_p50_ms",
            "latency_p99_ms", "fetch_md_p95_ms", "cache_age_avg_ms", "deadline_miss_rate", "stale_rate", "max_gap_s",
        ],
        "": ["fill_rate", "notional", "vol_realized_bps"],
    }  # fmt: skip
