"""`check_canary` does what ``calib canary check`` does; the kill switch works beside a running and a stopped check."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import calib
from calib.cli.main import run
from calib.errors import LockHeld, UnwritableOutput
from calib.experiments import CanaryController, State
from calib.experiments.latch import read_audit
from calib.files import locked
from tests.experiments.test_rollback import SYMBOLS, T0, canary_at_half

BASE = ["--reason", "stale prices", "--output", "json"]


def feed(directory: Path, begin: float, seconds: int, ms: float) -> Path:
    directory.mkdir(exist_ok=True)
    with (directory / "pipeline_ticks_20250615.jsonl").open("a") as handle:
        for second in range(seconds):
            for symbol in SYMBOLS:
                line = {"ts": begin + second, "symbol": symbol, "cache_hit": True, "tick_total_ms": 50.0}
                line |= {"deadline_miss": False, "stage_latencies": {"fetch_md": ms}}
                handle.write(json.dumps(line) + "\n")
    return directory


def test_a_check_rolls_back_from_feeds_and_writes_a_report(tmp_path: Path) -> None:
    from calib.reports.canary import report_writer

    canary, now = canary_at_half(tmp_path / "out" / "canary")
    feeds = feed(tmp_path / "feeds", now, 120, 90.0)
    found = calib.check_canary(
        feeds,
        tmp_path / "out" / "canary",
        canary.settings,
        now=now + 120,
        report_writer=report_writer(tmp_path / "out"),
    )
    assert found.state is State.ROLLED_BACK
    assert list((tmp_path / "out" / "reports").glob("canary_rollback_*.md"))
    assert CanaryController(tmp_path / "out" / "canary").mode("S0") == "off"


def test_two_checks_do_not_run_at_once(tmp_path: Path) -> None:
    canary_at_half(tmp_path)
    with locked(tmp_path), pytest.raises(LockHeld):
        calib.check_canary(tmp_path / "feeds", tmp_path, now=T0 + 100)


def test_a_check_whose_result_cannot_be_kept_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from calib.experiments import latch

    canary, now = canary_at_half(tmp_path)

    def refuse(path: Path, _content: object) -> None:
        raise UnwritableOutput("cannot be written: No space left on device", where=str(path))

    monkeypatch.setattr(latch, "write_atomic", refuse)
    monkeypatch.setattr(latch, "append_fsynced", refuse)
    feeds = feed(tmp_path / "feeds", now, 120, 90.0)
    with pytest.raises(UnwritableOutput, match="could not be written"):
        calib.check_canary(feeds, tmp_path, canary.settings, now=now + 120)


HOLDER = """
import sys, time
from pathlib import Path
from calib.experiments import CanaryController
from calib.files import locked
home = Path(sys.argv[1])
with locked(home):
    canary = CanaryController(home)
    with canary.store.exclusive():
        print("holds both locks", flush=True)
        time.sleep(60)
"""


@pytest.mark.parametrize("command", ["rollback", "reset"])
def test_the_operator_needs_no_lock_that_a_stopped_check_holds(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    home = tmp_path / "canary"
    canary, now = canary_at_half(home)
    if command == "reset":
        canary.roll_back("before", now)
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(home)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "holds both locks\n"
        os.kill(child.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            assert run(["canary", command, *BASE, "--out", str(tmp_path)]) == 0
            assert time.monotonic() - began < 30
        finally:
            os.kill(child.pid, signal.SIGKILL)
    capsys.readouterr()
    after = CanaryController(home)
    assert after.mode("S0") == ("off" if command == "rollback" else "shadow")
    assert after.check(T0 + 400).state is (State.ROLLED_BACK if command == "rollback" else State.NODATA)


def test_the_audit_holds_the_uid_and_logname_without_home_or_passwd_entry(tmp_path: Path) -> None:
    canary, now = canary_at_half(tmp_path / "canary")
    canary.roll_back("before", now)
    environment = {"PATH": "/usr/bin:/bin", "LOGNAME": "ops"}
    calib_command = [sys.executable, "-m", "calib", "canary", "reset", "--reason", "fixed", "--out", str(tmp_path)]
    subprocess.run(calib_command, env=environment, check=True, capture_output=True, cwd=tmp_path)
    reset = read_audit(tmp_path / "canary" / "audit.jsonl")[-1]
    assert (reset["event"], reset["by"], reset["logname"]) == ("reset", str(os.getuid()), "ops")


@pytest.mark.parametrize("command", ["canary check", "canary status"])
def test_a_full_stdout_is_not_a_rolled_back_canary(tmp_path: Path, command: str) -> None:
    canary_at_half(tmp_path / "canary")
    words = [sys.executable, "-m", "calib", *command.split(), "--out", str(tmp_path)]
    if command == "canary check":
        words += ["--feeds", str(feed(tmp_path / "feeds", T0, 5, 10.0))]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "[unwritable-output]" in done.stderr
    assert "Traceback" not in done.stderr
