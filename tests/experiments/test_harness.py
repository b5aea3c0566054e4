"""The harness as a bot meets it: modes, rollback, restart, kill, threads."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calib.errors import BadState, ConfigError, NewerSchema
from calib.experiments import ABHarness, ABSettings, State
from calib.experiments.ab_state import SCHEMA
from calib.experiments.latch import Store, read_audit
from calib.experiments.rollback import reset_by_hand

T0 = 1_750_000_020.0
SYMBOLS = [f"S{i}" for i in range(10)]
Make = Callable[..., Any]
SEQUENTIAL = ABSettings(assignment="switchback", decision="sequential")
THRESHOLD = ABSettings(assignment="rank", decision="threshold")


def harness(mode: str = "online", settings: ABSettings = THRESHOLD, **more: Any) -> ABHarness:
    return ABHarness(mode, 0.5, symbols=SYMBOLS, settings=settings, **more)


def reset(store: Store, reason: str, now: float) -> list[dict[str, Any]]:
    return reset_by_hand(store, reason, now, lambda _latch: {"progress": None})


@pytest.mark.parametrize("settings", [THRESHOLD, SEQUENTIAL], ids=["threshold", "sequential"])
def test_a_harm_is_found_and_every_symbol_runs_a(market: Make, settings: ABSettings) -> None:
    seen: list[dict[str, Any]] = []
    ab = harness(settings=settings, on_rollback=seen.append)
    end = market(slippage_b=3.0).feed(ab, 5400)
    assert ab.state is State.ROLLED_BACK
    assert ab.rollback is not None
    assert ab.rollback["gate"] == "slippage_degradation"
    assert {ab.bucket(symbol, end + 1) for symbol in SYMBOLS} == {"A"}
    assert [record["id"] for record in seen] == [ab.rollback["id"]]
    assert {ab.rollback["threshold"]["decision"], ab.rollback["sequential"]["decision"]} == {"threshold", "sequential"}


@pytest.mark.parametrize(
    ("harm", "gate"),
    [
        ({"taker_b": 0.5}, "taker_share_increase"),
        ({"latency_b": 1.5}, "latency_regression"),
        ({"miss_b": 0.10}, "deadline_miss_spike"),
    ],
)
def test_each_gate_of_the_sound_decision_finds_its_own_harm(market: Make, harm: dict[str, float], gate: str) -> None:
    ab = harness(settings=SEQUENTIAL)
    market(**harm).feed(ab, 5400)
    assert ab.rollback is not None
    assert ab.rollback["gate"] == gate


def test_modes_dry_routes_to_a_shadow_judges_only_online_acts(market: Make) -> None:
    dry, shadow = harness("dry"), harness("shadow")
    for ab in (dry, shadow):
        market(slippage_b=3.0).feed(ab, 1800)
        report = ab.report()
        assert report["first_act"]["threshold"]["gate"] == "slippage_degradation"
        assert report["rollback"] is None
        assert ab.state is State.VIOLATING
    assert {dry.bucket(symbol, T0) for symbol in SYMBOLS} == {"A"}
    assert sorted(shadow.bucket(symbol, T0) for symbol in SYMBOLS) == ["A"] * 5 + ["B"] * 5


def test_the_threshold_rules_act_at_600_s_after_the_violation_began(market: Make) -> None:
    ab = harness()
    market(slippage_b=20.0).feed(ab, 3600)
    assert ab.rollback is not None
    evidence = ab.rollback["evidence"]
    assert evidence["held_s"] >= 600
    assert ab.rollback["ts"] - evidence["since"] < 600 + 30


def test_the_hooks_failure_cannot_stop_the_rollback(market: Make, tmp_path: Path) -> None:
    def explode(_record: dict[str, Any]) -> None:
        raise RuntimeError("pager is down")

    ab = harness(directory=tmp_path, on_rollback=explode)
    market(slippage_b=20.0).feed(ab, 1800)
    assert ab.state is State.ROLLED_BACK
    events = read_audit(tmp_path / "audit.jsonl")
    assert [event["event"] for event in events] == ["rollback", "hook_failed"]
    assert "pager is down" in events[1]["error"]
    assert json.loads((tmp_path / "state.json").read_text())["rollback"]["id"] == events[0]["id"]


def test_a_full_disk_cannot_stop_the_rollback(market: Make, tmp_path: Path) -> None:
    ab = harness(directory=tmp_path / "ab")
    ab.store.directory = tmp_path / "file" / "below"
    (tmp_path / "file").write_text("in the way")
    market(slippage_b=20.0).feed(ab, 1800)
    assert ab.state is State.ROLLED_BACK
    assert ab.bucket("S0", T0) == "A"
    assert "cannot be written" in ab.status()["store_error"]


def test_trap_a_restart_loses_neither_timer_nor_latch(market: Make, tmp_path: Path) -> None:
    world = market(slippage_b=20.0)
    first = harness(directory=tmp_path)
    world.feed(first, 400)
    held = first.engine.threshold.holds["slippage_degradation"].held_s
    assert 100 < held < 600
    second = harness(directory=tmp_path)
    assert second.engine.threshold.holds["slippage_degradation"].held_s == held
    world.feed(second, 1000, from_s=400)
    assert second.state is State.ROLLED_BACK
    third = harness(directory=tmp_path)
    assert third.state is State.ROLLED_BACK
    assert third.bucket("S1", T0 + 5000) == "A"


def test_a_restart_keeps_the_e_process_and_drops_the_torn_block(market: Make, tmp_path: Path) -> None:
    world = market(slippage_b=1.0)
    first = harness(settings=SEQUENTIAL, directory=tmp_path)
    world.feed(first, 1230)
    before = first.engine.sequential.tests["slippage_degradation"].to_state()
    second = harness(settings=SEQUENTIAL, directory=tmp_path)
    assert second.engine.sequential.tests["slippage_degradation"].to_state() == before
    world.feed(second, 1530, from_s=1230)
    after = second.engine.sequential.tests["slippage_degradation"]
    # Blocks 20 (torn by the restart) and, for want of their end, the open ones are missing.
    assert 1 <= float(after.count) - before["count"] <= 4


def test_other_settings_begin_new_tests_but_keep_the_latch(market: Make, tmp_path: Path) -> None:
    ab = harness(directory=tmp_path)
    market(slippage_b=20.0).feed(ab, 1800)
    other = harness(settings=SEQUENTIAL, directory=tmp_path)
    assert other.state is State.ROLLED_BACK
    assert other.engine.grid is None
    assert "new_settings" in [event["event"] for event in read_audit(tmp_path / "audit.jsonl")]


def test_only_an_operators_reset_with_a_reason_clears_the_latch(market: Make, tmp_path: Path) -> None:
    ab = harness(directory=tmp_path)
    world = market(slippage_b=20.0)
    world.feed(ab, 1800)
    ab.evaluate(T0 + 90_000)
    ab.set_split(0.8)
    assert ab.state is State.ROLLED_BACK
    cleared = reset(ab.store, "fixed the queue", T0 + 2000)
    assert [one["gate"] for one in cleared] == ["slippage_degradation"]
    assert ab.evaluate(T0 + 2000) is State.NODATA  # the running process sees it and begins anew
    assert "B" in {ab.bucket(symbol, T0 + 2001) for symbol in SYMBOLS}
    assert read_audit(tmp_path / "audit.jsonl")[-1]["reason"] == "fixed the queue"
    assert reset(ab.store, "again", T0 + 2001) == []


def test_a_vanished_state_file_does_not_clear_a_running_latch(market: Make, tmp_path: Path) -> None:
    ab = harness(directory=tmp_path)
    market(slippage_b=20.0).feed(ab, 1800)
    (tmp_path / "state.json").unlink()
    assert ab.evaluate(T0 + 4000) is State.ROLLED_BACK


CHILD = """
import json, sys
from calib.experiments import ABHarness, ABSettings
settings = ABSettings(assignment="rank", decision="threshold", hold_s={hold}, min_fills=1)
ab = ABHarness("online", 0.5, symbols=["S0", "S1"], settings=settings, directory=sys.argv[1])
ts = 1_750_000_000.0
while True:
    ts += 1.0
    for symbol in ("S0", "S1"):
        bad = ab.router.arm(symbol, ts) == "B"
        ab.record_fill(symbol, ts, "buy", 100.1 if bad else 100.0, 1.0, "maker", quote_price=100.0)
    ab.evaluate(ts)
    if ab.rollback or ts > 1_750_000_400.0:
        print(json.dumps([ab.state, ab.engine.threshold.holds["slippage_degradation"].held_s]), flush=True)
        sys.stdin.read()
