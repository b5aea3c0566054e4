"""A rollback is never lost: whatever fails, whichever process writes, and in whatever order."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from calib.errors import BadState, UnwritableOutput
from calib.evaluation.ab import ab_status, reset_ab, roll_back_ab
from calib.evaluation.canary import reset_canary, roll_back_canary
from calib.experiments import ABHarness, ABSettings, CanaryController, CanarySettings, State
from calib.experiments import latch as store_module
from calib.experiments.latch import Store, read_audit
from calib.experiments.rollback import RollbackLatch, new_id
from calib.files import unwritable

T0 = 1_750_000_020.0
SYMBOLS = ["S0", "S1", "S2", "S3"]
Write = Callable[..., Any]


def harness(directory: Path, **more: Any) -> ABHarness:
    settings = ABSettings(assignment="rank", decision="threshold", hold_s=60, min_fills=1)
    return ABHarness("online", 0.5, symbols=SYMBOLS, settings=settings, directory=directory, **more)


def harm(ab: ABHarness, begin: float, seconds: int) -> float:
    """B slips by 10 bps; evaluated every 5 s."""
    for second in range(seconds):
        ts = T0 + begin + second
        for symbol in SYMBOLS:
            bad = ab.router.arm(symbol, ts) == "B"
            ab.record_fill(symbol, ts, "buy", 100.1 if bad else 100.0, 1.0, "maker", quote_price=100.0)
        if second % 5 == 0:
            ab.evaluate(ts)
    return begin + seconds


class Disk:
    """A disk that can be full: for the state, for the audit, or for both."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full: set[str] = set()
        self._write, self._append = store_module.write_atomic, store_module.append_fsynced
        monkeypatch.setattr(store_module, "write_atomic", self.write)
        monkeypatch.setattr(store_module, "append_fsynced", self.append)

    def write(self, path: Path, content: bytes) -> bool:
        if "files" in self.full:
            raise unwritable(path, OSError(errno.ENOSPC, "No space left on device"))
        return bool(self._write(path, content))

    def append(self, path: Path, record: dict[str, Any]) -> None:
        if "audit" in self.full:
            raise unwritable(path, OSError(errno.ENOSPC, "No space left on device"))
        self._append(path, record)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


def test_a_rollback_on_a_full_disk_is_written_once_there_is_room(tmp_path: Path, disk: Disk) -> None:
    ab = harness(tmp_path)
    harm(ab, 0, 30)
    disk.full = {"files", "audit"}
    now = harm(ab, 30, 100)
    assert ab.state is State.ROLLED_BACK
    assert ab.status()["rollback_on_disk"] is False
    assert "No space left" in ab.status()["store_error"]
    disk.full = set()
    ab.evaluate(T0 + now)
    assert ab.status()["rollback_on_disk"] is True
    assert ab.status()["store_error"] == ""
    again = harness(tmp_path)
    assert again.rollback == ab.rollback
    assert {again.bucket(symbol, T0 + now) for symbol in SYMBOLS} == {"A"}


@pytest.mark.parametrize("full", ["files", "audit"])
def test_each_place_alone_keeps_the_rollback(tmp_path: Path, disk: Disk, full: str) -> None:
    ab = harness(tmp_path)
    harm(ab, 0, 30)
    disk.full = {full}
    harm(ab, 30, 100)
    disk.full = set()
    assert ab.rollback is not None
    assert harness(tmp_path).state is State.ROLLED_BACK


@pytest.mark.parametrize("kept", ["rollback.json", "audit.jsonl", "state.json"])
def test_each_file_alone_keeps_the_rollback(tmp_path: Path, kept: str) -> None:
    old = harness(tmp_path / "old")
    before = (tmp_path / "old" / "state.json").read_bytes()
    harm(old, 0, 130)
    target = tmp_path / "new"
    target.mkdir()
    (target / "state.json").write_bytes(before)  # an older state file, of before the rollback
    shutil.copy(tmp_path / "old" / kept, target / kept)
    again = harness(target)
    assert again.state is State.ROLLED_BACK
    events = [event["event"] for event in read_audit(target / "audit.jsonl")]
    assert events.count("rollback") == 1


