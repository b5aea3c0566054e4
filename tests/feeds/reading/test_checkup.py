"""The health of feed files, each figure worked out by hand."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from calib.feeds.reading.batches import FeedReading
from calib.feeds.reading.checkup import (
    Freshness,
    Lag,
    Silence,
    as_data,
    columns_needed,
    examine,
    missing_by_kind,
    newest_by_kind,
)
from tests.feeds.helpers import TS, line, make


def health(tmp_path: Path, *texts: bytes, kind: str = "fills", day: str = "20250101"):  # type: ignore[no-untyped-def]
    file = make(tmp_path, b"".join(text + b"\n" for text in texts), kind, day)
    return examine(FeedReading(file, columns_needed(kind), newest=False))


def fill(second: float, symbol: str = "A", lag_ms: float | None = None) -> bytes:
    exchange = None if lag_ms is None else TS + second - lag_ms / 1000
    return line("fills", ts=TS + second, symbol=symbol, trade_id=None, ts_exchange=exchange)


def test_silences_are_between_lines_sorted_by_time(tmp_path: Path) -> None:
    # In time: A 0, B 10, A 20, B 50, A 60, C 70. All are silent from 20 to 50, A from 20 to 60, B from 10 to 50.
    found = health(tmp_path, fill(0), fill(50, "B"), fill(60), fill(10, "B"), fill(20), fill(70, "C"))
    assert found.silence == Silence(30.0, TS + 20)
    assert found.by_symbol == (Silence(40.0, TS + 20, "A"), Silence(40.0, TS + 10, "B"))
    assert found.symbols == 3
    assert found.stats.out_of_order == 1


def test_only_the_five_longest_silences_are_listed(tmp_path: Path) -> None:
    texts = [text for n in range(8) for text in (fill(0, f"S{n}"), fill(n + 1, f"S{n}"))]
    assert [gap.symbol for gap in health(tmp_path, *texts).by_symbol] == ["S7", "S6", "S5", "S4", "S3"]


def test_clock_lag_has_linear_quantiles(tmp_path: Path) -> None:
    found = health(tmp_path, *(fill(n, lag_ms=lag) for n, lag in enumerate([10, -20, 30, 40])), fill(9))
    # Sorted -20, 10, 30, 40: the median lies halfway from 10 to 30, p95 at 2.85: 30 + 0.85 * 10, p99 at 2.97.
    assert found.lag == Lag(4, 20.0, 38.5, 39.7, -20.0, 40.0)


def test_a_feed_without_exchange_times_has_no_lag(tmp_path: Path) -> None:
    assert health(tmp_path, line("pipeline_ticks"), kind="pipeline_ticks").lag is None
    assert health(tmp_path, fill(0)).lag is None


def test_one_line_and_no_line(tmp_path: Path) -> None:
    one, none = health(tmp_path, fill(0)), health(tmp_path, b"bad")
    assert (one.silence, one.by_symbol, one.symbols) == (None, (), 1)
    assert (none.silence, none.by_symbol, none.symbols, none.lag) == (None, (), 0, None)
    assert as_data(none)["first"] is None


def test_the_json_report_of_a_file_by_hand(tmp_path: Path) -> None:
    bad = line("fills", ts=TS + 20, symbol="A", trade_id=None, price=-1)
    found = as_data(health(tmp_path, fill(0, lag_ms=10), fill(10, lag_ms=30), b'{"no": 1}', bad, fill(40)))
    content = (tmp_path / "fills_20250101.jsonl").read_bytes()
    silence = {"duration_s": 30.0, "from": "2025-01-01T00:00:10.000Z"}
    lag = {"lines": 2, "p50_ms": 20.0, "p95_ms": 29.0, "p99_ms": 29.8, "min_ms": 10.0, "max_ms": 30.0}
    for got in (found["clock_lag"], *found["clock_lag_by_symbol"]):
        got.update((name, round(value, 3)) for name, value in got.items() if name.endswith("_ms"))
    assert found == {
        "file": "fills_20250101.jsonl",
        "kind": "fills",
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "lines": 5,
        "used": 3,
        "rejected": {
            "missing_field": {"lines": 1, "first_line": 3},
            "bad_value": {"lines": 1, "first_line": 4},
        },
        "faults": [
            {"reason": "missing_field", "field": "ts", "lines": 1, "first_line": 3, "what": "absent"},
            {"reason": "bad_value", "field": "price", "lines": 1, "first_line": 4, "what": "-1 is not > 0"},
        ],
        "duplicates": 0,
        "trade_id_conflicts": 0,
        "out_of_order": 0,
        "unknown_fields": ["no"],
        "symbols": 1,
        "first": "2025-01-01T00:00:00.000Z",
        "last": "2025-01-01T00:00:40.000Z",
        "longest_silence": silence,
        "longest_silence_by_symbol": [{"symbol": "A"} | silence],
        "clock_lag": lag,
        "clock_lag_by_symbol": [{"symbol": "A"} | lag],
    }


def test_bad_lines_against_the_tolerance(tmp_path: Path) -> None:
    twice = line("fills", trade_id="x")
    found = health(tmp_path, fill(0), twice, twice, b"bad")
    assert found.bad == 1
    assert not found.too_bad(0.25)
    assert found.too_bad(0.2)


def test_freshness_of_the_newest_line_of_all_kinds(tmp_path: Path) -> None:
    files = [
        health(tmp_path, fill(100), fill(90)),
        health(tmp_path, line("pipeline_ticks", ts=TS + 500), kind="pipeline_ticks"),
        health(tmp_path, b"bad", kind="book"),
    ]
    newest = newest_by_kind(files)
    assert newest == {"fills": TS + 100, "pipeline_ticks": TS + 500, "book": None}
    fresh = Freshness(TS + 560, newest)
    assert fresh.age_s == pytest.approx(60)
    assert not fresh.too_old(60)
    assert fresh.too_old(59.9)
    assert Freshness(TS, {"fills": None}).too_old(1e9)


def test_days_missing_lie_between_the_first_and_the_last_of_any_kind(tmp_path: Path) -> None:
    files = [make(tmp_path, b"", "fills", day) for day in ("20250101", "20250104")]
    files.append(make(tmp_path, b"", "book", "20250105"))
    gone = {kind: [day.day for day in days] for kind, days in missing_by_kind(files).items()}
    assert gone == {"fills": [2, 3, 5], "book": [1, 2, 3, 4]}
