"""A verdict over the reads that could be judged: how many, of how many, and what a gate makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calib.cli.main import run

TS = 1735689600.0


def delta(number: int) -> dict[str, Any]:
    bids = [[100.0, float(number)]]
    return {
        "ts": TS + number / 10, "symbol": "X", "type": "delta", "first_update_id": number, "update_id": number,
        "bids": bids, "asks": [],
    }  # fmt: skip


def snapshot(update_id: int, ts: float = TS, **more: Any) -> dict[str, Any]:
    levels = {"bids": [[100.0, 1.0]], "asks": [[101.0, 1.0]]}
    return {"ts": ts, "symbol": "X", "type": "snapshot", "update_id": update_id, **levels, **more}


def feeds(path: Path, *rows: dict[str, Any]) -> Path:
    path.mkdir()
    (path / "book_20250101.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def replay(path: Path, *more: str) -> tuple[int, dict[str, Any], str]:
    out = path.parent / f"out-{len(list(path.parent.iterdir()))}"
    code = run(["replay", str(path), "--read-every", "100ms", "--out", str(out), "-q", *more])
    (made,) = (out / "reports").glob("*.json")
    return code, json.loads(made.read_text())["overall"], made.with_suffix(".md").read_text()


def test_a_hole_of_the_recording_is_no_miss_and_the_headline_says_what_was_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = feeds(tmp_path / "feeds", snapshot(0), *[delta(n) for n in range(1, 200) if n != 20])
    code, overall, report = replay(path, "--gate", "--max-fetch-p95-ms", "100", "--max-pricing-on-stale", "1")
    assert code == 0
    judged, holes = overall["staleness"]["judged"], overall["reads_in_holes"]
    assert (judged, overall["reads"], holes) == (20, 20, 179)
    assert f"Judged 20 of {20 + 179} reads." in report
    assert overall["hit_ratio"] > 0.8
    assert replay(path, "--gate", "--strict")[0] == 1
    assert "checked 20 of 199 reads; a verdict needs at least half of the reads" in capsys.readouterr().err


def test_a_gate_needs_a_judged_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = feeds(tmp_path / "feeds", *[delta(n) for n in range(1, 50)])
    assert replay(path)[0] == 0
    assert replay(path, "--gate")[0] == 1
    assert "needs at least one read" in capsys.readouterr().err


@pytest.mark.parametrize("more", [{}, {"origin": "pushed"}])
@pytest.mark.parametrize("fill", ["stream", "callback"])
def test_a_recording_of_whole_books_replays(tmp_path: Path, more: dict[str, str], fill: str) -> None:
    books = [snapshot(7 * n, TS + n / 10, **more) for n in range(60)]
    code, overall, _ = replay(feeds(tmp_path / "feeds", *books), "--fill", fill, "--latency", "constant:36")
    assert code == 0
    assert (overall["reads"], overall["reads_in_holes"], overall["staleness"]["judged"]) == (59, 0, 59) or (
        overall["reads"] == overall["staleness"]["judged"] == 60
    )


def test_overlapping_lines_cost_no_read(tmp_path: Path) -> None:
    once = [snapshot(0), *[delta(n) for n in range(1, 100)]]
    twice = [*once[:60], *[row | {"ts": once[59]["ts"]} for row in once[40:60]], *once[60:]]
    (tmp_path / "a").mkdir()
    clean = replay(feeds(tmp_path / "a" / "feeds", *once))[1]
    (tmp_path / "b").mkdir()
    repeated = replay(feeds(tmp_path / "b" / "feeds", *twice))[1]
    names = ("reads", "hits", "hit_ratio", "reads_in_holes", "staleness")
    assert {name: repeated[name] for name in names} == {name: clean[name] for name in names}
