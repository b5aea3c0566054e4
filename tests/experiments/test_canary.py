"""The canary: shadow, schedule, gates, latch; each of its traps by name."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from calib.errors import BadState, ConfigError, NewerSchema, UsageError
from calib.experiments import CanaryController, CanarySettings, State
from calib.experiments.canary.baseline import load_baseline, next_baseline, save_baseline
from calib.experiments.canary.measure import CanaryTick, measure, measure_shadow
from calib.experiments.canary.settings import parse_steps
from calib.experiments.latch import read_audit

T0 = 1_750_000_000.0
SYMBOLS = [f"C{i}" for i in range(10)]


def with_baseline(directory: Path, ms: float = 30.0) -> None:
    fresh = next_baseline(
        None,
        name="before",
        fetch_md_p95_ms=ms,
        symbols=dict.fromkeys(SYMBOLS, ms),
        ticks=1000,
        start=T0 - 100,
        end=T0,
        accepted_ts=T0,
        accepted_by="test",
    )
    save_baseline(directory, fresh)


def drive(
    canary: CanaryController, begin: float, seconds: float, *, hit: float = 0.9, fetch_ms: float = 20.0, step: float = 5
) -> float:
    """Ticks of every symbol each ``step`` seconds, hits in the given proportion; gives the end."""
    count = int(seconds / step)
    for k in range(count):
        for i, symbol in enumerate(SYMBOLS):
            canary.record_tick(
                symbol,
                begin + k * step + i * 0.01,
                cache_hit=(k * 10 + i) % 100 < 100 * hit,
                tick_total_ms=80.0,
                deadline_miss=False,
                fetch_md_ms=fetch_ms if canary.mode(symbol) == "on" else 30.0,
                fetch_md_cache_ms=2.0 if canary.mode(symbol) == "shadow" else None,
            )
    return begin + seconds


def past_shadow(directory: Path, settings: CanarySettings | None = None) -> tuple[CanaryController, float]:
    with_baseline(directory)
    canary = CanaryController(directory, settings, symbols=SYMBOLS)
    canary.check(T0)
    now = drive(canary, T0, 3660)
    assert canary.check(now).ready
    canary.advance(now)
    return canary, now


def test_the_whole_way_from_shadow_to_all(tmp_path: Path) -> None:
    canary, now = past_shadow(tmp_path)
    sizes = [len(canary.progress.enabled)]
    for minimum in (600, 600):
        now = drive(canary, now, minimum - 60)
        assert not canary.check(now).ready  # its minimum time is not served
        with pytest.raises(UsageError, match="cannot advance"):
            canary.advance(now)
        now = drive(canary, now, 120)
        assert canary.check(now).state is State.OK
        canary.advance(now)
        sizes.append(len(canary.progress.enabled))
    assert sizes == [1, 5, 10]
    now = drive(canary, now, 1860)
    assert canary.check(now).ready
    with pytest.raises(UsageError, match="no further step"):
        canary.advance(now)
    assert [event["event"] for event in read_audit(tmp_path / "audit.jsonl")] == ["began", *["advanced"] * 3]


def test_shadow_judges_what_the_cache_would_have_done() -> None:
    ticks = [CanaryTick(T0 + i, "C0", i % 4 != 0, 100.0, i % 50 == 0, 60.0, 5.0) for i in range(200)]
    found = measure_shadow(ticks, None)
    assert (found.hit_ratio, found.fetch_md_p95_ms, found.tick_total_p95_ms) == (0.75, 5.0, 45.0)
    assert found.deadline_miss_rate == pytest.approx(4 / 200)
    assert measure_shadow(ticks, 44.0).deadline_miss_rate == 1.0
    assert measure_shadow(ticks, 45.0).deadline_miss_rate == 0.0
    assert measure_shadow([tick._replace(fetch_md_cache_ms=None) for tick in ticks], None).ticks == 0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"cache_hit": False}, "hit ratio"),
        ({"fetch_md_cache_ms": 36.0}, "fetch_md p95"),
        ({"tick_total_ms": 181.0}, "tick_total p95"),
        ({"deadline_miss": True}, "deadline misses"),
    ],
)
def test_each_criterion_of_the_shadow_can_fail(tmp_path: Path, change: dict[str, Any], word: str) -> None:
    with_baseline(tmp_path)
    canary = CanaryController(tmp_path, symbols=SYMBOLS)
    canary.check(T0)
    for k in range(400):
        good = {"cache_hit": True, "tick_total_ms": 80.0, "deadline_miss": False}
        tick = good | {"fetch_md_ms": 30.0, "fetch_md_cache_ms": 2.0} | change
        canary.record_tick("C0", T0 + 10 * k, **tick)
    found = canary.check(T0 + 3990)
    assert found.state is State.VIOLATING
    assert word in found.why
    assert canary.rollback is None  # nothing is on yet: there is nothing to roll back
    with pytest.raises(UsageError):
        canary.advance(T0 + 3990)


def test_gate_hit_ratio_rolls_back_and_latches(tmp_path: Path) -> None:
    seen: list[dict[str, Any]] = []
    canary, now = past_shadow(tmp_path)
    canary.on_rollback = seen.append
    now = drive(canary, now, 700, hit=0.4)
    found = canary.check(now)
    assert found.state is State.ROLLED_BACK
    assert "hit_ratio" in found.why
    assert {canary.mode(symbol) for symbol in SYMBOLS} == {"off"}
    assert len(seen) == 1
    again = CanaryController(tmp_path, symbols=SYMBOLS)
    assert again.check(now + 100).state is State.ROLLED_BACK
    with pytest.raises(UsageError):
        again.advance(now + 100)
    assert again.reset("mended", now + 200, by="me") is not None
    assert again.mode("C0") == "shadow"
    assert [e["event"] for e in read_audit(tmp_path / "audit.jsonl")][-2:] == ["rollback", "reset"]


def test_trap_fifteen_percent_of_a_named_baseline(tmp_path: Path) -> None:
    """30 ms in the baseline: 34.4 passes (+14.7 %), 34.6 does not (+15.3 %); the verdict names the baseline."""
    canary, now = past_shadow(tmp_path, CanarySettings(decision="threshold"))
    now = drive(canary, now, 700, fetch_ms=34.4)
    assert canary.check(now).state is State.OK
    now = drive(canary, now, 700, fetch_ms=34.6)
    found = canary.check(now)
    assert found.state is State.ROLLED_BACK
    assert "'before' version 1" in found.why
    assert "+15.3 %" in found.why


def test_trap_each_symbol_is_held_against_its_own_baseline(tmp_path: Path) -> None:
    """Pooled, the slow symbol's usual 90 ms would look like a regression of the canary's."""
    base = next_baseline(
        None, name="b", fetch_md_p95_ms=20.0, symbols={"slow": 90.0, "quick": 10.0}, ticks=1, start=0, end=1,
        accepted_ts=0, accepted_by="t",
    )  # fmt: skip
    ticks = [CanaryTick(T0 + i, "slow", True, 1.0, False, 90.0, None) for i in range(50)]
    assert measure(ticks, base).fetch_ratio == pytest.approx(1.0)
    both = ticks + [CanaryTick(T0 + i, "quick", True, 1.0, False, 20.0, None) for i in range(50)]
    assert measure(both, base).fetch_ratio == pytest.approx(math.sqrt(2.0))
    unknown = [tick._replace(symbol="new", fetch_md_ms=30.0) for tick in ticks]
    assert measure(unknown, base).fetch_ratio == pytest.approx(1.5)


def test_trap_a_cold_cache_misses_warm_up(tmp_path: Path) -> None:
    canary, now = past_shadow(tmp_path)
    end = drive(canary, now, 115, hit=0.0)
    assert canary.check(end).state is State.INCONCLUSIVE
    end = drive(canary, end, 605, hit=0.9)
    assert canary.check(end).state is State.OK


def test_trap_nodata_is_no_pass_and_serves_no_time(tmp_path: Path) -> None:
    canary, now = past_shadow(tmp_path)
    for minute in range(60):
        found = canary.check(now + 60 * minute)
        assert not found.ready
        assert found.covered_s == 0
    assert found.state is State.NODATA


def test_trap_a_clock_jump_or_frozen_process_serves_no_time(tmp_path: Path) -> None:
    canary, now = past_shadow(tmp_path)
    end = drive(canary, now, 60)
    canary.check(end)
    end = drive(canary, end + 36_000, 60)
    found = canary.check(end)
    assert found.covered_s <= 120
    assert not found.ready
    assert canary.check(T0 - 50_000).covered_s == found.covered_s


def test_trap_a_restart_loses_neither_time_nor_step(tmp_path: Path) -> None:
    canary, now = past_shadow(tmp_path)
    end = drive(canary, now, 400)
    before = canary.check(end).covered_s
    again = CanaryController(tmp_path, symbols=SYMBOLS)
    assert again.progress.covered_s == before > 300
    assert again.progress.enabled == canary.progress.enabled
    assert again.check(end + 1).state is State.NODATA  # the window must fill again: no pass on nothing


def test_without_a_baseline_nothing_advances(tmp_path: Path) -> None:
    canary = CanaryController(tmp_path, symbols=SYMBOLS)
    canary.check(T0)
    now = drive(canary, T0, 3660)
    assert canary.check(now).ready
    with pytest.raises(UsageError, match="no baseline"):
        canary.advance(now)
    assert canary.progress.step == -1


def test_the_hook_cannot_stop_the_rollback_and_by_hand_it_is_latched(tmp_path: Path) -> None:
    canary, now = past_shadow(tmp_path)

    def explode(_record: dict[str, Any]) -> None:
        raise OSError("no pager")

    canary.on_rollback = explode
    canary.roll_back("venue maintenance", now)
    assert canary.mode("C0") == "off"
    assert [e["event"] for e in read_audit(tmp_path / "audit.jsonl")][-2:] == ["rollback", "hook_failed"]
    bot = CanaryController(tmp_path)
    assert bot.mode("C0") == "off"
    assert "by hand" in bot.check(now).why


def test_sigkill_keeps_the_rollback(tmp_path: Path) -> None:
    past_shadow(tmp_path)
    code = (
        "import sys; from calib.experiments import CanaryController; c = CanaryController(sys.argv[1]);"
        "c.on_rollback = lambda record: (print('hook', flush=True), sys.stdin.read());"
        "c.roll_back('test', 1_750_009_999.0)"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"hook\n"
        os.kill(child.pid, signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    assert CanaryController(tmp_path).mode("C0") == "off"


def test_baselines_are_versioned_and_damage_is_refused(tmp_path: Path) -> None:
    with_baseline(tmp_path)
    first = load_baseline(tmp_path)
    assert first is not None
    figures = {"fetch_md_p95_ms": 25.0, "symbols": {}, "ticks": 5, "start": 0.0, "end": 1.0}
    save_baseline(tmp_path, next_baseline(first, name="later", accepted_ts=2.0, accepted_by="x", **figures))
    second = load_baseline(tmp_path)
    assert second is not None
    assert (second.version, second.history[0]["name"], second.history[0]["version"]) == (2, "before", 1)
    body = json.loads((tmp_path / "baseline.json").read_text())
    (tmp_path / "baseline.json").write_text(json.dumps(body | {"schema": "calib.canary-baseline/9"}))
    with pytest.raises(NewerSchema):
        load_baseline(tmp_path)
    for text in ("", "[]", '{"schema": "x"}', '{"schema": "calib.canary-baseline/1"}'):
        (tmp_path / "baseline.json").write_text(text)
        with pytest.raises(BadState, match=r"baseline\.json"):
            load_baseline(tmp_path)


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "calib.canary-state/1"}', '{"schema": "calib.ab-state/1"}'])
def test_a_damaged_state_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(BadState):
        CanaryController(tmp_path)


@pytest.mark.parametrize(
    "steps", [["0.5:10", "0.1:10", "1:1"], ["0.5:10"], ["x"], ["0:5", "1:5"], [], ["0.5:-1", "1:1"]]
)
def test_bad_schedules_are_refused(steps: list[str]) -> None:
    with pytest.raises(ConfigError, match="schedule"):
        CanarySettings(steps=steps)
    assert [step.split for step in parse_steps(["0.2:1", "1:2"])] == [0.2, 1.0]


class CanaryMachine(RuleBasedStateMachine):
    """Whatever happens: who is enabled stays enabled until a rollback, and a rollback stays until a reset."""

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.home = tempfile.TemporaryDirectory()
        self.path = Path(self.home.name)
        with_baseline(self.path)
        self.config = CanarySettings(shadow_s=60, steps=["0.3:60", "1:60"], warmup_s=10, min_ticks=20)
        self.canary = CanaryController(self.path, self.config, symbols=SYMBOLS)
        self.now = T0
        self.canary.check(self.now)
        self.enabled: set[str] = set()
        self.latched = False

    @rule(seconds=st.sampled_from([30, 90]), hit=st.sampled_from([0.2, 0.9]))
    def run(self, seconds: int, hit: float) -> None:
        self.now = drive(self.canary, self.now, seconds, hit=hit, step=2)
        found = self.canary.check(self.now)
        assert not (self.latched and found.state is not State.ROLLED_BACK)
        if found.state is State.ROLLED_BACK and not self.latched:
            assert self.enabled, "in shadow there is nothing to roll back"
            self.latched = True

    @rule()
    def advance(self) -> None:
        step = self.canary.progress.step
        try:
            self.canary.advance(self.now)
        except UsageError:
            assert self.canary.progress.step == step
        else:
            assert not self.latched
            assert self.canary.progress.step == step + 1
            assert self.enabled <= set(self.canary.progress.enabled)
            self.enabled = set(self.canary.progress.enabled)
        self.latched = self.canary.rollback is not None

    @rule(seconds=st.sampled_from([600, 100_000]))
    def sleep(self, seconds: int) -> None:
        self.now += seconds
        before = self.canary.progress.covered_s
        assert self.canary.check(self.now).state is not State.OK
        assert self.canary.progress.covered_s == before or self.latched

    @rule()
    def restart(self) -> None:
        self.canary = CanaryController(self.path, self.config)

    @rule()
    def by_hand(self) -> None:
        self.canary.roll_back("test", self.now)
        self.latched = True

    @rule()
    def reset(self) -> None:
        assert (self.canary.reset("test", self.now) is not None) == self.latched
        if self.latched:
            self.enabled = set()
        self.latched = False

    @invariant()
    def modes(self) -> None:
        on = {symbol for symbol in SYMBOLS if self.canary.mode(symbol) == "on"}
        assert on == (set() if self.latched else self.enabled)

    def teardown(self) -> None:
        if hasattr(self, "home"):
            self.home.cleanup()


TestCanaryMachine = CanaryMachine.TestCase
TestCanaryMachine.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
