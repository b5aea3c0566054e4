"""Feeds on disk: whole, alone, the same each time; and what must not be overwritten."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard

from calib.errors import BadRange, ForeignFiles, LockHeld, UnwritableOutput, UsageError
from calib.files import locked
from calib.simulation.closed_loop.hour import ClosedLoopHour
from calib.simulation.output import simulate
from calib.simulation.plan import SimulationPlan

START = 1_735_765_200  # 2025-01-01T21:00:00Z
SMALL = SimulationPlan(("BTCUSDT", "ETHUSDT"), START, START + 600, seed=3, incidents=False)


def _contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir() if path.name != ".calib.lock"}


def test_the_same_plan_gives_the_same_bytes_and_changes_nothing_the_second_time(tmp_path: Path) -> None:
    plan = replace(SMALL, hostile=True, quotes=True, compress={"all": "zst"})
    first = simulate(plan, tmp_path / "a")
    other = simulate(plan, tmp_path / "b")
    assert _contents(tmp_path / "a") == _contents(tmp_path / "b")
    assert first.files == other.files
    assert simulate(plan, tmp_path / "a").changed == ()
    assert [file.file for file in first.files] == [
        "fills_20250101.jsonl.zst",
        "pipeline_ticks_20250101.jsonl.zst",
        "quotes_20250101.jsonl.zst",
    ]


def test_one_tick_in_ten_is_logged_and_every_fill(tmp_path: Path) -> None:
    simulate(SMALL, tmp_path)
    lines: list[tuple[str, dict[str, Any]]] = []
    ClosedLoopHour(
        3, SMALL.symbols, START, SMALL.box, lambda kind, record: lines.append((kind, record)), incidents=False
    ).run()
    ticks = [record for kind, record in lines if kind == "pipeline_ticks" and record["ts"] < START + 600]
    fills = [record for kind, record in lines if kind == "fills" and record["ts"] < START + 600]
    logged = [json.loads(line) for line in (tmp_path / "pipeline_ticks_20250101.jsonl").read_bytes().splitlines()]
    for symbol in SMALL.symbols:
        mine = [tick["ts"] for tick in ticks if tick["symbol"] == symbol]
        assert [tick["ts"] for tick in logged if tick["symbol"] == symbol] == mine[::10]
    assert {tick["sample_rate"] for tick in logged} == {10}
    written = [json.loads(line) for line in (tmp_path / "fills_20250101.jsonl").read_bytes().splitlines()]
    assert [{key: line[key] for key in fill} for line, fill in zip(written, fills, strict=True)] == fills


def test_the_record_beside_the_feeds_says_what_they_are(tmp_path: Path) -> None:
    done = simulate(SMALL, tmp_path)
    record = json.loads((tmp_path / "simulation.json").read_bytes())
    assert record["schema"] == "calib.simulation/1"
    assert (record["from"], record["to"]) == ("2025-01-01T21:00:00Z", "2025-01-01T21:10:00Z")
    assert (record["seed"], record["symbols"]) == (3, ["BTCUSDT", "ETHUSDT"])
    lines = {path.name: path.read_bytes().count(b"\n") for path in tmp_path.glob("*.jsonl")}
    assert {file["file"]: file["lines"] for file in record["files"]} == lines
    assert done.lines("fills") == lines["fills_20250101.jsonl"]


def test_compressed_days_hold_the_same_lines(tmp_path: Path) -> None:
    name = "fills_20250101.jsonl"
    simulate(SMALL, tmp_path / "plain")
    simulate(replace(SMALL, compress={"20250101": "gz"}), tmp_path / "gz")
    simulate(replace(SMALL, compress={"all": "zst"}), tmp_path / "zst")
    plain = (tmp_path / "plain" / name).read_bytes()
    packed = (tmp_path / "gz" / f"{name}.gz").read_bytes()
    assert gzip.decompress(packed) == plain
    assert packed[4:8] == bytes(4)  # no time of making in the header
    with (tmp_path / "zst" / f"{name}.zst").open("rb") as handle:
        assert zstandard.ZstdDecompressor().stream_reader(handle).read() == plain


def test_another_plan_replaces_the_earlier_one_and_removes_what_it_does_not_write(tmp_path: Path) -> None:
    simulate(replace(SMALL, quotes=True), tmp_path)
    done = simulate(replace(SMALL, compress={"all": "gz"}), tmp_path)
    assert done.removed == ("fills_20250101.jsonl", "pipeline_ticks_20250101.jsonl", "quotes_20250101.jsonl")
    assert sorted(path.name for path in tmp_path.glob("*_2025*")) == [
        "fills_20250101.jsonl.gz",
        "pipeline_ticks_20250101.jsonl.gz",
    ]


def test_a_live_bots_feeds_are_never_mixed_with_simulated_ones(tmp_path: Path) -> None:
    live = tmp_path / "fills_20260301.jsonl"
    live.write_bytes(b"{}\n")
    with pytest.raises(ForeignFiles, match=r"fills_20260301\.jsonl"):
        simulate(SMALL, tmp_path)
    assert _contents(tmp_path) == {live.name: b"{}\n"}


def test_a_simulated_file_that_was_changed_is_no_longer_ours(tmp_path: Path) -> None:
    simulate(SMALL, tmp_path)
    path = tmp_path / "fills_20250101.jsonl"
    path.write_bytes(path.read_bytes() + b"{}\n")
    with pytest.raises(ForeignFiles):
        simulate(SMALL, tmp_path)
    done = simulate(SMALL, tmp_path, force=True)
    assert done.changed == ("fills_20250101.jsonl",)


def test_force_replaces_what_stands_in_the_way_and_nothing_else(tmp_path: Path) -> None:
    other_form, other_day = tmp_path / "fills_20250101.jsonl.gz", tmp_path / "fills_20250301.jsonl"
    other_form.write_bytes(b"no gzip at all")
    other_day.write_bytes(b"{}\n")
    done = simulate(SMALL, tmp_path, force=True)
    assert done.removed == (other_form.name,)
    assert other_day.exists()


def test_other_files_in_the_directory_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "simulation.json").write_text("[not a record")
    (tmp_path / ".simulating").mkdir()  # what a killed run leaves
    simulate(SMALL, tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / ".simulating").exists()


def test_a_second_run_at_the_same_time_is_refused(tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(LockHeld):
        simulate(SMALL, tmp_path)


def test_a_directory_that_is_a_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises(UnwritableOutput):
        simulate(SMALL, path)


def test_nothing_is_left_behind_when_a_run_is_interrupted(tmp_path: Path) -> None:
    def interrupt(_done: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate(SMALL, tmp_path, progress=interrupt)
    assert _contents(tmp_path) == {}


def test_hostile_lines_come_beside_the_good_ones(tmp_path: Path) -> None:
    plan = replace(SMALL, end_s=START + 1_800)
    simulate(plan, tmp_path / "good")
    simulate(replace(plan, hostile=True), tmp_path / "bad")
    for name in ("fills_20250101.jsonl", "pipeline_ticks_20250101.jsonl"):
        good = (tmp_path / "good" / name).read_bytes().splitlines()
        bad = (tmp_path / "bad" / name).read_bytes().splitlines()
        assert 1 <= len(bad) - len(good) <= 3
        assert len(bad) - len(good) <= max(1, len(good) // 200)
        rest = iter(bad)
        assert all(line in rest for line in good)  # a subsequence: nothing good is lost or moved


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"end_s": START}, BadRange),
        ({"start_s": 0.0}, BadRange),
        ({"end_s": float("nan")}, BadRange),
        ({"end_s": 5e9}, BadRange),
        ({"symbols": ()}, UsageError),
        ({"symbols": ("A", "A")}, UsageError),
        ({"symbols": ("A\n",)}, UsageError),
        ({"symbols": ("\ud800",)}, UsageError),
        ({"symbols": ("A" * 65,)}, UsageError),
        ({"sample_rate": 0}, UsageError),
        ({"compress": {"20250101": "rar"}}, UsageError),
        ({"compress": {"20250102": "gz"}}, UsageError),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(change: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        replace(SMALL, **change)  # type: ignore[arg-type]  # the wrong values are the point


def test_progress_moves_within_the_hour_and_adds_up(tmp_path: Path) -> None:
    told: list[float] = []
    simulate(SMALL, tmp_path, progress=told.append)
    total = len(SMALL.symbols) * len(SMALL.hours())
    assert sum(told) == pytest.approx(total)
    assert max(told) <= 0.1 * total
    assert all(part >= 0 for part in told)