def test_an_older_state_file_put_back_clears_nothing_in_a_running_process(tmp_path: Path) -> None:
    ab = harness(tmp_path)
    before = (tmp_path / "state.json").read_bytes()
    now = harm(ab, 0, 130)
    (tmp_path / "state.json").write_bytes(before)
    (tmp_path / "rollback.json").unlink()
    (tmp_path / "audit.jsonl").unlink()
    assert ab.evaluate(T0 + now) is State.ROLLED_BACK
    ab.set_split(0.6)
    assert json.loads((tmp_path / "state.json").read_text())["rollback"]["id"] == ab.rollback["id"]  # type: ignore[index]


def test_two_processes_on_one_state_the_latched_one_wins(tmp_path: Path) -> None:
    one, other = harness(tmp_path), harness(tmp_path)
    now = harm(one, 0, 130)
    assert one.rollback is not None
    other.set_split(0.7)  # a save in the other process
    assert json.loads((tmp_path / "state.json").read_text())["rollback"]["id"] == one.rollback["id"]
    assert other.evaluate(T0 + now) is State.ROLLED_BACK
    assert {other.bucket(symbol, T0 + now) for symbol in SYMBOLS} == {"A"}


def test_an_operators_rollback_reaches_a_running_harness_with_report_and_hook(tmp_path: Path) -> None:
    seen: list[str] = []
    ab = harness(tmp_path, on_rollback=lambda record: seen.append(record["reason"]))
    found = roll_back_ab(tmp_path, "venue maintenance")
    assert found["by"] == str(os.getuid())
    assert ab.evaluate(T0) is State.ROLLED_BACK
    assert seen == ["venue maintenance"]
    assert list((tmp_path / "reports").glob("ab_run_*.json"))
    assert ab_status(tmp_path)["rollback"]["id"] == found["id"]
    assert roll_back_ab(tmp_path, "again")["id"] == found["id"]


def test_a_reset_begins_new_tests_also_where_the_state_still_holds_old_timers(tmp_path: Path) -> None:
    ab = harness(tmp_path)
    harm(ab, 0, 130)
    old = (tmp_path / "state.json").read_bytes()
    assert reset_ab(tmp_path, "fixed") is not None
    (tmp_path / "state.json").write_bytes(old)  # as where the state's lock was held by a stopped process
    again = harness(tmp_path)
    assert again.rollback is None
    assert again.engine.grid is None
    assert again.engine.threshold.holds["slippage_degradation"].held_s == 0


def test_a_reset_that_the_audit_cannot_take_leaves_the_rollback_in_force(tmp_path: Path, disk: Disk) -> None:
    harm(harness(tmp_path), 0, 130)
    disk.full = {"audit"}
    with pytest.raises(UnwritableOutput):
        reset_ab(tmp_path, "fixed")
    disk.full = set()
    assert harness(tmp_path).state is State.ROLLED_BACK


def test_the_kill_switch_works_on_a_damaged_state(tmp_path: Path) -> None:
    harness(tmp_path)
    (tmp_path / "state.json").write_text("{")
    roll_back_ab(tmp_path, "stale prices")
    assert json.loads((tmp_path / "rollback.json").read_text())["rollback"]["reason"] == "stale prices"
    with pytest.raises(BadState, match=r"state\.json"):
        harness(tmp_path)
    (tmp_path / "state.json").unlink()
    assert harness(tmp_path).state is State.ROLLED_BACK


def test_a_disk_that_takes_nothing_is_said_to_the_operator(tmp_path: Path, disk: Disk) -> None:
    harness(tmp_path)
    disk.full = {"files", "audit"}
    with pytest.raises(UnwritableOutput, match="could not be written"):
        roll_back_ab(tmp_path, "stale prices")
    with pytest.raises(BadState, match="does not exist"):
        roll_back_ab(tmp_path / "typo", "stale prices")


