"""Replays of real recordings; skipped where they are not beside the checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from calib.importers import collect, store
from calib.importers.formats.hftbacktest_collector import HftbacktestCollector
from calib.replay.run import run_replay
from calib.replay.settings import ReplaySettings
from tests.replay.recording import STREAMED

COLLECTOR = "hftbacktest_collector"


def imported(files: list[Path], directory: Path) -> Path:
    store(collect(HftbacktestCollector(), files), directory)
    return directory


@pytest.fixture(scope="module")
def btc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.conftest import REAL_FEEDS

    if not REAL_FEEDS.is_dir():
        pytest.skip("the real recordings are not beside this checkout (../shared/real_feeds)")
    return imported([REAL_FEEDS / COLLECTOR / "usdm" / "btcusdt_20240808.gz"], tmp_path_factory.mktemp("btc"))


def test_btc_futures_through_the_stream_is_never_wrong(btc: Path) -> None:
    """Known of the recording: 6,551 deltas, no gap, the longest silence 344.87 ms, receive clock 1.27 s behind."""
    deep = ReplaySettings(md_cache=ReplaySettings().md_cache.changed(max_depth=200))
    data = run_replay(btc, deep).data
    overall = data["overall"]
    assert data["settings"]["sequence_rule"] == "previous"
    assert data["recording"]["lines"]["book"] == 6552
    assert overall["stream"]["gaps"] == overall["stream"]["rewinds"] == 0
    assert data["recording"]["truth"]["BTCUSDT"]["counts"] == {}
    # The snapshot of 0.32 s is bridged before 0.4 s: reads from there to 344.8 s, ten a second.
    assert overall["reads"] == 3445
    assert overall["hit_ratio"] > 0.99
    served = overall["by_use_case"]["pricing"]
    # Besides the first snapshot's way: the price ran through the 200 levels that were asked for, a handful of times.
    assert set(overall["stream"]["counts"]) <= {"check", "confirmed", "depth", "no_snapshot", "resync"}
    assert served["statuses"]["miss"] + served["statuses"]["coalesced"] <= 15
    assert overall["staleness"]["top_price_differs_ratio"] <= 15 / 3445
    assert data["recording"]["negative_lag"] == 6552


def test_btc_futures_through_a_callback_costs_what_the_price_moved(btc: Path) -> None:
    errors = []
    for ttl_ms in (50, 500):
        bounds: Any = {"ttl_ms": ttl_ms, "fresh_ms_for_pricing": ttl_ms, "refresh_source": "stream"}
        settings = ReplaySettings(md_cache=ReplaySettings().md_cache.changed(**bounds), fill="callback")
        overall = run_replay(btc, settings, end=1_723_161_255.0 + 60).data["overall"]
        errors.append(overall["staleness"]["error_bps"]["mean"])
        assert overall["hit_ratio"] > 0.99
        assert overall["staleness"]["over_half_spread_ratio"] > 0
    assert errors[0] < errors[1]  # an older book is further off


def test_nexo_with_a_day_cut_out_is_not_known_after_it(real_feeds: Path, tmp_path: Path) -> None:
    """Known: with 24 July left out there is one gap, and a book that ignores it is crossed 9,051 times."""
    spot = real_feeds / COLLECTOR / "spot"
    feeds = imported([spot / "nexousdt_20240723.dat", spot / "nexousdt_20240725.dat.gz"], tmp_path)
    data = run_replay(feeds, ReplaySettings(md_cache=STREAMED, fill="callback", read_every_us=10_000_000)).data
    assert data["recording"]["truth"]["NEXOUSDT"]["counts"]["ws_gap"] == 1
    assert any(note.startswith("The recording of NEXOUSDT is broken") for note in data["notes"])
    cost = data["overall"]["staleness"]
    assert cost["judged"] > 0
    # After the gap the venue's book is not known: what a cache served there cannot be judged, and is not read.
    assert data["overall"]["reads_in_holes"] > 1000
    assert cost["judged"] + cost["without_book"] + cost["without_truth"] == data["overall"]["reads"]


def test_nexo_three_days_have_one_book(real_feeds: Path, tmp_path: Path) -> None:
    files = sorted((real_feeds / COLLECTOR / "spot").glob("nexousdt_*"))
    data = run_replay(imported(files, tmp_path), ReplaySettings(read_every_us=30_000_000)).data
    assert data["recording"]["truth"]["NEXOUSDT"]["counts"] == {}
    assert data["overall"]["stream"]["gaps"] == 0
    assert data["overall"]["staleness"]["top_differs_ratio"] == 0.0
    assert data["recording"]["lines"]["book"] == 99_031
