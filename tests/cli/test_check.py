"""``calib check`` as its user sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calib.cli.main import run
from tests.feeds.helpers import TS, line, make


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    directory = tmp_path / "feeds"
    directory.mkdir()
    good = [line("fills", trade_id=str(n), ts=TS + 30 * n, zz=1) for n in range(9)]
    make(directory, b"\n".join([*good, line("fills", price=-1)]) + b"\n")
    make(directory, line("pipeline_ticks", ts=TS + 3 * 86_400) + b"\n" + b'{"ts"', "pipeline_ticks", "20250104")
    (directory / "fills_2025-01-02.jsonl").touch()
    return directory


def test_the_report(feeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--feeds", str(feeds), "--max-reject-ratio", "0.1"]) == 0
    streams = capsys.readouterr()
    assert "fills_20250101.jsonl: 10 lines, 9 used, 1 rejected (10.00%)" in streams.out
    assert "bad_value      1, first at line 10" in streams.out
    assert "silence        30 s from 2025-01-01T00:00:00.000Z" in streams.out
    assert "unknown fields zz" in streams.out
    assert "partial_tail   1, first at line 2" in streams.out
    assert "days missing, fills: 2025-01-02 to 2025-01-04 (3 days)" in streams.out
    assert "days missing, pipeline_ticks: 2025-01-01 to 2025-01-03 (3 days)" in streams.out
    assert "newest line: 2025-01-04T00:00:00.000Z" in streams.out
    assert "fills_2025-01-02.jsonl is ignored" in streams.err
    assert max(map(len, streams.out.splitlines())) <= 120


def test_it_writes_nothing_unless_rejects_are_asked_for(feeds: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    run(["check", "--feeds", str(feeds), "--out", str(tmp_path / "out")])
    assert sorted(tmp_path.rglob("*")) == before
    run(["check", "--feeds", str(feeds), "--out", str(tmp_path / "out"), "--rejects"])
    written = tmp_path / "out" / "rejects" / "fills_20250101.jsonl.rejects.jsonl"
    (entry,) = map(json.loads, written.read_text().splitlines())
    assert (entry["line"], entry["reason"], entry["field"]) == (10, "bad_value", "price")


def test_json(feeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--feeds", str(feeds), "--max-reject-ratio", "0.1", "--output", "json"]) == 0
    data: dict[str, Any] = json.loads(capsys.readouterr().out)["data"]
    assert data["schema"] == "calib.check/1"
    assert data["files"][0]["rejected"] == {"bad_value": {"lines": 1, "first_line": 10}}
    assert data["files"][0]["longest_silence"] == {"duration_s": 30.0, "from": "2025-01-01T00:00:00.000Z"}
    assert data["missing_days"]["fills"] == ["2025-01-02", "2025-01-03", "2025-01-04"]
    assert data["ignored"] == ["fills_2025-01-02.jsonl"]


def test_too_many_bad_lines_is_a_no(feeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(feeds)]) == 1
    assert "fills_20250101.jsonl: 1 of 10 lines are bad (max_reject_ratio allows 1.00%)" in capsys.readouterr().err


def test_the_newest_line_may_be_too_old(
    feeds: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: TS + 3 * 86_400 + 3 * 3600)
    argv = ["check", str(feeds), "--max-reject-ratio", "0.1", "--max-age"]
    assert run([*argv, "3h"]) == 0
    assert "3 h 0 min old" in capsys.readouterr().out
    assert run([*argv, "2h"]) == 1
    assert "the newest line is 3 h 0 min old; --max-age allows 2 h 0 min" in capsys.readouterr().err


def test_single_files_may_be_named(feeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ticks = feeds / "pipeline_ticks_20250104.jsonl"
    assert run(["check", str(ticks), str(feeds), str(ticks)]) == 1
    assert capsys.readouterr().out.count("pipeline_ticks_20250104.jsonl:") == 1
    assert run(["check", str(ticks)]) == 0


def test_the_schema_of_a_feed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--schema", "fills"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "fills"
    assert run(["check", "--schema", "fils"]) == 2
    assert "One of fills, pipeline_ticks, book, trades, quotes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("prepare", "name"),
    [
        (lambda at: None, "no-feeds"),
        (lambda at: at.mkdir(), "no-feeds"),
        (lambda at: at.touch(), "unreadable-input"),
        (lambda at: (at / "fills_20250101.jsonl").mkdir(parents=True), "unreadable-input"),
        (lambda at: [at.mkdir(), make(at, b""), make(at, b"", form=".gz")], "two-forms-of-one-day"),
        (lambda at: [at.mkdir(), make(at, b"\x1f\x8b\x08", form=".gz")], "truncated-input"),
    ],
)
def test_input_that_is_not_what_it_should_be(
    prepare: Any, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(tmp_path / "feeds")
    assert run(["check", str(tmp_path / "feeds")]) == 3
    streams = capsys.readouterr()
    assert f"[{name}]" in streams.err
    assert "Traceback" not in streams.err
    assert streams.out == ""
