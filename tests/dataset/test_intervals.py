"""The sums over files: whatever the order of the lines, the batches and the memory, one row per group, the same row."""

from __future__ import annotations

import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.dataset.fills import FillAggregator
from calib.dataset.grid import DAY_S, Grid, Span
from calib.dataset.intervals import DayLines, LineFilter, join_kinds, sum_days
from calib.dataset.ticks import MAX_QUOTES, TickAggregator
from calib.errors import UnreadableInput
from tests.dataset.frames import fills, ticks

DAY = 20_000


class Files:
    """Day files in memory that count how often, and how much at once, they are read."""

    def __init__(self, days: dict[int, list[dict[str, Any]]], size: int) -> None:
        self.frames = {day: ticks(*lines).drop("index", "file") for day, lines in days.items()}
        self.size = size
        self.readings = 0

    def days(self) -> list[DayLines]:
        return [DayLines(str(day), day, partial(self._batches, day)) for day in sorted(self.frames)]

    def _batches(self, day: int) -> Iterator[pl.DataFrame]:
        self.readings += 1
        frame = self.frames[day]
        yield from (frame[first : first + self.size] for first in range(0, frame.height, self.size))


def _tick(ts: float, symbol: str = "BTCUSDT") -> dict[str, Any]:
    return {"ts": ts, "symbol": symbol, "tick_total_ms": ts % 7, "mid": 100 + ts % 3, "cache_age_ms": ts % 11 / 10}


def _all_at_once(files: Files, wanted: LineFilter, sums: TickAggregator) -> pl.DataFrame:
    """Every line given to the sums in one go: what no cutting may change."""
    whole = [wanted.of(files.frames[day], place) for place, day in enumerate(sorted(files.frames))]
    return sums(pl.concat(whole))


