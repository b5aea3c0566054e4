"""Imports larger than the memory that they may take: the same bytes, and the bound is kept."""

from __future__ import annotations

import gzip
import random
import tracemalloc
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from calib.clock import VirtualClock
from calib.errors import MixedStreams, TooManyRejects, UnwritableOutput
from calib.feeds.schema.table import TRADES
from calib.feeds.writers.encoding import Encoder
from calib.importers import HftbacktestCollector, Imported, Rejected, Scratch, collect, store, stored_bytes
from calib.importers.base import Advance, ImportOption, unseen

DAY = 86_400
START = 20_089 * DAY  # 2025-01-01


class Lines:
    """A source of plain JSON lines; ``{}`` is a row that is damaged."""

    name: ClassVar[str] = "lines"
    summary: ClassVar[str] = "Plain JSON lines"
    files: ClassVar[str] = "FILE"
    example: ClassVar[str] = "x.jsonl"
    options: ClassVar[tuple[ImportOption, ...]] = ()
    hints: ClassVar[Mapping[str, str]] = {}

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        with path.open("rb") as handle:
            for line, text in enumerate(handle, 1):
                advance(len(text))
                record = orjson.loads(text)
                yield Imported("trades", record, line) if record else Rejected(line, "bad_line", "", "")


def trade(at: float, trade_id: str | None = None, symbol: str = "X") -> dict[str, Any]:
    record = {"ts": START + at, "symbol": symbol, "price": 1.5, "qty": 2.0, "side": "buy"}
    return record if trade_id is None else record | {"trade_id": trade_id}


def file(path: Path, records: list[dict[str, Any]]) -> Path:
    path.write_bytes(b"".join(orjson.dumps(record) + b"\n" for record in records))
    return path


TRADES_OF_A_FILE = st.lists(
    st.builds(
        trade,
        st.integers(0, 40).map(lambda n: n * DAY / 16),  # three days, with equal times
        st.none() | st.sampled_from(["1", "2", "10", "X\0trades", ""]),
        st.sampled_from(["X", "XY"]),
    ),
    max_size=30,
)


def in_memory(files: list[list[dict[str, Any]]]) -> tuple[dict[str, list[bytes]], list[Counter[str]]]:
    """What an import is, as plainly as it can be said."""
    encoder, seen, repeats = Encoder(TRADES, VirtualClock()), set(), []
    keyed: dict[str, list[tuple[float, int, int, bytes]]] = {}
    for number, records in enumerate(files):
        repeats.append(Counter[str]())
        for line, record in enumerate(records, 1):
            key = record["symbol"], record.get("trade_id")
            if key in seen:
                repeats[-1]["duplicate"] += 1
                continue
            if key[1] is not None:
                seen.add(key)
            day, text = encoder.encode(record)
            name = f"trades_202501{day - START // DAY + 1:02d}.jsonl"
            keyed.setdefault(name, []).append((record["ts"], number, line, text))
    return {name: [entry[3] for entry in sorted(keyed[name])] for name in sorted(keyed)}, repeats


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(TRADES_OF_A_FILE, min_size=1, max_size=3), held_bytes=st.sampled_from([1, 300, 3000, 1 << 20]))
def test_the_lines_are_those_of_a_sort_in_memory(
    tmp_path: Path, files: list[list[dict[str, Any]]], held_bytes: int
) -> None:
    paths = [file(tmp_path / f"{number}.jsonl", records) for number, records in enumerate(files)]
    told: list[tuple[str, int]] = []
    with Scratch(tmp_path, held_bytes) as scratch:
        found = collect(Lines(), paths, scratch=scratch, on_reject=lambda path, row: told.append((path.name, row.line)))
        days, repeats = in_memory(files)
        assert {name: list(lines) for name, lines in found.days.items()} == days
        assert list(found.days) == list(days)
        assert {name: len(lines) for name, lines in found.days.items()} == {name: len(days[name]) for name in days}
    assert [source.rejected for source in found.sources] == repeats
    assert [source.used for source in found.sources] == [
        len(records) - count.total() for records, count in zip(files, repeats, strict=True)
    ]
    assert told == sorted(told)
    for source in found.sources:
        lines = [line for name, line in told if name == source.path.name]
        assert source.first_line == ({"duplicate": lines[0]} if lines else {})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    ours=st.lists(st.integers(0, 9), max_size=12),
    theirs=st.lists(st.integers(0, 10), max_size=12),
    held_bytes=st.sampled_from([1, 1 << 20]),
)
def test_a_day_is_replaced_only_where_all_its_lines_are_ours_in_whatever_order(
    tmp_path: Path, ours: list[int], theirs: list[int], held_bytes: int
) -> None:
    out = tmp_path / "feeds"
    out.mkdir(exist_ok=True)
    target = out / "trades_20250101.jsonl"
    encoder = Encoder(TRADES, VirtualClock())
    there = b"".join(encoder.encode(trade(number))[1] for number in theirs)
    target.write_bytes(there)
    with Scratch(out, held_bytes) as scratch:
        found = collect(Lines(), [file(tmp_path / "a", [trade(at) for at in [*ours, 11]])], scratch=scratch)
        if set(theirs) <= {*ours, 11}:
            assert store(found, out) == [(target, True)] or there == target.read_bytes()
            assert target.read_bytes() == b"".join(encoder.encode(trade(at))[1] for at in sorted([*ours, 11]))
        else:
            with pytest.raises(UnwritableOutput, match="holds lines that this import does not produce"):
                store(found, out)
            assert target.read_bytes() == there


