"""Packing: what was learned in the middle of a file holds for all of it, and no value is another's."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from calib.feeds.reading.packing import ColumnPlan, Packer
from tests.feeds.helpers import TS, line, make, read_all, read_columns

TICK_COLUMNS = ["symbol", "tick_total_ms", "stage_latencies.fetch_md", "used_stale", "n_quotes", "mid", "use_case"]


def _ticks(count: int) -> list[dict[str, Any]]:
    """Ticks whose nullable fields are given at first, then null, absent, or in an object that is not there."""
    rng = random.Random(5)
    lines = []
    for n in range(count):
        full = n < count // 3
        stages = {"fetch_md": rng.random(), "quote": 1.0}
        changes: dict[str, Any] = {
            "ts": TS + n,
            "symbol": f"S{n % 7}",
            "tick_total_ms": float(n),
            "stage_latencies": stages if full else rng.choice([stages, {"quote": 1.0}, {"fetch_md": None}, None, ...]),
            "used_stale": True if full else rng.choice([True, False, None, ...]),
            "n_quotes": n if full else rng.choice([n, 0, None, ...]),
            "mid": 100.0 + n if full else rng.choice([0.5, None, ...]),
            "use_case": "pricing" if full else rng.choice(["guards", "é", None, ...]),
        }
        lines.append(changes)
    return lines


def _told(tick: dict[str, Any], number: int) -> tuple[Any, ...]:
    """What was written, by the fields themselves."""

    def value(name: str) -> Any:
        return None if tick[name] is ... else tick[name]

    fetch_md = (value("stage_latencies") or {}).get("fetch_md")
    rest = (value(name) for name in ("used_stale", "n_quotes", "mid", "use_case"))
    return (number, tick["symbol"], tick["tick_total_ms"], fetch_md, *rest)


@pytest.mark.parametrize(
    "options", [{}, {"chunk_bytes": 20_000}, {"chunk_bytes": 20_000, "batch_lines": 100, "jobs": 2}]
)
def test_nulls_that_begin_in_the_middle_of_a_file_are_nulls(options: dict[str, Any], tmp_path: Path) -> None:
    ticks = _ticks(4000)
    file = make(tmp_path, b"".join(line("pipeline_ticks", **tick) + b"\n" for tick in ticks), "pipeline_ticks")
    rows, stats, _ = read_columns(file, TICK_COLUMNS, tmp_path, **options)
    assert rows == [_told(tick, number) for number, tick in enumerate(ticks, 1)]
    assert stats.used == len(ticks)


@pytest.mark.parametrize("options", [{}, {"chunk_bytes": 30_000}])
def test_texts_that_are_all_different_and_texts_that_recur(options: dict[str, Any], tmp_path: Path) -> None:
    ids = [None if n % 50 == 0 else f"q-{n % 10}" if n < 2000 else f"q-{n}" for n in range(9000)]
    file = make(
        tmp_path, b"".join(line("fills", ts=TS + n, trade_id=None, quote_id=q) + b"\n" for n, q in enumerate(ids))
    )
    rows, _, _ = read_columns(file, ["quote_id", "side"], tmp_path, **options)
    assert rows == [(number, text, "buy") for number, text in enumerate(ids, 1)]


def test_lines_keep_their_numbers_over_the_blocks_of_a_chunk(tmp_path: Path) -> None:
    content = []
    for n in range(6000):
        bad = n % 701 == 3
        content.append(b"" if n % 503 == 1 else b"[]" if bad else line("fills", trade_id=None, ts=TS + n, price=1 + n))
    file = make(tmp_path, b"\n".join(content))
    assert file.local.stat().st_size > 3 << 18
    rows, stats, rejects = read_columns(file, ["price"], tmp_path)
    assert rows == [(n + 1, 1.0 + n) for n, text in enumerate(content) if text.startswith(b"{")]
    assert [json.loads(text)["line"] for text in rejects.splitlines()] == [
        n + 1 for n, text in enumerate(content) if text == b"[]"
    ]
    pairs, same, _ = read_all(file, tmp_path)
    assert [(number, record.price) for number, record in pairs] == rows
    assert same == stats


def test_a_chunk_without_a_row_has_no_records() -> None:
    packer = Packer(ColumnPlan("fills", int(TS), ("price", "symbol")))
    packed = packer.pack(b"[]\n\n")
    assert (packed.count, packed.used, packed.records, [reject.line for reject in packed.rejects]) == (2, 0, b"", [0])
    assert packer.pack(b"").count == 0
