"""`evaluate_ab` does what ``calib ab`` does; an operator's functions do what the commands do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import calib
from calib.cli.main import run
from calib.errors import NoBuckets, NoFeeds
from calib.evaluation.ab import ABOptions
from calib.experiments import ABSettings
from tests.cli.test_ab import lines, write


def test_the_same_report_as_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    feeds = write(tmp_path / "feeds", lines(20))
    assert run(["ab", "--feeds", str(feeds), "--out", str(tmp_path / "out"), "--output", "json"]) == 0
    said: dict[str, Any] = json.loads(capsys.readouterr().out)["data"]
    done: list[float] = []
    report = calib.evaluate_ab(feeds, progress=lambda part, total: done.append(part / total))
    del said["files"]  # what the command wrote; the function writes nothing
    assert {**said, "report": None} == json.loads(json.dumps({**report, "report": None}))
    assert sum(done) == pytest.approx(1.0)


def test_arms_assigned_afterwards_and_settings(tmp_path: Path) -> None:
    feeds = write(tmp_path / "feeds", lines(20, bucket=False))
    with pytest.raises(NoBuckets):
        calib.evaluate_ab(feeds)
    options = ABOptions(assign="demo/0.5", assignment="rank")
    report = calib.evaluate_ab(feeds, ABSettings(decision="threshold"), options=options)
    assert (report["assignment"]["rule"], report["decision"]) == ("rank", "threshold")
    with pytest.raises(NoFeeds):
        calib.evaluate_ab(tmp_path / "none")


def test_the_old_names_of_the_decisions_are_accepted_with_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.warns(DeprecationWarning, match="'sound' is now called 'sequential'"):
        assert ABSettings(decision="sound").decision == "sequential"
    with pytest.warns(DeprecationWarning, match="'seed' is now called 'threshold'"):
        assert ABSettings(decision="seed").decision == "threshold"
    feeds = write(tmp_path / "feeds", lines(10))
    assert run(["ab", "--feeds", str(feeds), "--out", str(tmp_path / "out"), "--decision", "sound"]) == 0
    assert "note: ab.decision: 'sound' is now called 'sequential'" in capsys.readouterr().err
