"""`calib demo`: the main job once through."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calib.cli import demo
from calib.cli.main import run
from calib.dataset.columns import TARGETS


def test_it_makes_a_dataset_and_a_summary_of_the_sample_feeds(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["demo", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    dataset = tmp_path / "datasets" / "calib_20250101_210000_20250102_030000.json"
    report = tmp_path / "reports" / "calib_summary_calib_20250101_210000_20250102_030000.md"
    for path in (dataset, report):
        assert path.is_file()
        assert str(path) in text
    made = json.loads(dataset.read_bytes())
    assert len(made["range"]["symbols"]) == 12
    assert made["counts"]["kept"] > 0.85 * made["counts"]["intervals"]
    # Something fails each of the filters that a live bot's feeds can fail.
    assert all(made["counts"]["dropped"][name] >= 10 for name in ("low_ticks", "deadline_miss", "ws_gap"))
    # Every target and feature has values nearly everywhere.
    for part in ("targets", "features"):
        for name in set(made["intervals"][0][part]) - {column.name for column in TARGETS if column.needs}:
            present = sum(interval[part][name] is not None for interval in made["intervals"])
            assert present > 0.9 * len(made["intervals"]), name
    assert sum(sum(item["rejected"].values()) for item in made["inputs"]) == 36
    assert "36 bad lines" in text


def test_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--out", str(tmp_path), "--output", "json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert data["usable"] is True
    assert Path(data["report"]).read_text(encoding="utf-8").startswith("# Calibration summary")
    assert len(data["rejects"]) == 4
    assert all(Path(path).is_file() for path in data["rejects"])


def test_without_sample_feeds_it_simulates_some_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an installed package, which holds no sample feeds."""
    monkeypatch.setattr(demo, "SAMPLES", "no_such_feeds")
    assert run(["demo", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr()
    assert "no_such_feeds/ is not here: simulating" in printed.err
    assert (tmp_path / "demo_feeds" / "simulation.json").is_file()
    assert len(list((tmp_path / "reports").glob("*.md"))) == 1


def test_it_writes_the_same_bytes_again(tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run(["demo", "--quiet", "--out", str(tmp_path / name)]) == 0
    for made in (tmp_path / "one").rglob("*.*"):
        if made.is_file() and made.name != ".calib.lock":
            assert made.read_bytes() == (tmp_path / "two" / made.relative_to(tmp_path / "one")).read_bytes()