def recording(path: Path, count: int) -> Path:
    """A collector's file, an eighth of it received out of order, every 50th trade told twice."""
    dice = random.Random(count)
    with gzip.open(path, "wb", compresslevel=1) as handle:
        handle.write(b'1723161255000000000 {"lastUpdateId":1,"bids":[["1","2"]],"asks":[["3","4"]],"s":"X"}\n')
        for number in range(2, count):
            us = 1_723_161_255_000_000 + number * 1000 - (dice.randrange(60_000) if dice.random() < 1 / 8 else 0)
            if number % 2:
                levels = b",".join(b'["%d.5","%d"]' % (dice.randrange(100, 999), number) for _ in range(8))
                message = b'"e":"depthUpdate","T":1723161255000,"U":%d,"u":%d,"b":[%s],"a":[]' % (
                    number,
                    number,
                    levels,
                )
            else:
                trade_id = number - number % 50
                message = b'"e":"trade","T":1723161255000,"t":%d,"p":"1.5","q":"1","m":true' % (
                    number if number % 4 else trade_id
                )
            handle.write(b'%d000 {"s":"X",%s}\n' % (us, message))
    return path


def test_a_recording_several_times_the_bound_gives_the_same_bytes(tmp_path: Path) -> None:
    path = recording(tmp_path / "x_20240809.gz", 16_000)
    whole, few = tmp_path / "whole", tmp_path / "few"
    one = collect(HftbacktestCollector(), [path])
    store(one, whole)
    assert sum(source.rejected["duplicate"] for source in one.sources) > 100
    with Scratch(few, 1 << 18) as scratch:
        two = collect(HftbacktestCollector(), [path], scratch=scratch)
        assert one.sources == two.sources
        assert [changed for _, changed in store(two, few)] == [True, True]
        assert [changed for _, changed in store(two, few)] == [False, False]
    names = ["book_20240808.jsonl", "trades_20240808.jsonl"]
    assert sum((whole / name).stat().st_size for name in names) > 8 * (1 << 18)
    for name in names:
        lines = (whole / name).read_bytes()
        assert (few / name).read_bytes() == lines
        times = [orjson.loads(line)["ts"] for line in lines.splitlines()]
        assert times == sorted(times)
    assert sorted(path.name for path in few.iterdir()) == [".calib.lock", *names]


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        path, out = recording(tmp_path / "x_20240809.gz", count), tmp_path / f"{count}"
        tracemalloc.start()
        with Scratch(out, 1 << 18) as scratch:
            store(collect(HftbacktestCollector(), [path], scratch=scratch), out)
            _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(1000)  # what is made once and kept
    assert peak(16_000) < 1.25 * peak(4000)


@pytest.mark.parametrize("held_bytes", [1, 1 << 20])
def test_what_ends_an_import_ends_it_before_anything_is_written(tmp_path: Path, held_bytes: int) -> None:
    out = tmp_path / "feeds"
    good, bad = file(tmp_path / "a", [trade(1)]), file(tmp_path / "b", [trade(2, "7"), trade(3, "7"), {}])
    said = r"b:3: 1 of 3 rows damaged.*; the first is bad_line"
    with Scratch(out, held_bytes) as scratch, pytest.raises(TooManyRejects, match=said):
        collect(Lines(), [good, bad], scratch=scratch)

    class TwoStreams(Lines):
        def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
            yield Imported("trades", trade(1), 1, "trade", "one-venue")
            yield Imported("trades", trade(2), 2, "trade", "another")

    with Scratch(out, held_bytes) as scratch, pytest.raises(MixedStreams):
        collect(TwoStreams(), [good], scratch=scratch)
    assert not out.exists() or list(out.iterdir()) == []


def test_progress_is_told_in_the_files_own_bytes_and_adds_up(tmp_path: Path) -> None:
    paths = [recording(tmp_path / f"x_2024080{day}.gz", 4000) for day in (8, 9)]
    told: list[float] = []
    collect(HftbacktestCollector(), [*paths, paths[0]], max_reject_ratio=1, progress=told.append)
    assert sum(told) == stored_bytes([*paths, paths[0]]) == sum(path.stat().st_size for path in paths)
    assert len([amount for amount in told if amount]) >= 2
    assert min(told) >= 0
