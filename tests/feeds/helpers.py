"""Valid lines of each feed, to be bent by the tests; and shortcuts that read a whole file."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from calib.engines import Workers
from calib.feeds.reading.batches import FeedReading, RecordReading
from calib.feeds.reading.days import DayFile, named_file
from calib.feeds.reading.rejects import RejectWriter
from calib.feeds.reading.stats import FileStats

TS = 1735689600.0
"""2025-01-01T00:00:00Z."""

VALID: dict[str, dict[str, Any]] = {
    "fills": {
        "ts": TS + 1.25,
        "ts_iso": "2025-01-01T00:00:01.250000Z",
        "symbol": "BTCUSDT",
        "side": "buy",
        "price": 100.5,
        "qty": 2,
        "liquidity": "maker",
        "mid_now": 100.75,
        "trade_id": "t-1",
    },
    "pipeline_ticks": {
        "ts": TS + 2,
        "symbol": "BTCUSDT",
        "stage_latencies": {"fetch_md": 1.5, "quote": None},
        "tick_total_ms": 12.5,
        "cache_hit": True,
        "deadline_miss": False,
        "sample_rate": 10,
    },
    "book": {
        "ts": TS + 3,
        "symbol": "BTCUSDT",
        "type": "delta",
        "update_id": 7,
        "bids": [[100, 1.5], [99.5, 0]],
        "asks": [],
    },
    "trades": {"ts": TS + 4, "symbol": "BTCUSDT", "price": 100, "qty": 1, "side": "sell"},
    "quotes": {
        "ts": TS + 9,
        "quote_id": "q1",
        "symbol": "BTCUSDT",
        "side": "sell",
        "price": 101,
        "qty": 1,
        "ts_open": TS + 5,
        "ts_close": TS + 9,
        "close_reason": "filled",
        "qty_filled": 1,
    },
}


def line(kind: str, **changes: Any) -> bytes:
    """A valid line of the kind with these fields changed; a field set to ... is left out."""
    record = VALID[kind] | changes
    return json.dumps({name: value for name, value in record.items() if value is not ...}).encode()


def make(directory: Path, content: bytes, kind: str = "fills", day: str = "20250101", form: str = "") -> DayFile:
    """Write a feed file and give it."""
    path = directory / f"{kind}_{day}.jsonl{form}"
    path.write_bytes(content)
    return named_file(path)


def read_all(file: DayFile, tmp_path: Path, **options: Any) -> tuple[list[tuple[int, Any]], FileStats, bytes]:
    """(line, record) pairs, the facts and the bytes of the rejects file."""
    path = tmp_path / "rejects" / f"{file.name}.rejects.jsonl"
    with RejectWriter(path) as rejects:
        reading = RecordReading(file, rejects=rejects, **({"newest": False} | options))
        pairs = list(reading)
    return pairs, reading.stats, path.read_bytes() if path.exists() else b""


def read_columns(
    file: DayFile, columns: list[str], tmp_path: Path, **options: Any
) -> tuple[list[tuple[Any, ...]], FileStats, bytes]:
    """Rows of (line, *columns), the facts and the bytes of the rejects file."""
    path = tmp_path / "rejects-of-columns" / f"{file.name}.rejects.jsonl"
    workers = Workers(options.pop("jobs")) if "jobs" in options else contextlib.nullcontext(options.pop("engine", None))
    with RejectWriter(path) as rejects, workers as engine:
        reading = FeedReading(file, columns, rejects=rejects, engine=engine, **({"newest": False} | options))
        rows = [row for batch in reading for row in batch.rows()]
    return rows, reading.stats, path.read_bytes() if path.exists() else b""