def canary_at_half(directory: Path, **more: Any) -> tuple[CanaryController, float]:
    from calib.experiments.canary.baseline import next_baseline, save_baseline

    figures = {"fetch_md_p95_ms": 30.0, "symbols": dict.fromkeys(SYMBOLS, 30.0), "ticks": 1, "start": 0.0, "end": 1.0}
    save_baseline(directory, next_baseline(None, name="b", accepted_ts=0.0, accepted_by="t", **figures))
    settings = CanarySettings(steps=["0.5:60", "1:60"], shadow_s=60, warmup_s=0, min_ticks=20)
    canary = CanaryController(directory, settings, symbols=SYMBOLS, **more)
    tell(canary, T0, 70, 10.0)
    canary.check(T0 + 70)
    canary.advance(T0 + 70)
    return canary, T0 + 70


def tell(canary: CanaryController, begin: float, seconds: int, ms: float) -> float:
    for second in range(seconds):
        for symbol in SYMBOLS:
            own = ms if canary.mode(symbol) == "on" else 30.0
            fields: dict[str, Any] = {"cache_hit": True, "tick_total_ms": 50.0, "deadline_miss": False}
            canary.record_tick(symbol, begin + second, fetch_md_ms=own, fetch_md_cache_ms=2.0, **fields)
    return begin + seconds


def test_a_reload_cannot_undo_a_canarys_rollback(tmp_path: Path, disk: Disk) -> None:
    canary, now = canary_at_half(tmp_path)
    disk.full = {"files", "audit"}
    now = tell(canary, now, 120, 90.0)
    assert canary.check(now).state is State.ROLLED_BACK
    canary.reload()
    now = tell(canary, now, 120, 10.0)
    assert canary.check(now).state is State.ROLLED_BACK
    assert {canary.mode(symbol) for symbol in SYMBOLS} == {"off"}
    disk.full = set()
    canary.check(now)
    assert CanaryController(tmp_path).mode("S0") == "off"


def test_a_rollback_by_hand_during_a_check_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canary, now = canary_at_half(tmp_path)
    tell(canary, now, 60, 10.0)
    inside, go_on = threading.Event(), threading.Event()
    real = CanaryController._test

    def slow(self: CanaryController, moment: float) -> None:
        inside.set()
        assert go_on.wait(10)
        real(self, moment)

    monkeypatch.setattr(CanaryController, "_test", slow)
    checking = threading.Thread(target=canary.check, args=(now + 60,))
    checking.start()
    assert inside.wait(10)
    began = time.monotonic()
    roll_back_canary(tmp_path, "from the shell")  # another process
    canary.latch.refresh()
    assert {canary.mode(symbol) for symbol in SYMBOLS} == {"off"}
    assert time.monotonic() - began < 1.5
    go_on.set()
    checking.join()
    assert {canary.mode(symbol) for symbol in SYMBOLS} == {"off"}
    assert json.loads((tmp_path / "state.json").read_text())["rollback"]["why"] == "by hand: from the shell"


def test_a_reset_of_another_process_begins_in_shadow_also_where_an_older_state_comes_back(tmp_path: Path) -> None:
    canary, now = canary_at_half(tmp_path)
    canary.roll_back("test", now)
    old = (tmp_path / "state.json").read_bytes()
    assert reset_canary(tmp_path, "fixed") is not None
    assert canary.check(now + 5).phase == "shadow"
    (tmp_path / "state.json").write_bytes(old)
    again = CanaryController(tmp_path)
    assert again.rollback is None
    assert {again.mode(symbol) for symbol in SYMBOLS} == {"shadow"}
    assert again.progress.step == -1


def test_a_report_is_written_at_a_canarys_rollback(tmp_path: Path) -> None:
    from calib.reports.canary import report_writer

    canary, now = canary_at_half(tmp_path, report_writer=report_writer(tmp_path))
    now = tell(canary, now, 120, 90.0)
    assert canary.check(now).state is State.ROLLED_BACK
    text = next((tmp_path / "reports").glob("canary_rollback_*.md")).read_text()
    assert "fetch_md p95 +200.0 % of baseline" in text
    assert canary.progress.enabled[0] in text


