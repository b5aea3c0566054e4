"""`calib replay` as its user meets it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import polars as pl
import pytest

from calib.cli.main import run
from tests.cli.processes import interrupt
from tests.replay.recording import START, delta, snapshot, tick, write

CALLBACK = ["--fill", "callback", "--set", "md_cache.refresh_source=stream"]
"""A callback that hands out a streaming book."""


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    """A book that moves by 1 every 50 ms, read every 100 ms."""
    book: list[Any] = [snapshot(0.0, 1, [(1000, 1)], [(2000, 1)])]
    book += [delta(n / 20, 1 + n, bids=[(1000 + n - 1, 0), (1000 + n, 1)]) for n in range(1, 200)]
    ticks = [tick(n / 10 + 0.01) for n in range(1, 99)]
    return write(tmp_path / "feeds", book=book, pipeline_ticks=ticks)


def command(feeds: Path, *more: str) -> list[str]:
    return ["replay", "--feeds", str(feeds), "--out", str(feeds.parent / "out"), "--latency", "constant:8", *more]


def test_it_writes_a_report_and_the_outcome_and_says_what_it_found(
    feeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(feeds, *CALLBACK)) == 0
    printed = capsys.readouterr()
    reports = feeds.parent / "out" / "reports"
    stem = next(reports.glob("*.md")).stem
    assert re.fullmatch("replay_20250101_000000_20250101_000009_[0-9a-f]{8}", stem), "its settings are in its name"
    assert printed.out.splitlines()[:2] == [str(reports / f"{stem}.md"), str(reports / f"{stem}.json")]
    assert "98 reads" in printed.out
    outcome = json.loads((reports / f"{stem}.json").read_text())
    assert (outcome["schema"], outcome["overall"]["reads"]) == ("calib.replay/1", 98)
    text = (reports / f"{stem}.md").read_text()
    assert "## Cost of staleness" in text
    assert "A hit takes no time here" in printed.err
    before = {path: path.stat().st_mtime_ns for path in reports.iterdir()}
    assert run(command(feeds, *CALLBACK, "--quiet")) == 0
    assert capsys.readouterr() == ("", "")
    assert {path: path.stat().st_mtime_ns for path in reports.iterdir()} == before  # the same bytes are left alone


def test_json_is_the_outcome_in_the_envelope(feeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command(feeds, "--output", "json", "--gate", "--max-pricing-on-stale", "1")) == 0
    envelope = json.loads(capsys.readouterr().out)
    assert (envelope["schema"], envelope["status"]) == ("calib.result/1", "ok")
    assert envelope["data"]["schema"] == "calib.replay/1"
    assert {one["name"]: one["passed"] for one in envelope["data"]["gate"]}["hit_ratio"] is True


def test_the_gate_exits_1_where_a_limit_is_missed_and_0_where_all_hold(
    feeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loose = ["--gate", "--max-pricing-on-stale", "1", "--max-error-p95-bps", "100"]
    assert run(command(feeds, *CALLBACK, *loose)) == 0
    assert run(command(feeds, *CALLBACK, *loose, "--max-error-p95-bps", "0.001")) == 1
    assert "error_p95_bps" in capsys.readouterr().err
    assert run(command(feeds, *CALLBACK, "--max-error-p95-bps", "0.001")) == 0  # not asked to judge


def test_a_gate_without_data_is_0_with_a_note_and_1_with_strict(
    feeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    guards = ["--gate", "--use-case", "guards", "--read-every", "100ms", "--max-error-p95-bps", "100"]
    assert run(command(feeds, *CALLBACK, "--min-hit-ratio", "0", *guards)) == 0
    assert "the gate cannot be evaluated for pricing_on_stale_ratio" in capsys.readouterr().err
    assert run(command(feeds, *CALLBACK, "--min-hit-ratio", "0", *guards, "--strict")) == 1


def test_limits_and_bounds_may_come_from_the_configuration(feeds: Path, tmp_path: Path) -> None:
    file = tmp_path / "strict.yaml"
    bounds = "md_cache: {ttl_ms: 50, refresh_source: stream}"
    file.write_text(f"{bounds}\nreplay: {{fill: callback, max_error_p95_bps: 0.001}}\n")
    assert run(command(feeds, "--config", str(file), "--gate", "--quiet")) == 1


def test_compare_sets_configurations_side_by_side(
    feeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, ttl_ms in (("a", 50), ("b", 500)):
        (tmp_path / f"{name}.yaml").write_text(
            f"md_cache: {{ttl_ms: {ttl_ms}, fresh_ms_for_pricing: {ttl_ms}, refresh_source: stream}}\n"
            "replay: {fill: callback}\n"
        )
    argv = ["--compare", str(tmp_path / "a.yaml"), "--compare", str(tmp_path / "b.yaml"), "--jobs", "1"]
    assert run(command(feeds, *argv, "--output", "json")) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert [Path(path).suffix for path in data["files"]] == [".md", ".json"]
    outcomes = data["outcomes"]
    assert json.loads(Path(data["files"][1]).read_text())["outcomes"] == outcomes
    requests = [entry["outcome"]["overall"]["requests"] for entry in outcomes]
    assert requests[0] > requests[1] > 0
    alone = ["--set", "md_cache.ttl_ms=500", "--set", "md_cache.fresh_ms_for_pricing=500", *CALLBACK]
    assert run(command(feeds, *alone, "--output", "json")) == 0
    assert json.loads(capsys.readouterr().out)["data"]["overall"] == outcomes[1]["outcome"]["overall"]


def test_sweep_gives_every_combination_a_frontier_and_the_cheapest(
    feeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    axes = ["--sweep", "md_cache.ttl_ms=50,400", "--sweep", "md_cache.guard_timeout_ms=20,30"]
    argv = [*CALLBACK, *axes, "--jobs", "2", "--max-pricing-on-stale", "1", "--max-error-p95-bps", "1000"]
    assert run(command(feeds, *argv, "--gate", "--output", "json")) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert [point["set"] for point in data["points"]] == [
        {"md_cache.ttl_ms": ttl_ms, "md_cache.guard_timeout_ms": wait_ms}
        for ttl_ms in (50, 400)
        for wait_ms in (20, 30)
    ]
    assert data["cheapest"] in [point["set"] for point in data["points"] if point["not_beaten"]]
    [picture] = [path for path in data["files"] if path.endswith(".svg")]
    assert ET.parse(picture).getroot().tag.endswith("svg")
    argv = [*CALLBACK, "--sweep", "md_cache.ttl_ms=50,400", "--jobs", "1", "--min-hit-ratio", "1"]
    assert run(command(feeds, *argv, "--gate")) == 1
    assert "no configuration meets the gate" in capsys.readouterr().err


def test_a_sweep_leaves_out_the_combinations_that_contradict_themselves_and_says_so(
    feeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    axes = ["--sweep", "md_cache.ttl_ms=20,100", "--sweep", "md_cache.fresh_ms_for_pricing=10,60"]
    assert run(command(feeds, *CALLBACK, *axes, "--jobs", "1", "--output", "json")) == 0
    printed = capsys.readouterr()
    data = json.loads(printed.out)["data"]
    assert [tuple(point["set"].values()) for point in data["points"]] == [(20, 10), (100, 10), (100, 60)]
    assert data["left_out"] == [
        {
            "set": {"md_cache.ttl_ms": 20, "md_cache.fresh_ms_for_pricing": 60},
            "why": "fresh_ms_for_pricing 60 exceeds ttl_ms 20",
        }
    ]
    assert "note: 1 of 4 combinations" in printed.err
    assert data["settings"]["latency"] == "constant:8"
    none = ["--set", "md_cache.fresh_ms_for_pricing=60", "--sweep", "md_cache.ttl_ms=20,30"]
    assert run(command(feeds, *none)) == 2
    assert "fresh_ms_for_pricing 60 exceeds ttl_ms 20" in capsys.readouterr().err


@pytest.mark.parametrize("mode", [[], ["--sweep", "md_cache.ttl_ms=50,400", "--jobs", "1"]])
def test_a_fault_that_strikes_nothing_is_said_on_stderr_and_in_the_report(
    feeds: Path, mode: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    faults = ["--fault", "gap@2+1", "--fault", "rest-error@3+1"]
    assert run(command(feeds, *CALLBACK, *faults, *mode)) == 0
    printed = capsys.readouterr()
    assert printed.err.count("note: Without effect: gap@2+1.") == 1
    [report] = [line for line in printed.out.splitlines() if line.endswith(".md")]
    assert "gap@2+1" in Path(report).read_text().partition("Without effect")[2].partition("\n")[0]
    assert run(command(feeds, *faults, *mode)) == 0
    assert "Without effect" not in capsys.readouterr().err


def test_a_fault_that_nobody_was_there_to_feel_is_named_with_its_reason(
    feeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faults = ["gap@2+1", "gap@1234567.5+1", "silence@3+1:NOBODY"]
    argv = [word for fault in faults for word in ("--fault", fault)]
    assert run(command(feeds, *argv, "--output", "json")) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["data"]["settings"]["faults_without_effect"] == faults[1:]
    assert "note: Without effect: gap@1234567.5+1. The range ends after 9.95 s." in printed.err
    assert "note: Without effect: silence@3+1:NOBODY. No book of that symbol was replayed." in printed.err


def test_a_configuration_that_switches_the_cache_off_is_replayed_switched_on_and_that_is_said(
    feeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "note: md_cache.mode shadow has no effect"
    for more in ([], ["--sweep", "md_cache.ttl_ms=50,60", "--jobs", "1"]):
        assert run(command(feeds, "--set", "md_cache.mode=shadow", *more)) == 0
        assert said in capsys.readouterr().err
        assert run(command(feeds, "--set", "md_cache.mode=on", *more)) == 0
        assert "has no effect" not in capsys.readouterr().err


def test_features_are_written_as_parquet(feeds: Path, tmp_path: Path) -> None:
    path = tmp_path / "features.parquet"
    argv = ["--features-out", str(path), "--set", "replay.features_every_s=1", "--quiet"]
    assert run(command(feeds, *argv)) == 0
    frame = pl.read_parquet(path)
    assert frame["ts"].to_list() == [START + n for n in range(1, 10)]
    assert frame["latency_p95"].null_count() == 0
    assert frame["pnl_dev"].null_count() == 9


@pytest.mark.parametrize(
    ("argv", "code", "said"),
    [
        (["--set", "md_cache.ttl_ms=1"], 2, "whole number from 10 to 5000"),
        (["--set", "md_cache.nothing=1"], 2, "unknown setting in --set"),
        (["--fill", "magic"], 2, "stream, callback"),
        (["--latency", "fast"], 2, "bad-latency"),
        (["--latency", "constant:-1"], 2, "bad-latency"),
        (["--latency", "empirical:/nowhere"], 2, "cannot be read"),
        (["--latency", "recorded"], 2, "no fetch_md duration of a cache miss"),
        (["--fault", "earthquake@1"], 2, "bad-fault"),
        (["--fault", "price-jump@1"], 2, "price-jump"),
        (["--read-every", "often"], 2, "bad-time"),
        (["--read-every", "0ms"], 2, "--read-every: replay.read_every_ms: 0.0 is not allowed"),
        (["--read-every", "50ms", "--expand-reads"], 2, "cannot be combined"),
        (["--features-out", "features.csv"], 2, "is not a .parquet file"),
        (["--sweep", "md_cache.enabled=true,false"], 2, "does not affect replays"),
        (["--compare", "one.yaml"], 2, "at least two"),
        (["--compare", "a.yaml", "--sweep", "md_cache.ttl_ms=20"], 2, "cannot be combined"),
        (["--sweep", "md_cache.ttl_ms"], 2, "unknown setting in --sweep"),
        (["--sweep", "aggregate.min_ticks=1,2"], 2, "does not affect replays"),
        (["--sweep", "md_cache.ttl_ms=20,1"], 2, "whole number from 10 to 5000"),
        (["--symbols", "NOBODY"], 3, "no-such-symbol"),
        (["--from", "2026-01-01"], 3, "no-lines-in-range"),
        (["--feeds", "/nowhere"], 3, "no-feeds"),
    ],
)
def test_what_makes_no_sense_is_said(
    feeds: Path, argv: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(feeds, *argv)) == code
    assert said in capsys.readouterr().err
    assert not (feeds.parent / "out" / "reports").exists()


def test_an_empirical_latency_is_read_from_its_file_and_a_bad_line_is_named(
    feeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "latency.txt"
    file.write_text("5\n\n7.5\n")
    argv = ["--latency", f"empirical:{file}", *CALLBACK, "--output", "json"]
    assert run(command(feeds, *argv)) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["overall"]["fetch_md_ms"]["without_cache"]["p50"] == 6.25  # 5 and 7.5 in turn, 98 reads
    file.write_text("5\nseven\n")
    assert run(command(feeds, "--latency", f"empirical:{file}")) == 2
    assert f"{file}:2" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_sweep_ends_at_once_and_leaves_no_half_file_and_no_process(
    tmp_path: Path, number: int, code: int
) -> None:
    """Each of its replays would take hours: ten hours of a quiet book, read every millisecond."""
    book = [snapshot(0.0, 1, [(1000, 1)], [(2000, 1)]), *(delta(30.0 * n, 1 + n) for n in range(1, 1200))]
    feeds = write(tmp_path / "feeds", book=book)
    argv = command(feeds, "--read-every", "1ms", "--sweep", "md_cache.ttl_ms=20,40,60", "--jobs", "2")
    process = subprocess.Popen([sys.executable, "-m", "calib", *argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    workers: list[str] = []
    while len(workers) < 2 and process.poll() is None:
        # A worker is started by a thread of its own: look at every thread's children.
        threads = Path(f"/proc/{process.pid}/task").glob("*/children")
        workers = [pid for path in threads for pid in _text(path).split()]
        time.sleep(0.005)
    deadline = time.monotonic() + 60
    while min(map(_cpu_s, workers)) < 1.0:  # into the replays: to start takes a worker less than a second of CPU time
        assert process.poll() is None
        assert time.monotonic() < deadline, "the replays do not begin"
        time.sleep(0.005)
    interrupt(process, number, code)
    assert not list((tmp_path / "out").glob("reports/*"))
    deadline = time.monotonic() + 30
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.01)


def _cpu_s(pid: str) -> float:
    """CPU time that a process has used, s: fields 14 and 15 of its stat file, in ticks."""
    times = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[11:13]
    return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def test_help_has_a_worked_example(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", "--help"]) == 0
    assert "Example: calib replay" in capsys.readouterr().out
