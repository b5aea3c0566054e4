"""From feeds to a report through the command line, and back to the same bytes by the report's own command."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from calib.cli.main import run

T0 = 1_735_689_600  # 2025-01-01T00:00:00Z
SYMBOLS = ["BTCUSDT", "A|B", "`<b>`"]


def write_feeds(directory: Path) -> None:
    """An hour of three symbols: a tick every 10 s, every 5 min a buy at 99 with the mid at 100, and one bad line."""
    directory.mkdir()
    ticks, fills = [], []
    for symbol in SYMBOLS:
        ticks += [
            {"ts": T0 + at, "symbol": symbol, "tick_total_ms": 20.0, "cache_hit": True, "deadline_miss": False}
            for at in range(0, 3600, 10)
        ]
        fills += [
            {"ts": T0 + at, "symbol": symbol, "side": "buy", "price": 99.0, "qty": 2.0, "liquidity": "maker"}
            | {"mid_at_quote": 100.0, "mid_now": 100.0, "quote_price": 99.0}
            for at in range(150, 3600, 300)
        ]
    (directory / "pipeline_ticks_20250101.jsonl").write_text("".join(json.dumps(tick) + "\n" for tick in ticks))
    (directory / "fills_20250101.jsonl").write_text("".join(json.dumps(fill) + "\n" for fill in fills) + "{bad\n")


def test_the_reports_own_command_makes_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_feeds(tmp_path / "feeds")
    asked = ["--interval-sec", "600", "--min-ticks", "3", "--max-reject-ratio", "0.5", "--format", "json,parquet"]
    assert run(["aggregate", "--feeds", "feeds", "--no-filter", "ws_gap", *asked]) == 0
    [dataset] = Path("artifacts/edge/datasets").glob("*.json")
    assert run(["summary", str(dataset)]) == 0
    out, _ = capsys.readouterr()
    assert "USABLE; 18 of 18 intervals kept (100 %), coverage 4.2 %, 3 symbols" in out
    # A buy 1 below the mid of 100 gains 100 bps, in each of 18 intervals.
    assert "net_bps median 100, p05 100, p95 100, over 18 intervals" in out

    [report] = Path("artifacts/edge/reports").glob("*.md")
    block = re.search(r"(`{3,})sh\n(.*)\n\1", report.read_text("utf-8"), re.DOTALL)
    assert block is not None
    words = shlex.split(block[2].replace("\\\n", ""))
    assert words[:2] == ["calib", "aggregate"]
    assert run([*words[1:], "--feeds", "feeds", "--out", "again"]) == 0
    assert (Path("again/datasets") / dataset.name).read_bytes() == dataset.read_bytes()

    parquet = dataset.with_suffix(".parquet")
    assert run(["summary", "--out", "other", str(parquet)]) == 0
    assert (Path("other/reports") / report.name).read_bytes() == report.read_bytes()
