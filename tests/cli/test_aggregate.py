"""``calib aggregate`` as its user meets it."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from calib.cli.main import run
from calib.dataset import kept_days
from calib.files import locked
from tests.dataset.feeds import DAY_0, fill, good_feeds, tick, write

NAME = "calib_20250101_000000_20250102_000000"


class Desk:
    """A directory with feeds and outputs, and the command run in it."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.feeds, self.out = root / "feeds", root / "out"
        self._capsys = capsys

    def run(self, *words: str) -> int:
        code = run(["aggregate", "--feeds", str(self.feeds), "--out", str(self.out), *words])
        self.stdout, self.stderr = self._capsys.readouterr()
        return code

    def dataset(self, name: str = NAME) -> Any:
        """The only dataset of that range; its settings may stand in its name."""
        (path,) = (self.out / "datasets").glob(f"{name}*.json")
        return json.loads(path.read_bytes())


@pytest.fixture
def desk(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, capsys)


def _tree(root: Path) -> list[str]:
    """Every file below the root but the finished days, which no result depends on."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if path.parts[0] != ".calib-cache")


def test_a_good_hour_becomes_twelve_rows_a_symbol(desk: Desk) -> None:
    good_feeds(desk.feeds)
    assert desk.run() == 0
    path, *digest = desk.stdout.splitlines()
    assert path == str(desk.out / "datasets" / f"{NAME}.json")
    assert digest == [
        "24 of 24 intervals kept, 2 symbols, 2025-01-01T00:00:00Z to 2025-01-02T00:00:00Z",
        "dropped: none",
        "read: 2 files, 840 lines, 0 rejected; 0 days missing",
    ]
    dataset = desk.dataset()
    assert list(dataset) == [
        *("schema", "range", "filters", "params", "inputs", "missing_days", "counts", "intervals", "dropped", "tool")
    ]
    row = dataset["intervals"][0]
    assert row["sample_count"] == {"ticks": 30, "fills": 5, "quotes": 300}
    # each of five buys at 99.99 with the mid at 100: (100 - 99.99) / 100 = 1 bp; 5 fills of 300 quotes
    assert row["targets"]["net_bps"] == pytest.approx(1.0, rel=1e-9)
    assert row["targets"]["fill_rate"] == pytest.approx(5 / 300)
    assert row["features"]["max_gap_s"] == 10.0


def test_every_option_reaches_the_dataset(desk: Desk) -> None:
    good_feeds(desk.feeds)
    options = "--symbols BTCUSDT --interval-sec 600 --min-ticks 3 --max-deadline-miss-rate 0.5 --max-gap-sec 30"
    more = "--tick-sample-rate 5 --maker-fee-bps 0.25 --taker-fee-bps 3 --no-filter non_finite"
    times = "--from 2025-01-01T00:10 --to 1735690800"
    assert desk.run(*options.split(), *more.split(), *times.split()) == 0
    dataset = desk.dataset("calib_20250101_001000_20250101_002000")
    assert dataset["filters"] == {"low_ticks": 3, "deadline_miss": 0.5, "ws_gap": 30.0, "non_finite": None}
    assert dataset["params"] == {"tick_sample_rate": 5, "maker_fee_bps": 0.25, "taker_fee_bps": 3.0}
    (row,) = dataset["intervals"]
    assert (row["symbol"], row["start_ts"], row["end_ts"]) == ("BTCUSDT", DAY_0 + 600, DAY_0 + 1200)
    assert row["sample_count"]["quotes"] == 60 * 5
    assert row["targets"]["net_bps"] == pytest.approx(0.75, rel=1e-9)
    assert sum(item["lines"] for item in dataset["inputs"]) == 840


@pytest.mark.parametrize("name", ["low_ticks", "deadline_miss", "ws_gap", "non_finite"])
def test_a_filter_that_is_off_is_null_and_drops_nothing(desk: Desk, name: str) -> None:
    broken: dict[str, Any] = {
        "price": 1e200,
        "qty": 1e200,
        "mid_now": 1e200,
        "mid_at_quote": 1e200,
        "quote_price": 1e200,
    }
    write(desk.feeds, "pipeline_ticks", tick(DAY_0 + 1, deadline_miss=True))
    write(desk.feeds, "fills", fill(DAY_0 + 1, **broken))
    assert desk.run("--no-filter", name) == 1
    dataset = desk.dataset()
    assert dataset["filters"][name] is None
    assert dataset["dropped"][0]["reasons"] == [
        reason for reason in ("low_ticks", "deadline_miss", "ws_gap", "non_finite") if reason != name
    ]


def test_nothing_left_after_the_filters_is_exit_1_with_the_dataset_written(desk: Desk) -> None:
    write(desk.feeds, "pipeline_ticks", tick(DAY_0 + 1))
    assert desk.run() == 1
    assert "no interval is left of 1 after the filters (low_ticks 1, ws_gap 1)" in desk.stderr
    assert desk.dataset()["counts"] == {
        "intervals": 1,
        "kept": 0,
        "dropped": {"low_ticks": 1, "deadline_miss": 0, "ws_gap": 1, "non_finite": 0},
    }
    assert not (desk.out / "_last_success.json").exists()


def test_a_dataset_without_rows_replaces_one_that_has_some_only_where_asked(desk: Desk) -> None:
    good_feeds(desk.feeds)
    assert desk.run("--format", "json,csv") == 0
    before = _tree(desk.out), desk.dataset()
    success = (desk.out / "_last_success.json").read_bytes()
    for kind in ("fills", "pipeline_ticks"):  # as after a transfer that broke off
        path = desk.feeds / f"{kind}_20250101.jsonl"
        path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert desk.run() == 1
    assert "has 24 kept intervals, the new dataset of the same name has none" in desk.stderr
    assert "--replace" in desk.stderr
    assert NAME not in desk.stdout, "no path is named as written"
    assert (_tree(desk.out), desk.dataset()) == before
    assert (desk.out / "_last_success.json").read_bytes() == success
    assert desk.run("--replace") == 1
    assert desk.dataset()["counts"]["kept"] == 0
    assert (desk.out / "datasets" / f"{NAME}.csv").read_bytes().count(b"\n") == 1, "all forms agree"
    assert f"also updated, because they existed: {NAME}.csv" in desk.stderr


def test_counts_of_one_read_as_one(desk: Desk) -> None:
    write(desk.feeds, "fills", fill(DAY_0 + 1))
    desk.run()
    assert desk.stdout.splitlines()[1:] == [
        "0 of 1 interval kept, 1 symbol, 2025-01-01T00:00:00Z to 2025-01-02T00:00:00Z",
        "dropped: low_ticks 1",
        "read: 1 file, 1 line, 0 rejected; 1 day missing",
    ]


def test_no_data_for_a_verdict_is_0_with_a_note_and_1_with_strict(desk: Desk) -> None:
    write(desk.feeds, "pipeline_ticks", *(tick(DAY_0 + n) for n in range(0, 300, 10)))
    assert desk.run() == 0
    assert "note: no kept interval has a net_bps" in desk.stderr
    assert desk.run("--strict") == 1
    assert "error: no kept interval has a net_bps" in desk.stderr


def test_every_format_is_written_and_named_on_stdout(desk: Desk) -> None:
    good_feeds(desk.feeds)
    assert desk.run("--format", "json,parquet", "--format", "csv", "--format", "arrow") == 0
    paths = [str(desk.out / "datasets" / f"{NAME}.{form}") for form in ("json", "parquet", "csv", "arrow")]
    assert desk.stdout.splitlines()[:4] == paths
    assert all(Path(path).is_file() for path in paths)


def test_a_second_run_changes_no_byte_and_leaves_the_file_alone(desk: Desk) -> None:
    good_feeds(desk.feeds)
    assert desk.run("--format", "json,parquet,csv,arrow") == 0
    files = list((desk.out / "datasets").iterdir())
    before = [(path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in files]
    assert desk.run("--format", "json,parquet,csv,arrow") == 0
    assert [(path.stat().st_ino, path.stat().st_mtime_ns, path.read_bytes()) for path in files] == before


def test_quiet_says_nothing_on_success(desk: Desk) -> None:
    good_feeds(desk.feeds)
    assert desk.run("--quiet", "--interval-sec", "420") == 0
    assert (desk.stdout, desk.stderr) == ("", "")


def test_verbose_says_what_each_file_held(desk: Desk) -> None:
    good_feeds(desk.feeds)
    assert desk.run("-v") == 0
    assert "fills_20250101.jsonl: 120 lines, 120 used, rejected: none" in desk.stderr


def test_output_json_is_one_envelope(desk: Desk) -> None:
    good_feeds(desk.feeds)
    assert desk.run("--output", "json") == 0
    result = json.loads(desk.stdout)
    assert (result["schema"], result["command"], result["status"]) == ("calib.result/1", "aggregate", "ok")
    assert result["data"]["paths"] == [str(desk.out / "datasets" / f"{NAME}.json")]
    assert result["data"]["counts"]["kept"] == 24


def test_success_leaves_its_time_and_metrics_and_failure_leaves_them_alone(desk: Desk, tmp_path: Path) -> None:
    good_feeds(desk.feeds)
    prom = tmp_path / "metrics" / "calib.prom"
    assert desk.run("--prom", str(prom)) == 2, "no collector reads a directory that calib would make"
    assert "[unwritable-output]" in desk.stderr
    assert not desk.out.exists(), "said before the work"
    prom.parent.mkdir()
    began = time.time()
    assert desk.run("--prom", str(prom)) == 0
    success = json.loads((desk.out / "_last_success.json").read_bytes())
    assert began - 1 <= success["ts"] <= time.time() + 1
    assert success["datasets"] == [str(desk.out / "datasets" / f"{NAME}.json")]
    values = dict(line.rsplit(" ", 1) for line in prom.read_text().splitlines() if not line.startswith("#"))
    assert float(values["calib_aggregate_intervals_kept"]) == 24
    assert float(values['calib_aggregate_intervals_dropped{reason="low_ticks"}']) == 0
    assert began - 1 <= float(values["calib_aggregate_last_success_timestamp_seconds"]) <= time.time() + 1
    before = (desk.out / "_last_success.json").read_bytes(), prom.read_bytes()
    assert desk.run("--min-ticks", "1000", "--prom", str(prom)) == 1
    assert ((desk.out / "_last_success.json").read_bytes(), prom.read_bytes()) == before


def test_a_dry_run_says_what_it_would_do_and_does_nothing(desk: Desk) -> None:
    good_feeds(desk.feeds)
    good_feeds(desk.feeds, day=2)
    (desk.feeds / "fills_20250103.jsonl").unlink()
    assert desk.run("--dry-run", "--format", "json,csv") == 0
    name = "calib_20250101_000000_20250104_000000"
    for part in (
        f"would read   {desk.feeds / 'fills_20250101.jsonl'} (",
        "missing      fills 2025-01-02\nmissing      fills 2025-01-03\nmissing      pipeline_ticks 2025-01-02\n",
        "expected     864 intervals of 300 s for each symbol",
        f"would write  {desk.out / 'datasets' / name}.json\nwould write  {desk.out / 'datasets' / name}.csv\n",
    ):
        assert part in desk.stdout
    assert not desk.out.exists()
    assert desk.run("--dry-run", "--output", "json") == 0
    assert json.loads(desk.stdout)["data"]["intervals_per_symbol"] == 864


def test_days_without_a_file_are_a_fact_and_no_error(desk: Desk) -> None:
    for day in (0, 3):
        good_feeds(desk.feeds, day=day)
    (desk.feeds / "fills_20250104.jsonl").unlink()
    assert desk.run() == 0
    assert desk.dataset("calib_20250101_000000_20250105_000000")["missing_days"] == {
        "fills": ["2025-01-02", "2025-01-03", "2025-01-04"],
        "pipeline_ticks": ["2025-01-02", "2025-01-03"],
    }


def test_trap_a_fill_booked_twice_after_a_restart(desk: Desk) -> None:
    good_feeds(desk.feeds, symbols=("BTCUSDT",))
    lines = (desk.feeds / "fills_20250101.jsonl").read_bytes().splitlines(keepends=True)
    (desk.feeds / "fills_20250101.jsonl").write_bytes(b"".join([*lines[:10], *lines[:10], *lines[10:]]))
    assert desk.run("--max-reject-ratio", "0") == 0
    dataset = desk.dataset()
    assert sum(row["sample_count"]["fills"] for row in dataset["intervals"]) == 60
    assert dataset["inputs"][0]["rejected"] == {"duplicate": 10}


def test_bad_lines_are_counted_kept_and_not_fatal_below_the_limit(desk: Desk) -> None:
    good_feeds(desk.feeds)
    path = desk.feeds / "fills_20250101.jsonl"
    path.write_bytes(path.read_bytes() + b"\x00\x00\n")
    assert desk.run() == 0
    rejects = desk.out / "rejects" / "fills_20250101.jsonl.rejects.jsonl"
    (reject,) = [json.loads(line) for line in rejects.read_bytes().splitlines()]
    assert (reject["line"], reject["reason"]) == (121, "bad_json")
    assert "1 rejected" in desk.stdout


def test_too_many_bad_lines_end_with_3_after_the_rejects_are_written(desk: Desk) -> None:
    good_feeds(desk.feeds)
    path = desk.feeds / "fills_20250101.jsonl"
    path.write_bytes(path.read_bytes() + b'{"ts": 5}\n' * 10)
    assert desk.run() == 3
    assert f"{path}:121" in desk.stderr
    assert "missing_field" in desk.stderr
    assert "[too-many-rejects]" in desk.stderr
    assert len((desk.out / "rejects" / f"{path.name}.rejects.jsonl").read_bytes().splitlines()) == 10
    assert _tree(desk.out) == [".calib.lock", f"rejects/{path.name}.rejects.jsonl"]
    assert desk.run("--max-reject-ratio", "0.2") == 0


def test_an_interval_that_does_not_divide_a_day_works_with_a_note(desk: Desk) -> None:
    good_feeds(desk.feeds)
    assert desk.run("--interval-sec", "420") == 0
    assert "note: intervals of 420 s do not divide a day" in desk.stderr
    assert "note: range widened to whole intervals of 420 s" in desk.stderr
    (path,) = (desk.out / "datasets").iterdir()
    rows = json.loads(path.read_bytes())["intervals"]
    assert all(row["start_ts"] % 420 == 0 and row["end_ts"] - row["start_ts"] == 420 for row in rows)


def test_some_symbols_that_do_not_occur_are_a_note(desk: Desk) -> None:
    good_feeds(desk.feeds)
    assert desk.run("--symbols", "BTCUSDT,nobody") == 0
    assert "note: symbol nobody does not occur" in desk.stderr


def _no_directory(desk: Desk) -> None:
    pass


def _empty(desk: Desk) -> None:
    desk.feeds.mkdir()


def _other_files(desk: Desk) -> None:
    desk.feeds.mkdir()
    (desk.feeds / "notes.txt").write_text("no feed")


def _named_like_a_feed(desk: Desk) -> None:
    good_feeds(desk.feeds)
    (desk.feeds / "fills_20250102.jsonl").mkdir()


def _a_file_as_directory(desk: Desk) -> None:
    desk.feeds.write_text("a file")


def _both_forms(desk: Desk) -> None:
    good_feeds(desk.feeds)
    path = desk.feeds / "fills_20250101.jsonl"
    Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes()))


def _cut_gz(desk: Desk) -> None:
    good_feeds(desk.feeds)
    path = desk.feeds / "fills_20250101.jsonl"
    Path(f"{path}.gz").write_bytes(gzip.compress(path.read_bytes())[:-20])
    path.unlink()


def _cut_zst(desk: Desk) -> None:
    good_feeds(desk.feeds)
    path = desk.feeds / "fills_20250101.jsonl"
    Path(f"{path}.zst").write_bytes(zstandard.ZstdCompressor().compress(path.read_bytes())[:-20])
    path.unlink()


def _dangling(desk: Desk) -> None:
    good_feeds(desk.feeds)
    (desk.feeds / "fills_20250102.jsonl").symlink_to(desk.feeds / "nowhere")


@pytest.mark.parametrize(
    ("make", "words", "code", "name", "says"),
    [
        (_no_directory, "", 3, "no-feeds", "feeds"),
        (_empty, "", 3, "no-feeds", "feeds"),
        (_other_files, "", 3, "no-feeds", "feeds"),
        (_a_file_as_directory, "", 3, "unreadable-input", "no directory"),
        (_named_like_a_feed, "", 3, "unreadable-input", "fills_20250102.jsonl"),
        (_dangling, "", 3, "unreadable-input", "fills_20250102.jsonl"),
        (_both_forms, "", 3, "two-forms-of-one-day", "fills_20250101.jsonl.gz"),
        (_cut_gz, "", 3, "truncated-input", "fills_20250101.jsonl.gz"),
        (_cut_zst, "", 3, "truncated-input", "fills_20250101.jsonl.zst"),
        (good_feeds, "--day 2025-02-01", 3, "no-lines-in-range", "2025-01-01"),
        (good_feeds, "--from 2025-01-01T12:00 --to 2025-01-01T13:00", 3, "no-lines-in-range", "2025-01-01T12:00:00Z"),
        (good_feeds, "--from 2025-02-01", 3, "no-lines-in-range", "2025-01-01"),
        (good_feeds, "--symbols nobody", 3, "no-such-symbol", "BTCUSDT, ETHUSDT"),
        (good_feeds, "--from 2025-01-02 --to 2025-01-01", 2, "bad-range", "--from 2025-01-02"),
        (good_feeds, "--from 2025-01-02 --day today", 2, "bad-range", "--day"),
        (good_feeds, "--since 99999w", 2, "bad-range", "1970"),
        (good_feeds, "--from soon", 2, "bad-time", "soon"),
        (good_feeds, "--format xml", 2, "bad-config", "json, parquet, csv, arrow"),
        (good_feeds, "--no-filter everything", 2, "bad-config", "low_ticks"),
        (good_feeds, "--interval-sec 0", 2, "bad-config", "from 1"),
        (good_feeds, "--interval-sec five", 2, "usage", "--interval-sec"),
        (good_feeds, "--max-gap-sec -1", 2, "bad-config", "--max-gap-sec"),
        (good_feeds, "--no-such-option", 2, "usage", "--no-such-option"),
        (good_feeds, "--symbols ,", 2, "usage", "--symbols"),
    ],
)
def test_bad_input_is_named_and_writes_no_dataset(
    desk: Desk, make: Any, words: str, code: int, name: str, says: str
) -> None:
    make(desk.feeds if make is good_feeds else desk)
    assert desk.run(*words.split()) == code
    assert f"[{name}]" in desk.stderr
    assert says in desk.stderr
    assert "Traceback" not in desk.stderr
    assert desk.stdout == ""
    assert not list(desk.out.glob("datasets/*")) if desk.out.exists() else True


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A directory of one's own, for a user whom permissions bind: root is none, so root becomes ``nobody`` here."""
    root = Path(tempfile.mkdtemp(dir="/tmp"))
    if os.geteuid() == 0:
        os.chown(root, 65534, 65534)
        os.seteuid(65534)
    try:
        yield root
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        shutil.rmtree(root)


