"""The reports of replays, as whole files: one replay with all that can be said, two side by side, a sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from calib.cli.main import run
from tests.replay.recording import START, delta, fill, snapshot, tick, trade, write

GOLDEN = Path(__file__).resolve().parent.parent / "golden" / "reports"
STAMP = "20250101_000000_20250101_000009"


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    """Two books that move by 1 every 50 ms, one of them with a gap; some reads told their own answers; bad lines."""
    book: list[Any] = [snapshot(0.0, 1, [(1000, 1)], [(1100, 1)])]
    book += [snapshot(0.0, 1, [(50, 1)], [(51, 1)], symbol="Y|Z")]
    for n in range(1, 190):
        book.append(delta(n / 20, 1 + n, bids=[(1000 + n // 4 - 1, 0), (1000 + n // 4, 1 + n % 3)]))
        if not 100 <= n < 110:
            book.append(delta(n / 20, 1 + n, asks=[(51 + n % 2, n % 4)], symbol="Y|Z"))
    book.insert(61, delta(2.9, 900, symbol="Q"))  # late, and of a symbol that has no snapshot
    cases = ("pricing", "general", "guards", "rumour")
    ticks = [tick(n / 10 + 0.03, cases[n % 4], "X" if n % 2 == 0 else "Y|Z") for n in range(2, 94)]
    told = {"cache_hit": True, "cache_age_ms": 10.0, "used_stale": False, "sample_rate": 1}
    ticks = [entry | told if n % 3 == 0 else entry for n, entry in enumerate(ticks)]
    ticks.append(tick(5.0, symbol="NOBOOK"))
    directory = write(
        tmp_path / "feeds",
        book=book,
        trades=[trade(n / 7) for n in range(1, 60)],
        pipeline_ticks=sorted(ticks, key=lambda line: line["ts"]),
        fills=[fill(3.0), fill(5.0, side="sell")],
    )
    with (directory / "trades_20250101.jsonl").open("a") as handle:
        handle.write('{"ts": "soon"}\n')
    return directory


def call(feeds: Path, *more: str) -> int:
    argv = ["replay", "--feeds", str(feeds), "--out", str(feeds.parent / "out"), "--latency", "constant:8", "--quiet"]
    return run([*argv, "--max-reject-ratio", "0.05", *more])


def check(feeds: Path, stem: str, *suffixes: str) -> None:
    for suffix in suffixes:
        made = (feeds.parent / "out" / "reports" / f"{stem}_{STAMP}{suffix}").read_text("utf-8")
        assert made == (GOLDEN / f"{stem}{suffix}").read_text("utf-8"), stem + suffix


def test_the_report_of_one_replay_is_the_golden_one(feeds: Path) -> None:
    assert (
        call(
            feeds, "--fault", "rest-error@6+1", "--gate", "--max-error-p95-bps", "100", "--max-pricing-on-stale", "0.1"
        )
        == 0
    )
    check(feeds, "replay", ".md")


def test_the_report_of_two_side_by_side_is_the_golden_one(feeds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(feeds.parent)
    short = "md_cache: {ttl_ms: 50, refresh_source: stream}\nreplay: {fill: callback, min_hit_ratio: null}\n"
    Path("short.yaml").write_text(short)
    Path("stream.yaml").write_text("replay: {fill: stream}\n")
    files = ["--compare", "short.yaml", "--compare", "stream.yaml"]
    assert call(feeds, *files, "--fault", "gap@2+1", "--gate", "--jobs", "1") == 1
    check(feeds, "replay_compare", ".md")


def test_the_report_and_picture_of_a_sweep_are_the_golden_ones(feeds: Path) -> None:
    axes = ["--sweep", "md_cache.ttl_ms=20,120,400", "--sweep", "md_cache.hard_ttl_ms=100,400"]
    bounds = ["--max-pricing-on-stale", "1", "--min-hit-ratio", "0.4", "--max-error-p95-bps", "1000"]
    fill = ["--fill", "callback", "--set", "md_cache.refresh_source=stream"]
    assert call(feeds, *fill, *axes, *bounds, "--gate", "--jobs", "1") == 0
    check(feeds, "replay_sweep", ".md", ".svg")


def test_the_lines_of_the_recording_are_those_that_were_written(feeds: Path) -> None:
    """The golden files were looked at with these figures in mind."""
    lines = {path.name: path.read_text().count("\n") for path in feeds.glob("*.jsonl")}
    assert lines == {
        "book_20250101.jsonl": 2 + 189 + 179 + 1,
        "fills_20250101.jsonl": 2,
        "pipeline_ticks_20250101.jsonl": 93,
        "trades_20250101.jsonl": 60,
    }
    assert START % 86_400 == 0
