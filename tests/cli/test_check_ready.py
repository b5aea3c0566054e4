"""``calib check --ready`` as its user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calib.cli.main import run
from tests.evaluation.test_readiness import fill, tick, write


@pytest.fixture
def feeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five minutes of good feeds, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return write(Path("feeds"), [tick(n) for n in range(0, 300, 10)], [fill(n) for n in range(40)])


def test_too_few_hours_are_not_ready(feeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--ready", str(feeds)]) == 1
    out, err = capsys.readouterr()
    [row] = [line for line in out.splitlines() if "hours_covered " in line and line.startswith("|")]
    assert [cell.strip() for cell in row.split("|")[1:5]] == ["hours_covered", "0.08333", ">= 12", "MISSED"]
    assert "error: NOT READY: hours_covered (fetch_md_p95_gain_ms, clock_behind_ratio not judged)" in err
    assert not Path("artifacts").exists()


def test_the_limits_are_settings(feeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("calib.yaml").write_text("ready:\n  min_hours: 0.05\n")
    assert run(["check", "--ready", str(feeds), "--output", "json"]) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    assert (data["schema"], data["ready"], data["missed"], data["ticks"]) == ("calib.ready/1", True, [], 30)
    gain = {check["name"]: check for check in data["checks"]}["fetch_md_p95_gain_ms"]
    assert gain["passed"] is None
    assert gain["advice"] == "give --baseline, or log fetch_md_cache_ms in shadow mode"  # how to have it judged
    Path("calib.yaml").write_text("ready:\n  min_hours: 0.05\ncanary:\n  shadow_max_fetch_ms: 4\n")
    assert run(["check", "--ready", str(feeds), "-q"]) == 1
    assert "NOT READY: fetch_md_p95_ms" in capsys.readouterr().err


def test_a_report_is_written_where_a_form_is_asked_for(feeds: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--ready", str(feeds), "--format", "both", "--out", "out"]) == 1
    assert sorted(path.name for path in Path("out/reports").iterdir()) == ["readiness.html", "readiness.md"]
    assert Path("out/reports/readiness.md").read_text().startswith("# Ready for a first calibration: `feeds`\n\n**NOT")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--ready", "nowhere"], 3, "error: nowhere: the directory does not exist [no-feeds]\nhint: Check --feeds"),
        (["--ready", "--feeds", "nowhere"], 3, "error: nowhere: the directory does not exist [no-feeds]"),
        (["--ready", "feeds", "empty"], 2, "--ready checks one directory of feeds"),
        (["--ready", "file"], 2, "file is not a directory"),
        (["--ready", "feeds", "--baseline", "feeds/nothing.json"], 3, "cannot be read"),
        (["--ready", "feeds", "--max-age", "2h"], 2, "cannot be combined with --max-age or --rejects"),
        (["feeds", "--baseline", "x"], 2, "--open require --ready"),
        (["--ready", "empty"], 3, "holds no feed"),
    ],
)
def test_wrong_use_is_explained(
    feeds: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, said: str
) -> None:
    Path("empty").mkdir()
    Path("file").touch()
    assert run(["check", *words]) == code
    assert said in capsys.readouterr().err
