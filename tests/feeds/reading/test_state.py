"""A reading that goes on where an earlier one ended finds what a reading of the whole file finds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from calib.engines import InProcess, Workers
from calib.feeds.reading.batches import FeedReading, read_batches
from calib.feeds.reading.days import DayFile, named_file
from calib.feeds.reading.state import MAX_TAIL, PrefixChanged, ReadingState
from tests.dataset.feeds import DAY_0, tick

COLUMNS = ("ts", "symbol", "mid")


def line(second: float, **more: Any) -> bytes:
    return json.dumps(tick(DAY_0 + second, **more)).encode() + b"\n"


CONTENT = b"".join(
    [
        line(1),
        b"garbage\n",
        line(3, odd=1),
        b"\n",
        line(2, mid=101.0),
        line(5, mid=-1.0),
        line(6, other=1),
        line(4),
    ]
)
"""Good lines, some out of order, two bad ones, a blank one, two fields that nobody listed."""


@pytest.fixture
def file(tmp_path: Path) -> DayFile:
    path = tmp_path / "pipeline_ticks_20250101.jsonl"
    path.touch()
    return named_file(path)


def read(file: DayFile, after: ReadingState | None = None, **options: Any) -> tuple[pl.DataFrame, FeedReading]:
    reading = FeedReading(file, COLUMNS, newest=True, after=after, **options)
    batches = list(reading)
    empty = pl.DataFrame(schema={"line": pl.Int64, "ts": pl.Float64, "symbol": pl.String, "mid": pl.Float64})
    return pl.concat([empty, *batches]), reading


@pytest.mark.parametrize("begin", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("chunk_bytes", [1, 1 << 20])
def test_cut_anywhere(file: DayFile, begin: bytes, chunk_bytes: int) -> None:
    content = begin + CONTENT
    for cut in range(3, len(content), 37):
        file.local.write_bytes(content[:cut])
        first, reading = read(file, chunk_bytes=chunk_bytes)
        assert reading.tail is not None
        file.local.write_bytes(content)
        rest, on = read(file, reading.tail, chunk_bytes=chunk_bytes)
        whole, once = read(file)
        assert on.stats == once.stats
        assert pl.concat([first.filter(pl.col("line") < reading.tail.line), rest]).equals(whole)
        assert on.tail == once.tail


def test_workers_go_on_too(file: DayFile) -> None:
    file.local.write_bytes(CONTENT)
    state = read(file)[1].tail
    file.local.write_bytes(CONTENT * 2)
    with Workers(1) as engine:
        rows, reading = read(file, state, engine=engine)
    expected = read(file, state, engine=InProcess())
    assert rows.equals(expected[0])
    assert reading.stats == expected[1].stats == read(file)[1].stats


def test_another_beginning_is_noticed(file: DayFile) -> None:
    file.local.write_bytes(CONTENT + b'{"ts"')
    state = read(file)[1].tail
    file.local.write_bytes(CONTENT.replace(b"garbage", b"gabrage") + line(9))
    with pytest.raises(PrefixChanged):
        read(file, state)
    file.local.write_bytes(CONTENT + line(9))  # what stood behind the last newline may change
    assert read(file, state)[1].stats == read(file)[1].stats


def test_no_state_after_a_long_line_without_its_end(file: DayFile) -> None:
    file.local.write_bytes(CONTENT + b"x" * (MAX_TAIL + 1))
    assert read(file)[1].tail is None


def test_fills_cannot_go_on(tmp_path: Path, file: DayFile) -> None:
    file.local.write_bytes(CONTENT)
    state = read(file)[1].tail
    path = tmp_path / "fills_20250101.jsonl"
    path.touch()
    with pytest.raises(ValueError, match="duplicates"):
        read_batches(named_file(path), ("ts",), newest=True, after=state)
