"""One small recording, every read of it worked out by hand."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest

from calib.market import MDCacheConfig
from calib.replay.latencies import LatencyChoice
from calib.replay.run import run_replay
from calib.replay.settings import ReplaySettings
from tests.replay.recording import STREAMED, delta, fill, snapshot, tick, write

CALLBACK = ReplaySettings(
    md_cache=STREAMED.changed(ttl_ms=100, fresh_ms_for_pricing=60, guard_max_age_ms=50),
    fill="callback",
    latency=LatencyChoice("constant", (20.0,)),
)
"""The venue answers after 20 ms with its book of 10 ms after the question."""

# The true book: 100 / 102 (mid 101) from 0.010 on, 101.5 / 102 (mid 101.75) from 0.115, 101.5 / 103 (mid 102.25)
# from 0.205.
BOOK = [
    snapshot(0.000, 10, [(100, 1)], [(102, 1)]),
    delta(0.010, 11, bids=[(90, 1)]),
    delta(0.115, 12, bids=[(100, 0), (101.5, 1)]),
    delta(0.205, 13, asks=[(102, 0), (103, 1)]),
]
# Answered from the question at 0.100: cut at 0.110 (mid 101), there at 0.120. From 0.170: cut at 0.180 (mid 101.75),
# there at 0.190. From 0.280: cut at 0.290 (mid 102.25), there at 0.300.
TICKS = [
    tick(0.005),  # before the book is known: no read
    tick(0.100),  # nothing cached: a miss of 20 ms, there at 0.120 when the truth is 101.75
    tick(0.150),  # age 50: fresh
    tick(0.170),  # age 70: stale, a refresh begins
    tick(0.200),  # age 30: fresh, and right
    tick(0.210, "guards"),  # age 40: fresh, the ask is old
    tick(0.280, "general"),  # age 110: stale, a refresh begins
    tick(0.285, "guards"),  # age 115: waits for the refresh of 0.280, there at 0.300, age 20, right
]


@pytest.fixture
def outcome(tmp_path: Path) -> Any:
    return run_replay(write(tmp_path, book=BOOK, pipeline_ticks=TICKS), CALLBACK).data


def test_each_read_is_answered_as_worked_out(outcome: Any) -> None:
    by_use_case = outcome["overall"]["by_use_case"]
    found = {
        use_case: {status: n for status, n in figures["statuses"].items() if n}
        for use_case, figures in by_use_case.items()
    }
    assert found == {
        "pricing": {"miss": 1, "fresh": 2, "stale": 1},
        "guards": {"fresh": 1, "coalesced": 1},
        "general": {"stale": 1},
    }
    assert outcome["overall"]["hit_ratio"] == 5 / 7
    assert outcome["overall"]["requests"] == 3
    assert (outcome["overall"]["pricing_on_stale"], outcome["overall"]["pricing_on_stale_ratio"]) == (1, 1 / 4)


def test_the_error_is_taken_when_the_reader_has_the_book(outcome: Any) -> None:
    off_by = 0.75 / 101.75 * 1e4
    pricing = outcome["overall"]["by_use_case"]["pricing"]["staleness"]
    assert pricing["judged"] == 4  # three at 101 against 101.75, one right
    assert pricing["error_bps"]["mean"] == pytest.approx(3 * off_by / 4)
    assert pricing["error_bps"]["max"] == pytest.approx(off_by)
    assert pricing["over_half_spread_ratio"] == 3 / 4  # 0.75 off, half the true spread is 0.25
    assert pricing["top_price_differs_ratio"] == 3 / 4
    guards = outcome["overall"]["by_use_case"]["guards"]["staleness"]
    assert guards["error_bps"]["max"] == pytest.approx(0.5 / 102.25 * 1e4)
    assert guards["over_half_spread_ratio"] == 0.0  # 0.5 off, half the true spread is 0.75
    assert guards["top_price_differs_ratio"] == 1 / 2


def test_ages_and_durations_are_linear_quantiles_of_all_reads(outcome: Any) -> None:
    # Ages 20 50 70 30 40 110 20: sorted 20 20 30 40 50 70 110; p95 at place 5.7: 70 + 0.7 * 40 = 98.
    assert outcome["overall"]["age_ms"]["p50"] == pytest.approx(40.0)
    assert outcome["overall"]["age_ms"]["p95"] == pytest.approx(98.0)
    # Waits 20 0 0 0 0 0 15: p95 at place 5.7: 15 + 0.7 * 5 = 18.5. Without the cache each takes 20.
    times = outcome["overall"]["fetch_md_ms"]
    assert times["with_cache"]["p95"] == pytest.approx(18.5)
    assert times["without_cache"] == {"p50": 20.0, "p95": 20.0, "p99": 20.0}


def test_a_tick_before_the_book_is_known_is_counted_and_said(outcome: Any) -> None:
    assert outcome["recording"]["ticks_without_book"] == {"X": 1}
    assert "Left out: 1 tick of X, before its book is known." in outcome["notes"]


def test_in_stream_mode_every_book_is_the_true_one_and_the_report_says_that_ttls_had_no_effect(tmp_path: Path) -> None:
    """A frame every 100 ms, a read 50 ms after each from 1 s on: past a TTL of 20 ms it is called stale, and right."""
    book = [snapshot(0.0, 10, [(100, 1)], [(102, 1)])]
    book += [delta(n / 10, 10 + n, bids=[(100, 1 + n)]) for n in range(1, 30)]
    ticks = [tick(1 + n / 10 + 0.05) for n in range(15)]
    feeds = write(tmp_path, book=book, pipeline_ticks=ticks)
    for ttl_ms, status in ((20, "stale"), (1000, "fresh")):
        settings = ReplaySettings(md_cache=MDCacheConfig(ttl_ms=ttl_ms), latency=LatencyChoice("constant", (20.0,)))
        data = run_replay(feeds, settings).data
        assert data["overall"]["statuses"][status] == 15
        assert data["overall"]["staleness"]["judged"] == 15
        assert data["overall"]["staleness"]["top_differs_ratio"] == 0.0
        assert data["overall"]["stream"]["gaps"] == 0
        assert any("TTLs had no effect" in note for note in data["notes"])


def test_fidelity_compares_ticks_that_were_not_sampled_and_names_the_first_divergences(tmp_path: Path) -> None:
    ticks = [
        tick(0.100, sample_rate=1, cache_hit=False, cache_age_ms=20.4, used_stale=False),  # all agree, age within 1 ms
        tick(0.150, sample_rate=1, cache_hit=True, cache_age_ms=55.0, used_stale=True),  # replayed: 50 ms, fresh
        tick(0.160, sample_rate=10, cache_hit=True),
        tick(0.165, cache_hit=True),
    ]
    found = run_replay(write(tmp_path, book=BOOK, pipeline_ticks=ticks), CALLBACK).data["fidelity"]
    assert (found["comparable"], found["compared"]) == (True, 2)
    assert found["left_out"] == {"sample_rate_unknown": 1, "sampled": 1}
    assert (found["cache_hit_agreement"], found["cache_age_ms_agreement"]) == (1.0, 0.5)
    assert found["used_stale_agreement"] == 0.5
    [divergence] = found["first_divergences"]
    assert (divergence["line"], divergence["cache_age_ms"]["recorded"]) == (2, 55.0)
    assert divergence["used_stale"] == {"recorded": True, "replayed": False}


def test_fidelity_of_sampled_ticks_is_not_comparable(tmp_path: Path) -> None:
    ticks = [tick(0.1, sample_rate=10), tick(0.2)]
    found = run_replay(write(tmp_path, book=BOOK, pipeline_ticks=ticks), CALLBACK).data["fidelity"]
    assert found == {"comparable": False, "left_out": {"sample_rate_unknown": 1, "sampled": 1}}


def test_features_are_those_of_what_was_read_and_filled(tmp_path: Path) -> None:
    ticks = [
        tick(0.100, tick_total_ms=50.0, stage_latencies={"fetch_md": 30.0}, n_quotes=2, sample_rate=1),
        tick(0.250, tick_total_ms=40.0, stage_latencies={"fetch_md": 30.0}, sample_rate=1),
    ]
    fills = [fill(0.260, price=101.0, mid_at_quote=100.0, mid_now=102.0, liquidity="taker")]
    settings = ReplaySettings(
        md_cache=STREAMED, fill="callback", latency=LatencyChoice("constant", (20.0,)), features_every_us=100_000
    )
    feeds = write(tmp_path, book=[*BOOK, delta(0.400, 14)], pipeline_ticks=ticks, fills=fills)
    grid = run_replay(feeds, settings).features
    assert grid is not None
    rows = grid.frame().rows(named=True)
    assert [round(row["ts"] % 86_400, 3) for row in rows] == [0.2, 0.3, 0.4]  # at 0.1 nothing was read yet
    first, second, _ = rows
    # At 0.120 the first read has its book (top 1 + 1). Its tick: 50 as recorded, with 20 instead of 30 for the read.
    assert (first["liq_top_depth"], first["latency_p95"], first["fill_rate"], first["fills_total"]) == (
        2.0,
        40.0,
        0.0,
        0,
    )
    # The second read is served what is cached at once: 40 - 30 + 0. p95 of (40, 10) is 38.5; smoothed by 0.1.
    assert second["latency_p95"] == pytest.approx(40.0 + 0.1 * (38.5 - 40.0))
    assert (second["fills_total"], second["taker_share"]) == (1, 1.0)
    assert second["pnl_dev"] == pytest.approx((102.0 - 101.0) / 100.0 * 1e4)
    assert second["adverse_move_bps"] == pytest.approx(-200.0)
    assert math.isclose(second["fill_rate"], 1 / (1 + 0.9))  # two quotes decay to 1 + 0.9, then one fill


def test_it_may_be_called_where_a_loop_runs(tmp_path: Path, outcome: Any) -> None:
    """As in a notebook's cell."""

    async def cell() -> Any:
        return run_replay(tmp_path / "again", CALLBACK)

    write(tmp_path / "again", book=BOOK, pipeline_ticks=TICKS)
    assert asyncio.run(cell()).data["overall"] == outcome["overall"]
