"""``calib metrics`` and the text files of ``--prom``, as their user meets them."""

from __future__ import annotations

import json
import stat
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from calib.cli.main import run
from calib.metrics.names import JOBS, TABLE, by_name
from calib.metrics.prometheus import ALERTS, dashboard, recording_rules
from tests.metrics.promtool import needs_promtool, promtool
from tests.metrics.test_exposition import Series, parsed, value

FEEDS = Path(__file__).resolve().parents[2] / "sample_feeds"
TRADES = (
    "exchange_trade_id,config_file_path,strategy,market,symbol,base_asset,quote_asset,timestamp,order_id,trade_type,"
    "order_type,price,amount,leverage,trade_fee,position,age\n"
    't1,c,s,kucoin,ONE-USDT,ONE,USDT,1652207035500,o1,BUY,LIMIT_MAKER,0.5,300,1,"{}",NIL,0\n'
    't2,c,s,kucoin,ONE-USDT,ONE,USDT,1652207035600,o2,BUY,LIMIT,0.5,300,1,"{}",NIL,0\n'
)


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(["metrics", *words]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    return said.out


def test_names_prints_the_whole_table(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "names").splitlines()
    assert [line.split("  ")[0].strip() for line in lines] == [row.spelled for row in TABLE]
    assert len(printed(capsys, "names", "--set", "seed").splitlines()) == 29
    assert "    Books in the cache. Unit: books." in printed(capsys, "names", "-v").splitlines()


def test_names_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    envelope = json.loads(printed(capsys, "names", "--output", "json"))
    assert envelope["command"] == "metrics names"
    rows = {row["name"]: row for row in envelope["data"]["names"]}
    assert set(rows) == {row.name for row in TABLE}
    assert rows["mm_symbol_queue_eta_seconds"]["follows"] == ["mm_symbol_queue_eta_ms"]
    assert rows["mm_md_cache_depth_miss_total"]["labels"] == ["requested", "have"]
    assert rows["mm_md_cache_depth_miss_total"]["sets"] == ["seed", "clean"]


def test_rules_and_alerts_are_yaml_that_says_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    [group] = yaml.safe_load(printed(capsys, "rules"))["groups"]
    assert [(rule["record"], rule["expr"], rule["labels"]) for rule in group["rules"]] == [
        (rule.record, rule.expr, dict(rule.labels)) for rule in recording_rules()
    ]
    [group] = yaml.safe_load(printed(capsys, "alerts"))["groups"]
    assert [
        (rule["alert"], rule["expr"], rule["for"], rule["labels"], rule["annotations"]) for rule in group["rules"]
    ] == [
        (
            alert.name,
            alert.expr,
            alert.hold,
            {"severity": alert.severity},
            {"summary": alert.summary, "action": alert.action},
        )
        for alert in ALERTS
    ]


def test_the_dashboard_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(printed(capsys, "dashboard")) == dashboard()


def test_a_command_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["metrics"]) == 2
    assert "names, rules, alerts or dashboard" in capsys.readouterr().err


@pytest.fixture
def prom(tmp_path: Path) -> Path:
    (tmp_path / "textfiles").mkdir()
    return tmp_path / "textfiles" / "calib.prom"


def series_of(prom: Path) -> Series:
    return parsed(prom.read_text("utf-8"))


def checked(prom: Path, stem: str, names: Sequence[str]) -> Series:
    """The file holds the common names of its command and passes promtool."""
    series = series_of(prom)
    known = {row.name for row in TABLE}
    assert {name for name, _ in series} <= known
    for name in ("last_success_timestamp_seconds", "duration_seconds", "rows", *names):
        assert any(full == f"{stem}_{name}" for full, _ in series), name
    ended = value(series, f"{stem}_last_success_timestamp_seconds")
    assert ended is not None
    assert time.time() - 60 < ended <= time.time()
    took = value(series, f"{stem}_duration_seconds")
    assert took is not None
    assert 0 < took < 60
    assert list(prom.parent.iterdir()) == [prom]
    assert stat.S_IMODE(prom.stat().st_mode) & 0o444 == 0o444  # another user's exporter reads it
    return series


NIGHT = {
    "calib_aggregate": (["aggregate"], ["rows_rejected", "kept_ratio", "coverage_ratio", "missing_files"]),
    "calib_check": (["check"], ["rows_rejected", "kept_ratio", "coverage_ratio"]),
    "calib_replay": (["replay", "--fill", "callback"], ["rows_rejected", "kept_ratio", "coverage_ratio"]),
    "calib_ab": (
        ["ab", "--assign", "demo/50%", "--decision", "sound"],
        ["rows_rejected", "kept_ratio", "coverage_ratio"],
    ),
    "calib_canary_check": (["canary", "check", "--now", "2025-01-01T22:00"], ["coverage_ratio"]),
}


@pytest.mark.parametrize("stem", NIGHT)
def test_every_nightly_command_leaves_a_text_file(stem: str, prom: Path, tmp_path: Path) -> None:
    words, names = NIGHT[stem]
    argv = [*words, "--feeds", str(FEEDS), "--out", str(tmp_path / "out"), "--prom", str(prom), "--quiet"]
    assert run(argv) == 0
    checked(prom, stem, names)
    if promtool_said := _promtool_says(prom):
        raise AssertionError(promtool_said)


