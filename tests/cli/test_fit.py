"""``calib fit`` and ``calib markout`` as their user meets them: what they print, write, and end with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calib.cli.main import run
from tests.fitting.feeds import DAY, fill, poisson_feeds, quote, write


@pytest.fixture(scope="module")
def feeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("feeds")
    poisson_feeds(directory, quotes=500)
    return directory


def out_of(path: Path, *arguments: str) -> list[str]:
    return [*arguments, "--out", str(path)]


def test_fit_writes_its_file_and_report(feeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(out_of(tmp_path, "fit", "--feeds", str(feeds), "--gamma", "0.1,1")) == 0
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0] == str(tmp_path / "fits" / "fit_20250101_000000_20250102_000000.json")
    assert lines[1] == str(tmp_path / "reports" / "fit_20250101_000000_20250102_000000.md")
    assert lines[2] == "  0 USE, 0 DO_NOT_USE, 3 NOT_ENOUGH_DATA"
    assert "3 of 3 rows do not have enough data" in printed.err
    document = json.loads(Path(lines[0]).read_text())
    assert document["schema"] == "calib.fit/1"
    assert document["params"]["gamma"] == [0.1, 1.0]
    report = Path(lines[1]).read_text()
    assert "too_few_test_days" in report
    assert (tmp_path / "reports" / "fit_20250101_000000_20250102_000000_1_bins.svg").exists()


def test_strict_asks_for_a_verdict(feeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(out_of(tmp_path, "fit", str(feeds), "--strict", "--day", "2025-01-01")) == 1
    assert "not every fit may be used" in capsys.readouterr().err


def test_fit_as_json(feeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(out_of(tmp_path, "fit", "--feeds", str(feeds), "--output", "json"))
    body: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (body["schema"], body["command"], body["status"]) == ("calib.result/1", "fit", "ok")
    assert [(row["symbol"], row["side"]) for row in body["data"]["fits"]] == [
        ("X", side) for side in ("both", "buy", "sell")
    ]


def test_publishing_without_a_usable_row(feeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "calibration.json"
    assert run(out_of(tmp_path, "fit", "--feeds", str(feeds), "--publish", str(target))) == 0
    assert "3 of 3 rows are held" in capsys.readouterr().err
    body = json.loads(target.read_text())
    assert body["schema"] == "calib.calibration/1"
    assert all(row["k_per_bps"] is None and "NOT_ENOUGH_DATA" in row["held"] for row in body["rows"])


def test_publishing_over_another_file(feeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "precious.json"
    target.write_text("{}")
    assert run(out_of(tmp_path, "fit", "--feeds", str(feeds), "--publish", str(target))) == 3
    assert "[not-a-calibration]" in capsys.readouterr().err
    assert target.read_text() == "{}"


def test_quiet_is_silent(feeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(out_of(tmp_path, "fit", "--feeds", str(feeds), "-q")) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["fit", "--gamma", "much"], 2, "--gamma 'much' is not allowed"),
        (["fit", "--gamma", "-1"], 2, "--gamma '-1' is not allowed"),
        (["fit", "--max-age", "1s"], 2, "--max-age '1s' is not allowed"),
        (["fit", "--level", "1.5"], 2, "fit.level: 1.5 is not allowed"),
        (["markout", "--horizon", "2d"], 2, "--horizon '2d' is not allowed"),
        (["fit", "--symbols", "NOPE"], 3, "none of these symbols occurs in the feeds: NOPE"),
        (["markout", "--from", "2030-01-01"], 3, "no feed file of a day within the range"),
    ],
)
def test_wrong_words(
    feeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    assert run(out_of(tmp_path, *arguments, "--feeds", str(feeds))) == code
    assert said in capsys.readouterr().err


def test_no_feeds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(out_of(tmp_path, "fit", "--feeds", str(tmp_path / "nothing"))) == 3
    assert "[no-feeds]" in capsys.readouterr().err


def test_markout_writes_its_file_and_report(feeds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(out_of(tmp_path, "markout", "--feeds", str(feeds), "--horizon", "1s,5s")) == 0
    lines = capsys.readouterr().out.splitlines()
    document = json.loads(Path(lines[0]).read_text())
    assert document["schema"] == "calib.markout/1"
    assert {row["horizon_s"] for row in document["rows"]} == {1.0, 5.0}
    assert lines[2].startswith("  maker: ")
    assert "effective" in Path(lines[1]).read_text()


def test_markouts_without_mids(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "feeds", "fills", [fill(1, DAY + 5, 99.9)])
    assert run(out_of(tmp_path, "markout", "--feeds", str(tmp_path / "feeds"))) == 0
    assert "no fill has a markout" in capsys.readouterr().err
    assert run(out_of(tmp_path, "markout", "--feeds", str(tmp_path / "feeds"), "--strict")) == 1


def test_symbols_with_strange_names_break_no_report(tmp_path: Path) -> None:
    feeds = tmp_path / "feeds"
    poisson_feeds(feeds, quotes=200, symbol="A|B`<b>")
    assert run(out_of(tmp_path, "fit", "--feeds", str(feeds))) == 0
    assert run(out_of(tmp_path, "markout", "--feeds", str(feeds))) == 0
    report = (tmp_path / "reports" / "fit_20250101_000000_20250102_000000.md").read_text()
    assert "A\\|B" in report


def test_bad_lines_are_counted_and_kept(tmp_path: Path) -> None:
    feeds = tmp_path / "feeds"
    poisson_feeds(feeds, quotes=200)
    with (feeds / "quotes_20250101.jsonl").open("a") as handle:
        handle.write(json.dumps(quote(900, DAY, DAY + 1, -5.0)) + "\n")
    assert run(out_of(tmp_path, "fit", "--feeds", str(feeds))) == 0
    rejects = tmp_path / "rejects" / "quotes_20250101.jsonl.rejects.jsonl"
    assert json.loads(rejects.read_text())["reason"] == "bad_value"