def test_an_unreadable_file_is_named(nobody: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(nobody, capsys)
    good_feeds(desk.feeds)
    (desk.feeds / "fills_20250101.jsonl").chmod(0)
    assert desk.run() == 3
    assert f"{desk.feeds / 'fills_20250101.jsonl'}: cannot be read: Permission denied" in desk.stderr
    assert "[unreadable-input]" in desk.stderr


def test_a_read_only_output_directory_is_exit_2(nobody: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(nobody, capsys)
    good_feeds(desk.feeds)
    desk.out.mkdir(mode=0o555)
    assert desk.run() == 2
    assert "[unwritable-output]" in desk.stderr
    assert "Permission denied" in desk.stderr
    assert desk.stdout == ""


def test_a_line_of_100_mb_is_one_reject_and_stops_nothing(desk: Desk) -> None:
    good_feeds(desk.feeds)
    with (desk.feeds / "fills_20250101.jsonl").open("ab") as handle:
        handle.write(b'{"ts": 1735689600.5, "note": "')
        for _ in range(100):
            handle.write(b"x" * 1_000_000)
        handle.write(b'"}\n')
    assert desk.run() == 0
    assert desk.dataset()["inputs"][0]["rejected"] == {"bad_json": 1}
    reject = json.loads((desk.out / "rejects" / "fills_20250101.jsonl.rejects.jsonl").read_bytes())
    assert reject["text"].startswith("longer than 16 MiB: {")
    assert len(reject["text"]) == 500


def test_an_output_that_cannot_be_written_is_exit_2(desk: Desk) -> None:
    good_feeds(desk.feeds)
    desk.out.write_text("a file in the way")
    assert desk.run() == 2
    assert "[unwritable-output]" in desk.stderr
    desk.out.unlink()
    desk.out.mkdir()
    (desk.out / "datasets").write_text("a file in the way")
    assert desk.run() == 2
    assert "[unwritable-output]" in desk.stderr


def test_a_second_run_at_the_same_time_ends_with_75(desk: Desk) -> None:
    good_feeds(desk.feeds)
    command = [sys.executable, "-m", "calib", "aggregate", "--feeds", str(desk.feeds), "--out", str(desk.out)]
    with locked(desk.out):
        second = subprocess.run(command, capture_output=True, text=True, check=False)
    assert second.returncode == 75
    assert "[lock-held]" in second.stderr
    assert f"process {os.getpid()}" in second.stderr
    assert _tree(desk.out) == [".calib.lock"]
    assert desk.run() == 0


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_middle_leaves_no_half_file(desk: Desk, number: int, code: int) -> None:
    good_feeds(desk.feeds)
    assert desk.run() == 0
    before = {path: (desk.out / path).read_bytes() for path in _tree(desk.out)}
    pipe = desk.feeds / "pipeline_ticks_20250101.jsonl"
    _append(pipe, 400_000)
    process = subprocess.Popen(
        [sys.executable, "-m", "calib", "aggregate", "--feeds", str(desk.feeds), "--out", str(desk.out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _wait_for_lock(desk.out, process)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code, stderr
    assert stderr.splitlines()[-1] == {130: "error: interrupted", 143: "error: terminated"}[code]
    assert {p: (desk.out / p).read_bytes() for p in _tree(desk.out) if p != ".calib.lock"} == {
        p: content for p, content in before.items() if p != ".calib.lock"
    }
    shutil.rmtree(desk.feeds)
    good_feeds(desk.feeds)
    assert desk.run() == 0


def _append(path: Path, count: int) -> None:
    """More ticks than can be read before a signal arrives."""
    line = json.dumps(tick(DAY_0 + 3600.0)).encode() + b"\n"
    with path.open("ab") as handle:
        handle.write(line * count)


def _wait_for_lock(out: Path, process: subprocess.Popen[str]) -> None:
    """Until the other process holds the lock: it writes its number there."""
    deadline = time.monotonic() + 60
    while (out / ".calib.lock").read_text().strip() != str(process.pid):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_finished_days_change_no_byte_and_are_spoken_of_with_v_only(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_days, "WORTH_TOTAL_BYTES", 0)
    good_feeds(desk.feeds, hours=12)
    assert desk.run() == 0
    first = desk.stdout, desk.stderr, (desk.out / "datasets" / f"{NAME}.json").read_bytes()
    assert desk.run() == 0
    assert (desk.stdout, desk.stderr, (desk.out / "datasets" / f"{NAME}.json").read_bytes()) == first
    assert "finished days" not in desk.stderr
    assert desk.run("-v") == 0
    assert "finished days: 2 of 2 files at hand, 0 read on, 0 read whole" in desk.stderr
    assert desk.run("-v", "--verify") == 0
    assert "finished days: 2 of 2 files at hand, 0 read on, 0 read whole" in desk.stderr
    shutil.rmtree(desk.out / ".calib-cache")
    assert desk.run("-v", "--no-cache") == 0
    assert "finished days" not in desk.stderr
    assert not (desk.out / ".calib-cache").exists()
    assert (desk.out / "datasets" / f"{NAME}.json").read_bytes() == first[2]
