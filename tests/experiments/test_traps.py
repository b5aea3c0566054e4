"""The traps of experiments, each by its name (more of them stand beside what they concern)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from calib.experiments import ABHarness, ABSettings, State

T0 = 1_750_000_020.0
SYMBOLS = [f"S{i}" for i in range(10)]
Make = Callable[..., Any]


def rank(mode: str = "online", **more: Any) -> ABHarness:
    settings = ABSettings(**{"assignment": "rank", "decision": "threshold", **more})
    return ABHarness(mode, 0.5, symbols=SYMBOLS, settings=settings)


def test_trap_b_without_fills_freezes_its_window_and_would_pass(market: Make) -> None:
    ab = rank("shadow")
    world = market(silent_b_from=600)
    world.feed(ab, 600)
    assert ab.report()["verdicts"]["threshold"]["gates"][0]["state"] in ("OK", "VIOLATING")
    world.feed(ab, 1500, from_s=600)
    states = {gate["gate"]: gate["state"] for gate in ab.status()["verdicts"]["threshold"]["gates"]}
    assert set(states.values()) == {"NODATA"}
    assert ab.state is State.NODATA


def test_trap_nodata_policy_rollback_acts_where_only_b_is_silent(market: Make) -> None:
    ab = rank(nodata="rollback")
    market(silent_b_from=600).feed(ab, 2400)
    assert ab.rollback is not None
    assert ab.rollback["gate"] == "nodata"
    patient = rank(nodata="rollback")
    market().feed(patient, 300)
    patient.evaluate(T0 + 9000)  # nobody has data: the process slept, B is not to blame
    assert patient.rollback is None


def test_trap_a_frozen_process_does_not_count_as_held(market: Make) -> None:
    ab = rank()
    world = market(slippage_b=20.0)
    world.feed(ab, 400)
    before = ab.engine.threshold.holds["slippage_degradation"].held_s
    assert before > 0
    ab.evaluate(T0 + 4000)
    assert ab.rollback is None
    world.feed(ab, 4060, from_s=4000)
    assert ab.engine.threshold.holds["slippage_degradation"].held_s <= before + 60
    assert ab.rollback is None


def test_trap_a_clock_set_back_restarts_the_timers_and_goes_on(market: Make) -> None:
    ab = rank()
    world = market(slippage_b=20.0)
    world.feed(ab, 550)
    assert ab.engine.threshold.holds["slippage_degradation"].held_s > 300
    back = market(slippage_b=20.0, start=T0 - 36_000)
    back.feed(ab, 400)
    assert ab.rollback is None
    assert 0 < ab.engine.threshold.holds["slippage_degradation"].held_s <= 400
    assert ab.status()["counts"]["rebased"] == 1
    back.feed(ab, 1500, from_s=400)
    assert ab.rollback is not None


def test_trap_pooled_p95_is_ruled_by_the_slowest_symbol() -> None:
    """A slow symbol alternates between arms: the pooled p95 swings, the sequential gate compares like with like."""
    settings = ABSettings(assignment="switchback", decision="sequential")
    ab = ABHarness("shadow", 0.5, symbols=SYMBOLS, settings=settings)
    import random

    rng = random.Random(2)
    for second in range(0, 3600, 2):
        for i, symbol in enumerate(SYMBOLS):
            slow = 10.0 if i == 0 else 1.0
            ab.record_tick(symbol, T0 + second + i / 100, slow * rng.lognormvariate(3, 0.2), False)
        if second % 10 == 0:
            ab.evaluate(T0 + second)
    assert ab.engine.timelines["threshold", "latency_regression"].first_violation is not None
    assert ab.engine.timelines["sequential", "latency_regression"].first_violation is None
    effect = ab.report()["effects"]["tick_total_p95"]
    assert effect is not None
    assert effect["low"] < 0 < effect["high"]
    assert abs(effect["estimate"]) < 0.05


def test_trap_a_burst_on_the_whole_market_is_no_fault_of_b(market: Make) -> None:
    """Every tick of both arms is often late: the absolute limit fires, the sequential gate does not."""
    ab = rank("shadow")
    sequential = ABHarness("shadow", 0.5, symbols=SYMBOLS, settings=ABSettings(assignment="switchback"))
    import random

    rng = random.Random(7)
    for one in (ab, sequential):
        for second in range(0, 5400, 2):
            for i, symbol in enumerate(SYMBOLS):
                one.record_tick(symbol, T0 + second + i / 100, 20.0, rng.random() < 0.05)
            if second % 10 == 0:
                one.evaluate(T0 + second)
    assert ab.report()["first_act"]["threshold"]["gate"] == "deadline_miss_spike"
    assert sequential.report()["first_act"]["sequential"] is None


def test_trap_a_fill_counts_to_its_quotes_block() -> None:
    ab = ABHarness("shadow", 0.5, symbols=SYMBOLS, settings=ABSettings(assignment="switchback"))
    quoted, filled = T0 + 59, T0 + 61
    ab.record_fill("S0", filled, "buy", 100.0, 1.0, "maker", quote_price=100.0, ts_quote=quoted)
    assert ab._records[0].bucket == ab.router.arm("S0", quoted)
    ab.evaluate(filled + 30)
    assert list(ab.engine.blocks._open) == [int(quoted // 60)]


def test_trap_a_fill_after_its_block_closed_is_counted_as_late() -> None:
    ab = ABHarness("shadow", 0.5, symbols=SYMBOLS, settings=ABSettings(assignment="switchback"))
    for i in range(60):
        ab.record_tick("S0", T0 + 5 * i, 10.0, False)
    ab.record_fill("S0", T0 + 290, "buy", 100.0, 1.0, "maker", quote_price=100.0, ts_quote=T0 + 10)
    ab.evaluate(T0 + 300)
    assert ab.status()["counts"]["late_for_block"] == 1


def test_trap_listed_symbols_stay_out_of_the_sound_tests(market: Make) -> None:
    settings = ABSettings(assignment="switchback", decision="sequential")
    ab = ABHarness("shadow", 0.5, symbols=SYMBOLS, settings=settings, whitelist=["S0"], blacklist=["S1"])
    market().feed(ab, 600)
    assert ab.engine.sequential.symbols == SYMBOLS[2:]
    assert ab.bucket("S0", T0) == "B"


def test_trap_sample_ratio_mismatch_makes_the_sequential_verdict_inconclusive(market: Make) -> None:
    settings = ABSettings(assignment="switchback", srm_policy="hold")
    ab = ABHarness("online", 0.5, symbols=SYMBOLS, settings=settings)
    market(silent_b_from=120).feed(ab, 1800)
    assert ab.report()["srm"]["mismatch"]
    assert ab.state is State.INCONCLUSIVE


def test_trap_sample_ratio_mismatch_does_not_shield_b_where_b_lacks_the_data(market: Make) -> None:
    ab = ABHarness("online", 0.5, symbols=SYMBOLS, settings=ABSettings(assignment="switchback"))
    market(silent_b_from=120).feed(ab, 1800)
    assert ab.rollback is not None
    assert ab.rollback["gate"] == "sample_ratio"
    assert ab.rollback["evidence"]["units_b"] < ab.rollback["evidence"]["units_a"]


@pytest.mark.parametrize("treatment", [None, T0 + 3600])
def test_trap_persistent_arms_without_a_day_before_are_inconclusive(market: Make, treatment: float | None) -> None:
    ab = rank("shadow", decision="sequential", treatment_from=treatment)
    market(slippage_b=5.0).feed(ab, 900)
    assert ab.state is State.INCONCLUSIVE
    why = ab.status()["verdicts"]["sequential"]["gates"][0]["evidence"]["why"]
    assert ("pre-period" in why) or ("24 h" in why)


def test_trap_persistent_arms_below_ten_symbols_are_inconclusive(market: Make) -> None:
    settings = ABSettings(assignment="rank", decision="sequential", treatment_from=T0)
    ab = ABHarness("shadow", 0.5, symbols=SYMBOLS[:8], settings=settings)
    market(symbols=tuple(SYMBOLS[:8])).feed(ab, 300)
    why = ab.status()["verdicts"]["sequential"]["gates"][0]["evidence"]["why"]
    assert "need at least 10 symbols, got 8" in why


def test_short_blocks_make_the_deadline_gate_inconclusive(market: Make) -> None:
    settings = ABSettings(assignment="switchback", decision="sequential", block_s=30)
    ab = ABHarness("shadow", 0.5, symbols=SYMBOLS, settings=settings)
    market().feed(ab, 600)
    states = {gate["gate"]: gate["state"] for gate in ab.status()["verdicts"]["sequential"]["gates"]}
    assert states["deadline_miss_spike"] == "INCONCLUSIVE"
    assert states["slippage_degradation"] == "OK"