class LatchMachine(RuleBasedStateMachine):
    """Several processes, full disks, lost and older files: a rollback without a reset stays in force."""

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.home = tempfile.TemporaryDirectory()
        self.path = Path(self.home.name)
        (self.path / "audit.jsonl").touch()
        self.latches = [self.new() for _ in range(2)]
        self.known: list[set[str]] = [set(), set()]
        """Per process: rollbacks that it has seen and that no reset has cleared."""
        self.full = False
        self.older: dict[str, bytes] = {}

    def new(self) -> RollbackLatch:
        fresh = RollbackLatch(Store(self.path, "calib.ab-state/1"))
        fresh.refresh()
        return fresh

    @contextlib.contextmanager
    def disk(self) -> Iterator[None]:
        if not self.full:
            yield
            return
        real = store_module.write_atomic, store_module.append_fsynced

        def refuse(path: Path, _content: Any) -> Any:
            raise unwritable(path, OSError(errno.ENOSPC, "full"))

        store_module.write_atomic = store_module.append_fsynced = refuse  # type: ignore[assignment]
        try:
            yield
        finally:
            store_module.write_atomic, store_module.append_fsynced = real

    @rule(which=st.integers(0, 1))
    def roll_back(self, which: int) -> None:
        identity = new_id(T0, "test")
        with self.disk():
            self.latches[which].set({"event": "rollback", "id": identity, "ts": T0})
        self.known[which].add(identity)
        assert self.latches[which].record is not None

    @rule(which=st.integers(0, 1))
    def look(self, which: int) -> None:
        self.latches[which].refresh()
        record = self.latches[which].record
        if record is not None:
            self.known[which].add(record["id"])

    @rule(which=st.integers(0, 1))
    def persist(self, which: int) -> None:
        with self.disk():
            self.latches[which].persist()

    @rule()
    def toggle_disk(self) -> None:
        self.full = not self.full

    @rule(name=st.sampled_from(["rollback.json", "audit.jsonl"]))
    def lose_a_file(self, name: str) -> None:
        (self.path / name).unlink(missing_ok=True)

    @rule(which=st.integers(0, 1))
    def reset(self, which: int) -> None:
        latch = self.latches[which]
        try:
            with self.disk():
                cleared = {one["id"] for one in latch.reset("fixed", T0)}
        except UnwritableOutput:
            return
        self.known = [known - cleared for known in self.known]
        for other in self.latches:
            other.refresh()

    @invariant()
    def known_rollbacks_are_in_force(self) -> None:
        for latch, known in zip(getattr(self, "latches", []), getattr(self, "known", []), strict=True):
            assert (latch.record is not None) or not known

    def teardown(self) -> None:
        if hasattr(self, "home"):
            self.home.cleanup()


TestLatchMachine = LatchMachine.TestCase
TestLatchMachine.settings = hypothesis_settings(max_examples=40, stateful_step_count=20, deadline=None)


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tests.experiments.test_rollback import harness, harm
ab = harness(Path(sys.argv[1]), on_rollback=lambda record: print("rolled back", flush=True))
print("begins", flush=True)
harm(ab, 0, 100_000)
"""


@pytest.mark.parametrize("attempt", range(4))
def test_kill_9_at_a_random_moment_loses_nothing_and_leaves_no_temporary_file(tmp_path: Path, attempt: int) -> None:
    root = str(Path(__file__).resolve().parents[2])
    command = [sys.executable, "-c", CHILD, str(tmp_path), root]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "begins\n"
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.extend(child.stdout or []))
        reader.start()
        time.sleep(random.Random(attempt).uniform(0.0, 0.6))
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
        reader.join()
    again = harness(tmp_path)
    if said:
        assert again.state is State.ROLLED_BACK
    harm(again, 200_000, 10)
    again.set_split(0.7)
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_process_that_may_write_nothing_rolls_back_in_memory(tmp_path: Path) -> None:
    """RLIMIT_FSIZE of 0: the kernel refuses every write."""
    root = str(Path(__file__).resolve().parents[2])
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2])\n"
        "from tests.experiments.test_rollback import harness, harm\n"
        "ab = harness(Path(sys.argv[1])); harm(ab, 0, 130)\n"
        "print(ab.state, ab.status()['rollback_on_disk'], ab.status()['store_error'][:200])\n"
    )

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    command = [sys.executable, "-c", code, str(tmp_path), root]
    done = subprocess.run(command, preexec_fn=limit, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("ROLLED_BACK False")
    assert "File too large" in done.stdout