def _promtool_says(prom: Path) -> str:
    from tests.metrics.promtool import PROMTOOL

    if PROMTOOL is None:
        return ""
    done = promtool("check", "metrics", text=prom.read_text("utf-8"))
    return done.stdout + done.stderr


def test_the_figures_are_those_of_the_dataset(prom: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "out")
    argv = ["aggregate", "--feeds", str(FEEDS), "--out", out, "--prom", str(prom), "--output", "json"]
    assert run(argv) == 0
    data = json.loads(capsys.readouterr().out)["data"]
    series = series_of(prom)
    counts, inputs = data["counts"], data["inputs"]
    assert value(series, "calib_aggregate_rows") == sum(item["used"] for item in inputs)
    assert value(series, "calib_aggregate_kept_ratio") == counts["kept"] / counts["intervals"]
    # Two days of 288 intervals and 12 symbols; the sample has six hours, each interval with a row kept or dropped.
    slots = 2 * 288 * len(data["range"]["symbols"])
    assert value(series, "calib_aggregate_coverage_ratio") == counts["intervals"] / slots == 0.125
    bad_json = sum(item["rejected"].get("bad_json", 0) for item in inputs)
    assert value(series, "calib_aggregate_rows_rejected", reason="bad_json") == bad_json > 0
    assert run(["summary", "--out", out, "--prom", str(prom), "--quiet"]) == 0
    series = checked(prom, "calib_summarize", ["rows_rejected", "kept_ratio", "coverage_ratio"])
    assert value(series, "calib_summarize_rows") == counts["intervals"]
    assert value(series, "calib_summarize_coverage_ratio") == 0.125
    assert _promtool_says(prom) == ""


def test_a_missing_day_lowers_the_coverage(prom: Path, tmp_path: Path) -> None:
    argv = ["aggregate", "--feeds", str(FEEDS), "--out", str(tmp_path / "out"), "--prom", str(prom), "--quiet"]
    assert run([*argv, "--from", "2025-01-01", "--to", "2025-01-05"]) == 0
    series = series_of(prom)
    assert value(series, "calib_aggregate_missing_files") == 4
    assert value(series, "calib_aggregate_coverage_ratio") == 0.0625  # six hours of four days


def test_an_import_leaves_a_text_file(prom: Path, tmp_path: Path) -> None:
    trades = tmp_path / "trades_x.csv"
    trades.write_text(TRADES)
    argv = ["import", "hummingbot", str(trades), "--out", str(tmp_path / "feeds"), "--prom", str(prom), "--quiet"]
    assert run(argv) == 0
    series = checked(prom, "calib_import", ["rows_rejected", "kept_ratio"])
    assert value(series, "calib_import_rows") == 1
    assert value(series, "calib_import_rows_rejected", reason="unknown_liquidity") == 1
    assert value(series, "calib_import_kept_ratio") == 0.5
    assert _promtool_says(prom) == ""


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (["aggregate", "--min-ticks", "1000000"], 1),
        (["check", "--max-age", "1h"], 1),
        (["replay", "--gate", "--min-hit-ratio", "1", "--fill", "callback"], 1),
        (["ab", "--assign", "demo/50%", "--decision", "seed"], 1),
        (["canary", "check", "--strict", "--now", "2025-01-01T22:00"], 1),
        (["canary", "advance", "--now", "2025-01-01T22:00"], 1),
        (["aggregate", "--from", "2031-01-01"], 3),
    ],
)
def test_a_run_that_does_not_succeed_leaves_the_file_of_the_last_success(
    argv: list[str], code: int, prom: Path, tmp_path: Path
) -> None:
    prom.write_text("before")
    paths = ["--feeds", str(FEEDS), "--out", str(tmp_path / "out"), "--prom", str(prom), "--quiet"]
    assert run([*argv, *paths]) == code
    assert prom.read_text() == "before"


def test_a_text_file_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    argv = ["check", "--feeds", str(FEEDS), "--prom", str(tmp_path / "file" / "x.prom"), "--quiet"]
    assert run(argv) == 2
    said = capsys.readouterr().err
    assert "[unwritable-output]" in said
    assert "does not exist" in said
    assert "Create it, or give the directory that the collector of the node exporter reads" in said


def test_every_job_has_its_row_of_the_last_success() -> None:
    names = by_name()
    for job in JOBS:
        assert f"{job.stem}_last_success_timestamp_seconds" in names


@needs_promtool
def test_days_missing_had_a_unit_in_its_name() -> None:
    """Why calib_aggregate_days_missing is calib_aggregate_missing_files now, and summary summarize."""
    for name, why in (
        ("calib_aggregate_days_missing", 'use base unit "seconds" instead of "days"'),
        ("calib_summary_rows", "metric name should not include type 'summary'"),
    ):
        said = promtool("check", "metrics", text=f"# HELP {name} X.\n# TYPE {name} gauge\n{name} 1\n")
        assert why in said.stdout + said.stderr