"""


@pytest.mark.parametrize(("hold", "state"), [(60, "ROLLED_BACK"), (80_000, "VIOLATING")])
def test_sigkill_loses_neither_latch_nor_timer(tmp_path: Path, hold: int, state: str) -> None:
    command = [sys.executable, "-c", CHILD.format(hold=hold), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        said = json.loads(child.stdout.readline())
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    assert said[0] == state
    settings = ABSettings(assignment="rank", decision="threshold", hold_s=hold, min_fills=1)
    again = ABHarness("online", 0.5, symbols=["S0", "S1"], settings=settings, directory=tmp_path)
    assert (again.state is State.ROLLED_BACK) == (state == "ROLLED_BACK")
    assert again.engine.threshold.holds["slippage_degradation"].held_s == said[1]


def test_killed_between_state_and_audit_the_line_is_made_good(market: Make, tmp_path: Path) -> None:
    ab = harness(directory=tmp_path)
    market(slippage_b=20.0).feed(ab, 1800)
    audit = tmp_path / "audit.jsonl"
    audit.write_bytes(audit.read_bytes()[:40])  # a torn line
    again = harness(directory=tmp_path)
    events = read_audit(audit)
    assert [event["id"] for event in events if event["event"] == "rollback"] == [
        again.rollback["id"] if again.rollback else ""
    ]
    harness(directory=tmp_path)
    assert len(read_audit(audit)) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema": "other/1"}', '{"schema": 5}'])
def test_a_damaged_state_is_refused_not_guessed(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(BadState, match=r"state\.json"):
        harness(directory=tmp_path)


def test_a_newer_state_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text('{"schema": "calib.ab-state/2"}')
    with pytest.raises(NewerSchema):
        harness(directory=tmp_path)
    with pytest.raises(BadState, match="does not exist"):
        reset(Store(tmp_path / "none", SCHEMA), "x", 0.0)


def test_bad_records_are_counted_by_reason_never_raised() -> None:
    ab = harness()
    ab.record_fill("S0", float("nan"), "buy", 1.0, 1.0, "maker")
    ab.record_fill("S0", T0, "hold", 1.0, 1.0, "maker")
    ab.record_fill("S0", T0, "buy", -1.0, 1.0, "maker")
    ab.record_tick("S0", T0, float("nan"), False)
    ab.record_tick("S0", T0 * 1000, 1.0, False)
    ab.record_tick("S0", T0, 1.0, False, bucket="C")
    ab.record_tick("NEW", T0, 1.0, False)
    counts = ab.status()["counts"]
    assert (counts["rejected_fill"], counts["rejected_tick"]) == (3, 2)
    assert (counts["rejected_bucket"], counts["unassigned"]) == (1, 1)


def test_late_records_are_counted_and_left_out() -> None:
    ab = harness()
    for i in range(40):
        ab.record_tick("S0", T0 + i, 10.0, False)
    ab.evaluate(T0 + 40)
    ab.record_tick("S0", T0 + 3, 10.0, False)
    ab.evaluate(T0 + 50)
    assert ab.status()["counts"]["late"] == 1


def test_pending_records_stay_bounded_when_nobody_evaluates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calib.experiments.harness.MAX_PENDING", 500)
    ab = harness()
    for i in range(5000):
        ab.record_tick("S0", T0 + i, 10.0, False)
    assert len(ab._records) + len(ab.engine.pending) < 1000
    assert ab.engine.metrics[ab.router.arm("S0", T0)].n_ticks == 1000


def test_recording_from_many_threads_loses_nothing() -> None:
    ab = harness("shadow")
    stop = threading.Event()

    def judge() -> None:
        while not stop.is_set():
            ab.evaluate(T0)  # long before the records: it only takes them over

    def record(symbol: str) -> None:
        for i in range(500):
            ab.record_tick(symbol, T0 + 60 + i * 0.001, 10.0, False)

    judging = threading.Thread(target=judge)
    workers = [threading.Thread(target=record, args=(symbol,)) for symbol in SYMBOLS]
    judging.start()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    stop.set()
    judging.join()
    ab.evaluate(T0 + 70)
    block = ab.engine.blocks
    assert sum(sums.ticks for sums in block._open[int((T0 + 60) // 60)].values()) == 5_000


def test_exposures_are_logged_once_per_change(tmp_path: Path) -> None:
    ab = harness(settings=SEQUENTIAL, directory=tmp_path)
    for block in range(20):
        for _ in range(3):
            ab.bucket("S0", T0 + 60 * block)
    ab.evaluate(T0)
    lines = [json.loads(line) for line in (tmp_path / "exposure.jsonl").read_text().splitlines()]
    arms = [ab.router.arm("S0", T0 + 60 * block) for block in range(20)]
    changes = [arm for i, arm in enumerate(arms) if i == 0 or arms[i - 1] != arm]
    assert [line["bucket"] for line in lines] == changes


def test_bad_settings_name_the_key() -> None:
    with pytest.raises(ConfigError, match=r"ab\.alpha"):
        ABSettings(alpha=0.9)
    with pytest.raises(ConfigError, match=r"ab\.decision"):
        ABSettings(decision="maybe")
    with pytest.raises(ConfigError, match="fraction"):
        ABHarness("dry", 50.0)
    with pytest.raises(ConfigError, match="dry, shadow, online"):
        ABHarness("live", 0.5)


def test_the_report_is_plain_json(market: Make) -> None:
    ab = harness("shadow", SEQUENTIAL)
    market().feed(ab, 900)
    text = json.dumps(ab.report(), allow_nan=False)
    assert json.loads(text)["srm"]["units_a"] + json.loads(text)["srm"]["units_b"] == 130
