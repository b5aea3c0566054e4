"""`calib simulate` as its user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from calib.cli.main import run


def test_it_writes_the_feeds_and_says_what_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "feeds"
    assert run(["simulate", "--out", str(out), "--symbols", "2", "--minutes", "10", "--no-incidents"]) == 0
    printed = capsys.readouterr()
    fills = (out / "fills_20250101.jsonl").read_bytes().count(b"\n")
    ticks = (out / "pipeline_ticks_20250101.jsonl").read_bytes().count(b"\n")
    assert ticks == 2 * 30  # ten minutes, a tick every 2 s, one in ten logged
    assert printed.out.splitlines() == [
        f"{out}/fills_20250101.jsonl",
        f"{out}/pipeline_ticks_20250101.jsonl",
        "2 symbols, 2025-01-01T00:00:00Z to 2025-01-01T00:10:00Z, seed 1",
        f"{fills} fills lines, {ticks} pipeline_ticks lines",
        "2 of 2 files changed",
    ]
    assert printed.err == ""


def test_json_and_a_second_run_that_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["simulate", "--out", str(tmp_path), "--symbols", "AAA,BBB", "--symbols", "AAA", "--minutes", "5"]
    argv += ["--seed", "9", "--quotes", "--compress", "20250101:zst", "--no-incidents", "--output", "json"]
    assert run(argv) == 0
    first = json.loads(capsys.readouterr().out)
    assert first["schema"] == "calib.result/1"
    assert first["data"]["plan"]["symbols"] == ["AAA", "BBB"]
    names = [file["file"] for file in first["data"]["files"]]
    assert names == [f"{kind}_20250101.jsonl.zst" for kind in ("fills", "pipeline_ticks", "quotes")]
    assert first["data"]["changed"] == names
    assert run(argv) == 0
    assert json.loads(capsys.readouterr().out)["data"]["changed"] == []


@pytest.mark.parametrize(
    ("options", "name", "words"),
    [
        (["--symbols", "0"], "usage", "--symbols 0"),
        (["--symbols", "1001"], "usage", "1 to 1000"),
        (["--symbols", ","], "usage", "0 symbols"),
        (["--symbols", "A\nB"], "usage", "is not a valid symbol"),
        (["--hours", "0"], "bad-range", "--hours 0 is not a valid length"),
        (["--hours", "nan"], "bad-range", "--hours nan"),
        (["--minutes", "-5"], "bad-range", "--minutes -5"),
        (["--minutes", "5", "--hours", "1"], "bad-range", "--hours and --minutes"),
        (["--from", "2025-01-02", "--to", "2025-01-01"], "bad-range", "is not before"),
        (["--from", "1970-01-01"], "bad-range", "2000 and 2100"),
        (["--from", "soon"], "bad-time", "'soon'"),
        (["--compress", "2025-02-02"], "usage", "Simulated days: 20250101"),
        (["--compress", "tomorrow"], "usage", "is not a day"),
        (["--compress", "all:rar"], "usage", "Allowed: gz or zst"),
        (["--sample-rate", "0"], "usage", "sample_rate: 0 is out of range"),
        (["--seed", "x"], "usage", "--seed"),
        (["--speed", "9"], "usage", "--speed"),
    ],
)
def test_bad_values_are_explained_and_nothing_is_written(
    options: list[str], name: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", "--out", str(tmp_path / "out"), *options]) == 2
    error = capsys.readouterr().err
    assert f"[{name}]" in error
    assert words in error
    assert not (tmp_path / "out").exists()


def test_foreign_feeds_are_refused_until_forced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "fills_20250101.jsonl").write_text("{}\n")
    argv = ["simulate", "--out", str(tmp_path), "--symbols", "1", "--minutes", "5", "--no-incidents"]
    assert run(argv) == 2
    error = capsys.readouterr().err
    assert "[foreign-files]" in error
    assert "--force" in error
    assert run([*argv, "--force"]) == 0


def test_what_an_earlier_run_left_is_removed_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["simulate", "--out", str(tmp_path), "--symbols", "1", "--minutes", "5", "--no-incidents"]
    assert run([*argv, "--from", "2025-03-01"]) == 0
    assert run(argv) == 0
    assert "fills_20250301.jsonl of an earlier simulation was removed" in capsys.readouterr().err


def test_a_range_without_a_tick_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """21:00 to 21:05 of seed 7 lies within an outage."""
    argv = ["simulate", "--out", str(tmp_path), "--seed", "7", "--from", "2025-01-01T21:00", "--minutes", "5"]
    assert run([*argv, "--symbols", "2"]) == 0
    assert "an outage covers the range" in capsys.readouterr().err


def test_compare_prints_both_and_the_gate_decides_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["simulate", "--minutes", "2", "--symbols", "6", "--compare", "--gate"]
    assert run(argv) == 0
    printed = capsys.readouterr().out
    assert "cache off" in printed
    assert "FAIL" not in printed
    broken = ["--fill", "callback", "--set", "md_cache.ttl_ms=10", "--set", "md_cache.stale_ok=false"]
    assert run([*argv, *broken, "--output", "json"]) == 1
    body = json.loads(capsys.readouterr().out)
    assert (body["status"], body["exit_code"], body["data"]["passed"]) == ("verdict-no", 1, False)
    assert "hit_ratio" in body["errors"][0]["what"]
    assert body["data"]["after"]["hit_ratio"] < 0.7


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (["--gate"], "usage"),
        (["--fault", "sleep@5"], "bad-fault"),
        (["--latency", "fast"], "usage"),
        (["--latency", "0"], "usage"),
        (["--set", "md_cache.ttl=5"], "bad-config"),
        (["--set", "md_cache.ttl_ms=5"], "bad-config"),
        (["--record", "NOSUCH"], "usage"),
        (["--record", "BTCUSDT", "--record-minutes", "90"], "usage"),
        (["--cache", "maybe"], "usage"),
    ],
)
def test_what_makes_no_sense_of_the_box_is_said(
    options: list[str], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["simulate", "--out", str(tmp_path), *options]) == 2
    printed = capsys.readouterr()
    assert f"[{name}]" in printed.err
    assert "hint: " in printed.err
    assert not list(tmp_path.iterdir())


def test_a_recorded_book_is_written_beside_the_feeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["simulate", "--out", str(tmp_path), "--symbols", "2", "--minutes", "2", "--no-incidents"]
    assert run([*argv, "--record", "BTCUSDT", "--record-minutes", "1"]) == 0
    assert "book lines" in capsys.readouterr().out
    lines = [json.loads(line) for line in (tmp_path / "book_20250101.jsonl").read_bytes().splitlines()]
    assert {line["symbol"] for line in lines} == {"BTCUSDT"}
    assert lines[-1]["ts"] - lines[0]["ts"] < 61


def test_a_terminated_run_leaves_nothing_behind(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "calib", "simulate", "--out", str(tmp_path / "out"), "--hours", "200"]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while not (tmp_path / "out" / ".simulating").exists():
        assert process.poll() is None
    process.terminate()
    _, error = process.communicate(timeout=60)
    assert process.returncode == 143
    assert error == b"error: terminated\n"
    assert [path.name for path in (tmp_path / "out").iterdir()] == [".calib.lock"]
