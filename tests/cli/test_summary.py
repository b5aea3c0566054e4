"""``calib summary`` as its user meets it: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import calib
from calib.cli.main import run
from calib.dataset.model import DROPPED, INTERVALS, Counts, Dataset, Filters, MissingDays, Params, Range
from calib.dataset.store import write_dataset
from calib.errors import all_errors

T0 = 1_735_689_600  # 2025-01-01T00:00:00Z


def made(kept: int, dropped: int = 1, day: int = 1) -> Dataset:
    """One symbol with ``kept`` intervals of net_bps 0, 1, 2, ... and some dropped, on a day of January 2025."""
    start = T0 + 86_400 * (day - 1)
    numbers = dict.fromkeys(INTERVALS)
    rows = [
        numbers
        | {"symbol": "BTCUSDT", "start_ts": start + 300 * n, "end_ts": start + 300 * (n + 1)}
        | {"ticks": 30, "fills": 5, "quotes": 50, "net_bps": float(n)}
        | dict.fromkeys(("net_bps_equal", "slippage_bps", "fill_rate", "taker_share", "taker_share_notional"), 0.5)
        for n in range(kept)
    ]
    gone = [
        {"symbol": "BTCUSDT", "start_ts": start + 300 * (200 + n), "reasons": ["low_ticks"]} for n in range(dropped)
    ]
    return Dataset(
        range=Range(
            from_=f"2025-01-{day:02}T00:00:00Z",
            to=f"2025-01-{day + 1:02}T00:00:00Z",
            interval_sec=300,
            symbols=["BTCUSDT"],
        ),
        filters=Filters(low_ticks=10, deadline_miss=0.05, ws_gap=60.0, non_finite=True),
        params=Params(tick_sample_rate=10, maker_fee_bps=0.0, taker_fee_bps=0.0),
        inputs=[],
        missing_days=MissingDays(fills=[], pipeline_ticks=[]),
        counts=Counts(intervals=kept + dropped, kept=kept, dropped={"low_ticks": dropped}),
        intervals=pl.DataFrame(rows, schema=INTERVALS),
        dropped=pl.DataFrame(gone, schema=DROPPED),
    )


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The default output root, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return Path("artifacts/edge")


def test_it_prints_the_path_and_three_lines(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [path] = write_dataset(made(40), root / "datasets")
    assert run(["summary", str(path)]) == 0
    out, err = capsys.readouterr()
    report = root / "reports" / "calib_summary_calib_20250101_000000_20250102_000000.md"
    usable = "USABLE; 40 of 41 intervals kept (97.6 %), coverage 14.2 %, 1 symbol"
    assert out.split("\n")[:2] == [
        str(report),
        f"  {usable}, 2025-01-01 00:00:00 to 2025-01-02 00:00:00 UTC",
    ]
    assert out.split("\n")[3] == "  net_bps median 19.5, p05 1.95, p95 37.05, over 40 intervals"
    assert len(out.splitlines()) == 4
    assert err == ""
    assert report.read_text("utf-8").startswith("# Calibration summary: `calib_20250101_000000_20250102_000000`\n")


def test_nothing_kept_ends_with_one_and_still_writes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [path] = write_dataset(made(0, 3), root / "datasets")
    assert run(["summary", "--quiet", str(path)]) == 1
    out, err = capsys.readouterr()
    assert "NOT USABLE: all 3 intervals were dropped" in out
    assert err == f"error: not usable: {path}: all 3 intervals were dropped\n"
    assert len(list((root / "reports").glob("*.md"))) == 1


def test_several_datasets_get_a_report_each(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [
        str(write_dataset(made(40, day=day), root / "datasets", [form])[0])
        for day, form in ((1, "json"), (2, "parquet"))
    ]
    assert run(["summary", *paths]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 8
    assert len(list((root / "reports").glob("*.md"))) == 2


def test_two_datasets_of_one_name_are_refused_before_anything_is_written(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(path) for path in write_dataset(made(40), root / "datasets", ["json", "parquet"])]
    assert run(["summary", *paths]) == 2
    assert "would be written to the same report" in capsys.readouterr().err
    assert not (root / "reports").exists()


def test_without_a_name_it_takes_the_newest(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = (write_dataset(made(40, day=day), root / "datasets")[0] for day in (2, 1))
    os.utime(old, (1, 1))
    (root / "datasets" / "notes.txt").write_text("no dataset")
    assert run(["summary"]) == 0
    out, err = capsys.readouterr()
    assert new.stem in out
    assert err == f"note: no dataset given; using the newest, {new}\n"


@pytest.mark.parametrize("make", [False, True])
def test_without_any_dataset_it_says_how_to_make_one(
    root: Path, capsys: pytest.CaptureFixture[str], make: bool
) -> None:
    if make:
        (root / "datasets").mkdir(parents=True)
    assert run(["summary"]) == 3
    err = capsys.readouterr().err
    assert "artifacts/edge/datasets: contains no dataset [unreadable-input]" in err
    assert "calib aggregate" in err


def test_json_carries_every_alert(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [path] = write_dataset(made(40), root / "datasets")
    assert run(["summary", "--output", "json", str(path)]) == 0
    body: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (body["schema"], body["command"], body["status"]) == ("calib.result/1", "summary", "ok")
    [report] = body["data"]["reports"]
    assert (report["usable"], report["kept"], report["intervals"]) == (True, 40, 41)
    assert len(report["alerts"]) == report["critical"] + report["warnings"]
    net = report["distributions"][0]
    assert (net["name"], net["n"], net["minimum"], net["maximum"]) == ("net_bps", 40, 0.0, 39.0)
    assert Path(report["report"]).is_file()


@pytest.mark.parametrize("content", [b"", b"{}", b"nonsense", b"PAR1", b'{"schema": "calib.dataset/9"}'])
def test_what_is_no_dataset_ends_with_three_and_no_traceback(
    root: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    Path("bad.json").write_bytes(content)
    assert run(["summary", "bad.json"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: bad.json: ")
    assert "\nhint: " in err
    assert "Traceback" not in err
    assert not root.exists()


def test_a_directory_and_a_missing_file_are_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["summary", "."]) == 3
    assert ".: is a directory, not a dataset [unreadable-input]" in capsys.readouterr().err
    assert run(["summary", "nowhere.json"]) == 3
    assert "nowhere.json: does not exist [unreadable-input]" in capsys.readouterr().err
    assert not root.exists()


def test_reports_that_cannot_be_written_are_a_usage_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [path] = write_dataset(made(40), root / "datasets")
    (root / "reports").write_text("a file stands in the way")
    assert run(["summary", str(path)]) == 2
    assert "[unwritable-output]" in capsys.readouterr().err


def test_a_second_run_leaves_the_report_alone(root: Path) -> None:
    [path] = write_dataset(made(40), root / "datasets")
    assert run(["summary", "-q", str(path)]) == 0
    before = {report: (report.stat().st_ino, report.stat().st_mtime_ns) for report in (root / "reports").iterdir()}
    assert run(["summary", "-q", str(path)]) == 0
    after = {report: (report.stat().st_ino, report.stat().st_mtime_ns) for report in (root / "reports").iterdir()}
    assert after == before


def test_the_library_does_what_the_command_does(root: Path) -> None:
    [path] = write_dataset(made(40), root / "datasets")
    assert run(["summary", "-q", str(path)]) == 0
    [written] = (root / "reports").glob("*.md")
    report = calib.render_summary(path, "elsewhere")
    assert report.path == Path("elsewhere/reports") / written.name
    assert report.text.encode() == written.read_bytes()
    assert report.summary.verdict.usable


def test_the_forms_of_a_report_are_those_asked_for(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [path] = write_dataset(made(40), root / "datasets")
    stem = "calib_summary_calib_20250101_000000_20250102_000000"
    assert run(["summary", str(path), "--format", "html"]) == 0
    assert [each.name for each in (root / "reports").iterdir()] == [f"{stem}.html"]
    assert capsys.readouterr().out.splitlines()[0].endswith(f"{stem}.html")
    assert run(["summary", "-q", str(path), "--format", "both"]) == 0
    names = {each.name for each in (root / "reports").iterdir()}
    pictures = {f"{stem}_{name}.svg" for name in ("map", "net_bps", "histograms", "filters")}
    assert names == {f"{stem}.html", f"{stem}.md"} | pictures
    text = (root / "reports" / f"{stem}.md").read_text("utf-8")
    assert all(f"]({name})" in text for name in pictures)


def test_a_report_is_opened_where_there_is_a_browser(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def open_once(address: str) -> bool:
        opened.append(address)
        return len(opened) < 2

    monkeypatch.setattr("webbrowser.open", open_once)
    [path] = write_dataset(made(40), root / "datasets")
    assert run(["summary", "-q", str(path), "--open"]) == 0
    address = opened[0]
    assert address.startswith("file:///")
    assert address.endswith(".html")
    assert run(["summary", str(path), "--open"]) == 0
    assert "note: no browser found; open artifacts/edge/reports/" in capsys.readouterr().err


def test_against_an_older_dataset_it_says_how_the_columns_drifted(root: Path) -> None:
    old, new = (write_dataset(made(kept, day=day), root / "datasets")[0] for kept, day in ((40, 1), (60, 2)))
    assert run(["summary", "-q", str(new), "--against", str(old)]) == 0
    text = (root / "reports" / f"calib_summary_{new.stem}.md").read_text("utf-8")
    drift = text.split("## Drift")[1].split("## Alerts")[0]
    # Medians of 0..39 and 0..59 are 19.5 and 29.5.
    row = next(line for line in drift.splitlines() if line.startswith("| net_bps "))
    assert [cell.strip() for cell in row.split("|")[3:6]] == ["19.5", "29.5", "+10"]
    assert "The symbols are the same." in drift


def test_the_names_of_errors_are_unique() -> None:
    names = [kind.name for kind in all_errors()]
    assert len(set(names)) == len(names)


def test_a_report_lies_in_the_root_that_holds_the_dataset(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A dataset of another root must not leave its report among ours, where it might replace one of the same name."""
    other, loose = Path("elsewhere"), Path("loose")
    name = "reports/calib_summary_calib_20250101_000000_20250102_000000.md"
    [path] = write_dataset(made(40), other / "datasets")
    assert run(["summary", str(path)]) == 0
    assert (other / name).is_file()
    assert not root.exists()
    [path] = write_dataset(made(40), loose)
    assert run(["summary", str(path)]) == 0
    assert (root / name).is_file()
    assert run(["summary", str(path), "--out", "asked"]) == 0
    assert Path("asked", name).is_file()
    ours, theirs = (write_dataset(made(40), Path(each) / "datasets")[0] for each in ("one", "two"))
    assert run(["summary", str(ours), str(theirs)]) == 0, "one name in two roots is no clash"
    capsys.readouterr()
