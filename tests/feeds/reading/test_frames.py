"""Feeds as frames: the readers' lines with datetimes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from calib import BookLogger, FillLogger, PipelineTickLogger, read_feeds
from calib.errors import BadTime, NoFeeds, UsageError

T0 = datetime(2025, 1, 1, 23, 59, 59, 500_000, tzinfo=UTC)


def _fill(symbol: str, after_s: float, **more: object) -> dict[str, object]:
    ts = (T0 + timedelta(seconds=after_s)).timestamp()
    return {"ts": ts, "symbol": symbol, "side": "buy", "price": 10.0, "qty": 1.0, "liquidity": "maker", **more}


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    with FillLogger(tmp_path) as fills:
        for index in range(4):
            fills.log(_fill("AB"[index % 2], index * 0.25, mid_now=None if index else 9.5, quote_id=f"q{index}"))
    with PipelineTickLogger(tmp_path, sample_rate=1) as ticks:
        ticks.log(
            ts=T0.timestamp(), symbol="A", tick_total_ms=3.0, cache_hit=True, deadline_miss=False,
            stage_latencies={"fetch_md": 1.5},
        )  # fmt: skip
    with BookLogger(tmp_path) as book:
        book.log(ts=T0.timestamp(), symbol="A", type="snapshot", update_id=7, bids=[[9.0, 1.0], [8.0, 2.0]], asks=[])
    return tmp_path


def test_times_are_datetimes_across_days(feeds: Path) -> None:
    frame = read_feeds(feeds, "fills")
    assert frame["ts"].dtype == pl.Datetime("us", "UTC")
    assert frame["ts"].to_list() == [T0 + timedelta(seconds=index * 0.25) for index in range(4)]
    assert frame["symbol"].to_list() == ["A", "B", "A", "B"]
    assert frame["mid_now"].to_list() == [9.5, None, None, None]
    assert frame["ts_quote"].to_list() == [None] * 4


def test_one_symbol_as_text_and_a_range_in_any_form(feeds: Path) -> None:
    assert read_feeds(feeds, "fills", symbols="A")["quote_id"].to_list() == ["q0", "q2"]
    second = T0 + timedelta(seconds=0.5)
    for end in (second, second.isoformat(), second.timestamp()):
        assert read_feeds(feeds, "fills", end=end)["quote_id"].to_list() == ["q0", "q1"]
    assert read_feeds(feeds, "fills", start="2025-01-02")["quote_id"].to_list() == ["q2", "q3"]
    assert read_feeds(feeds, "fills", start="2026-01-01").height == 0


def test_stages_become_columns_and_levels_lists(feeds: Path) -> None:
    ticks = read_feeds(feeds, "pipeline_ticks", stages=["fetch_md", "risk"])
    assert ticks["stage_latencies.fetch_md"].to_list() == [1.5]
    assert ticks["stage_latencies.risk"].to_list() == [None]
    book = read_feeds(feeds, "book")
    assert book["bids"].to_list() == [[[9.0, 1.0], [8.0, 2.0]]]
    assert book["asks"].to_list() == [[]]


def test_what_is_wrong_is_said(feeds: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown feed 'fill'"):
        read_feeds(feeds, "fill")
    with pytest.raises(NoFeeds):
        read_feeds(tmp_path / "nowhere", "fills")
    with pytest.raises(BadTime, match="time zone"):
        read_feeds(feeds, "fills", start=datetime(2025, 1, 1))  # noqa: DTZ001  # that is what is refused