@st.composite
def _feeds(draw: st.DrawFn) -> dict[int, list[dict[str, Any]]]:
    """Up to three days (with holes) of ticks in any disorder."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    disorder = draw(st.sampled_from([0.0, 60.0, 5_000.0, 90_000.0]))
    days = draw(st.lists(st.integers(DAY, DAY + 4), min_size=1, max_size=3, unique=True))
    feeds = {}
    for day in days:
        times = [rng.uniform(0, DAY_S - 0.001) for _ in range(draw(st.integers(0, 80)))]
        times.sort(key=lambda ts: ts + rng.uniform(0, disorder))
        feeds[day] = [_tick(day * DAY_S + round(ts, 6), rng.choice(["A", "B", "é"])) for ts in times]
    return feeds


@given(
    _feeds(),
    st.integers(1, 40),
    st.sampled_from([60, 300, 7_000, 100_000, 250_000]),
    st.sampled_from([0.0, 900.0]),
    st.integers(1, 50),
)
@settings(max_examples=40, deadline=None)
def test_no_way_of_cutting_the_lines_changes_a_bit(
    feeds: dict[int, list[dict[str, Any]]], size: int, interval_sec: int, allowance_s: float, redo_lines: int
) -> None:
    files = Files(feeds, size)
    grid = Grid(interval_sec)
    wanted = LineFilter(grid, grid.widen((DAY - 1) * DAY_S, (DAY + 6) * DAY_S))
    sums = TickAggregator(interval_sec, 10)
    table = sum_days(files.days(), wanted, sums, allowance_s=allowance_s, redo_lines=redo_lines)
    assert table.equals(_all_at_once(files, wanted, sums))


def test_a_line_later_than_the_allowance_is_neither_lost_nor_a_second_group() -> None:
    base = DAY * DAY_S
    in_order = [_tick(base + n) for n in range(0, 7200, 10)]
    files = Files({DAY: [*in_order, _tick(base + 5.0)]}, size=50)
    wanted = LineFilter(Grid(300), Span(base, base + DAY_S))
    table = sum_days(files.days(), wanted, TickAggregator(300, 10), allowance_s=900.0)
    assert table.height == 24
    assert table.row(0, named=True)["ticks"] == 31
    assert files.readings == 2


def test_lines_within_the_allowance_cost_no_second_reading() -> None:
    base = DAY * DAY_S
    times = [base + n for n in range(0, 7200, 10)]
    swapped = [*times[:300], times[301] - 800, *times[300:]]
    files = Files({DAY: [_tick(ts) for ts in swapped]}, size=50)
    sum_days(files.days(), LineFilter(Grid(300), Span(base, base + DAY_S)), TickAggregator(300, 10), allowance_s=900.0)
    assert files.readings == 1


def test_one_line_from_far_ahead_does_not_make_the_rest_late() -> None:
    base = DAY * DAY_S
    lines = [_tick(base + n) for n in range(0, 7200, 10)]
    lines.insert(100, _tick(base + 86_000))
    files = Files({DAY: lines}, size=50)
    table = sum_days(files.days(), LineFilter(Grid(300), Span(base, base + DAY_S)), TickAggregator(300, 10))
    assert table.height == 25
    assert files.readings == 1


def test_a_file_sorted_by_symbol_is_read_once() -> None:
    base = DAY * DAY_S
    lines = [_tick(base + n, symbol) for symbol in "ABC" for n in range(0, DAY_S, 600)]
    files = Files({DAY: lines}, size=20)
    table = sum_days(files.days(), LineFilter(Grid(3600), Span(base, base + DAY_S)), TickAggregator(3600, 10))
    assert table.height == 3 * 24
    assert files.readings == 1


def test_an_interval_across_midnight_is_one_row() -> None:
    base = (DAY + 1) * DAY_S
    grid = Grid(7000)
    files = Files({DAY: [_tick(base - 10)], DAY + 1: [_tick(base + 10)]}, size=10)
    table = sum_days(files.days(), LineFilter(grid, grid.widen(base - 20, base + 20)), TickAggregator(7000, 10))
    assert table["ticks"].to_list() == [2]


def test_a_late_line_reaches_back_over_midnight() -> None:
    # The interval spans midnight and the later file goes back to it after an hour: both files are read again.
    base = (DAY + 1) * DAY_S
    grid = Grid(7000)
    later = [_tick(base + n) for n in range(10, 20_000, 10)]
    files = Files({DAY: [_tick(base - 10)], DAY + 1: [*later, _tick(base + 1.5)]}, size=100)
    wanted = LineFilter(grid, grid.widen(base - 20, base + DAY_S))
    table = sum_days(files.days(), wanted, TickAggregator(7000, 10), allowance_s=0.0)
    assert table.equals(_all_at_once(files, wanted, TickAggregator(7000, 10)))
    assert files.readings == 4


def test_only_what_was_asked_is_summed() -> None:
    base = DAY * DAY_S
    files = Files(
        {DAY: [_tick(base + 299, s) for s in "AB"] + [_tick(base + n, "A") for n in (300, 599, 600)]}, size=10
    )
    wanted = LineFilter(Grid(300), Span(base + 300, base + 600), ("A",))
    table = sum_days(files.days(), wanted, TickAggregator(300, 10))
    assert [(row["symbol"], row["ticks"]) for row in table.iter_rows(named=True)] == [("A", 2)]


def test_lines_appended_between_two_readings_stay_out() -> None:
    base = DAY * DAY_S
    lines = [*(_tick(base + n) for n in range(0, 7200, 10)), _tick(base + 5.0)]
    before = Files({DAY: lines}, size=50)
    wanted = LineFilter(Grid(300), Span(base, base + DAY_S))
    expected = sum_days(before.days(), wanted, TickAggregator(300, 10))
    grown = Files({DAY: [*lines, _tick(base + 6.0)]}, size=50)
    first = iter([before.days()[0].batches, grown.days()[0].batches])
    table = sum_days([DayLines("x", DAY, lambda: next(first)())], wanted, TickAggregator(300, 10))
    assert table.equals(expected)


def test_a_file_that_changed_between_two_readings_is_an_error() -> None:
    base = DAY * DAY_S
    lines = [*(_tick(base + n) for n in range(0, 7200, 10)), _tick(base + 5.0)]
    before, cut = Files({DAY: lines}, size=50), Files({DAY: lines[1:]}, size=50)
    readings = iter([before.days()[0].batches, cut.days()[0].batches])
    with pytest.raises(UnreadableInput, match="changed while it was read"):
        sum_days(
            [DayLines("x", DAY, lambda: next(readings)())],
            LineFilter(Grid(300), Span(base, base + DAY_S)),
            TickAggregator(300, 10),
        )


def _rows(tick_lines: list[dict[str, Any]], fill_lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    table = join_kinds(
        TickAggregator(300, 10)(ticks(*tick_lines)), FillAggregator(0.0, 0.0)(fills(*fill_lines)), Grid(300)
    )
    return list(table.iter_rows(named=True))


def test_a_row_exists_where_there_is_a_tick_or_a_fill() -> None:
    rows = _rows([{"ts": 1.0}, {"ts": 301.0, "index": 1}], [{"price": 1.0, "index": 1}, {"price": 1.0, "index": 2}])
    assert [(row["start_ts"], row["end_ts"], row["ticks"], row["fills"], row["quotes"]) for row in rows] == [
        (0, 300, 1, 0, 10),
        (300, 600, 1, 1, 10),
        (600, 900, 0, 1, 0),
    ]


def test_fill_rate_is_filled_quotes_over_quotes() -> None:
    # 10 + 10 quotes; q1 twice and one fill without an id: 2 of 20
    parts: list[dict[str, Any]] = [{"price": 1.0, "quote_id": "q1"}, {"price": 1.0, "quote_id": "q1"}, {"price": 1.0}]
    assert _rows([{"ts": 1.0}, {"ts": 2.0}], parts)[0]["fill_rate"] == 0.1


def test_fill_rate_is_0_without_fills_null_without_quotes_and_may_pass_1() -> None:
    assert _rows([{"ts": 1.0}], [])[0]["fill_rate"] == 0.0
    assert _rows([], [{"price": 1.0}])[0]["fill_rate"] is None
    assert _rows([{"ts": 1.0, "n_quotes": 0}], [{"price": 1.0}])[0]["fill_rate"] is None
    assert _rows([{"ts": 1.0, "sample_rate": 1}], [{"price": 1.0}, {"price": 1.0}])[0]["fill_rate"] == 2.0


def test_a_count_of_quotes_that_cannot_be_written_has_no_fill_rate() -> None:
    row = _rows([{"ts": 1.0, "n_quotes": 2**62, "sample_rate": 4}], [{"price": 1.0}])[0]
    assert row["quotes"] == MAX_QUOTES
    assert row["fill_rate"] != row["fill_rate"]
