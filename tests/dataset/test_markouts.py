"""The targets ``markout_*``: from the book feed, with the next day's first seconds; null without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from calib.dataset.build import build_dataset
from tests.fitting.feeds import DAY, fill, snapshot, write


def feeds(directory: Path, *, book: bool = True) -> Path:
    """A maker buy at 100 s with mid_now 100, a taker one beside it; the mid rises by .01 a second."""
    lines = [
        fill(1, DAY + 100, 99.99, mid_now=100.0, mid_at_quote=100.0),
        fill(2, DAY + 100, 100.5, mid_now=100.0, mid_at_quote=100.0, liquidity="taker"),
    ]
    write(directory, "fills", lines)
    if book:
        write(directory, "book", [snapshot(DAY + second, 99.0 + second / 100) for second in range(90, 160)])
    return directory


def targets(directory: Path, **options: Any) -> dict[str, Any]:
    row: dict[str, Any] = build_dataset(directory, **options).intervals.row(0, named=True)
    return row


def test_only_maker_fills_count(tmp_path: Path) -> None:
    row = targets(feeds(tmp_path), filters=())
    assert row["markout_1s_bps"] == pytest.approx(1.0)
    assert row["markout_5s_bps"] == pytest.approx(5.0)
    assert row["markout_30s_bps"] == pytest.approx(30.0)


def test_without_a_book_they_are_null(tmp_path: Path) -> None:
    row = targets(feeds(tmp_path, book=False), filters=())
    assert row["markout_1s_bps"] is row["markout_30s_bps"] is None
    assert row["net_bps"] is not None


def test_the_book_is_an_input(tmp_path: Path) -> None:
    dataset = build_dataset(feeds(tmp_path), filters=())
    assert [one.file for one in dataset.inputs] == ["fills_20250101.jsonl", "book_20250101.jsonl"]


def test_weighted_by_notional(tmp_path: Path) -> None:
    feeds(tmp_path)
    lines = [
        fill(1, DAY + 100, 100.0, mid_now=100.0, qty=1.0),
        fill(2, DAY + 100, 100.0, mid_now=100.0, qty=3.0, side="sell"),
    ]
    write(tmp_path, "fills", lines)
    assert targets(tmp_path, filters=())["markout_5s_bps"] == pytest.approx((5 - 3 * 5) / 4)


def test_a_horizon_past_the_end_is_null(tmp_path: Path) -> None:
    feeds(tmp_path)
    write(tmp_path, "book", [snapshot(DAY + second, 100.0 + second % 2) for second in range(90, 120)])
    row = targets(tmp_path, filters=())
    assert row["markout_5s_bps"] is not None
    assert row["markout_30s_bps"] is None


def test_the_next_days_first_seconds_are_known(tmp_path: Path) -> None:
    write(tmp_path, "fills", [fill(1, DAY + 86_398, 100.0, mid_now=100.0)])
    books = [snapshot(DAY + 86_380 + second, 100.0 + second / 100) for second in range(60)]
    write(tmp_path, "book", books)
    row = targets(tmp_path, filters=())
    assert row["markout_5s_bps"] == pytest.approx(23.0)
    assert row["markout_30s_bps"] == pytest.approx(48.0)


def test_the_exchange_clock_where_both_have_it(tmp_path: Path) -> None:
    """Received 3 s late: by the venue's time the mid one second after the fill is known exactly."""
    book = [snapshot(DAY + s + 3, 99.0 + s / 100, ts_exchange=DAY + s) for s in range(90, 160)]
    write(tmp_path, "book", book)
    write(tmp_path, "fills", [fill(1, DAY + 103, 100.0, mid_now=100.0, ts_exchange=DAY + 100)])
    assert targets(tmp_path, filters=())["markout_1s_bps"] == pytest.approx(1.0)
