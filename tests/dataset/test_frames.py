"""Datasets as frames, and the arguments that callers of the library give."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

import calib
from calib.dataset.store import write_dataset

SAMPLES = Path(__file__).resolve().parents[2] / "sample_feeds"


def test_one_symbol_given_as_text_means_that_symbol_and_times_take_any_form(tmp_path: Path) -> None:
    start = datetime(2025, 1, 1, 22, tzinfo=UTC)
    made = [
        calib.build_dataset(SAMPLES, symbols="BTCUSDT", start=moment, end="2025-01-01T23:00")
        for moment in (start, "2025-01-01T22:00:00Z", start.timestamp())
    ]
    assert made[0].range.symbols == ["BTCUSDT"]
    assert made[0].counts.intervals == 12
    assert all(made[0].same_as(other) for other in made[1:])
    (path,) = write_dataset(made[0], tmp_path)
    frame = calib.read_dataset(path)
    assert frame.equals(made[0].to_frame())
    assert frame.columns[:6] == ["symbol", "start", "end", "ticks", "fills", "quotes"]
    assert frame["start"].dtype == pl.Datetime("us", "UTC")
    assert frame["start"].to_list()[0] == start
    shown = made[0]._repr_html_()
    assert "12 intervals of 300 s kept" in shown
    assert "BTCUSDT" in shown


def test_a_naive_datetime_is_refused() -> None:
    with pytest.raises(calib.errors.BadTime, match="time zone"):
        calib.build_dataset(SAMPLES, start=datetime(2025, 1, 1))  # noqa: DTZ001  # that is what is refused
