"""The canary's sequential test: by hand, in simulation, and the same through the live controller."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.canary_rates import ROLLOUT_S, SETTINGS, Rollout, acts, make_ticks, simulate
from calib.experiments import CanaryController, State
from calib.experiments.canary.baseline import next_baseline, save_baseline
from calib.experiments.canary.fetch_test import FetchTest, block_difference, upper_quantile
from calib.experiments.canary.measure import CanaryTick
from calib.experiments.sequential import half_normal

T0 = 1_750_000_020.0


def test_the_test_by_its_formula() -> None:
    test = FetchTest(0.15, 0.05, 30.0, 600.0)
    differences = [0.22, 0.16, 0.30, 0.35]
    for value in differences:
        test.update(value)
    excess = [value - math.log(1.15) for value in differences]
    total, squares = sum(excess), sum(value**2 for value in excess)
    r = 20 * 0.15**2 / (-2 * math.log(0.1) + math.log(1 - 2 * math.log(0.1)))
    ratio = r / (squares + r)
    phi = 0.5 * math.erfc(-total / math.sqrt(squares + r) / math.sqrt(2))
    expected = math.log(2) + 0.5 * math.log(ratio) + total**2 / (2 * (squares + r)) + math.log(phi)
    assert float(half_normal.log_e_value(total, squares, test.r)) == pytest.approx(expected)
    assert test.max_log_e == pytest.approx(expected)
    assert test.effect_ratio == pytest.approx(math.exp(sum(differences) / 4) - 1)


def test_the_quantile_has_the_same_mean_rank_for_any_number_of_values() -> None:
    rng = np.random.default_rng(1)
    small = np.mean([upper_quantile(rng.uniform(size=40).tolist()) for _ in range(4000)])
    large = np.mean([upper_quantile(rng.uniform(size=800).tolist()) for _ in range(400)])
    assert small == pytest.approx(0.95, abs=0.003)
    assert large == pytest.approx(0.95, abs=0.003)


def test_a_side_with_too_few_ticks_gives_no_difference() -> None:
    assert block_difference([1.0] * 39, [1.0] * 100) is None
    assert block_difference([0.0] * 40, [1.0] * 100) is None


def test_blocks_grow_until_both_sides_have_enough_and_a_silence_is_left_out() -> None:
    test = FetchTest(0.15, 0.05, 30.0, 600.0)
    base = {"on": 10.0, "off": 10.0}
    ticks = [
        CanaryTick(T0 + second, symbol, True, 1.0, False, 11.0 if symbol == "on" else 10.0, None)
        for second in [*range(300), *range(5000, 5300)]
        for symbol in base
    ]
    test.take(ticks, T0 + 5400, base, lambda symbol, _start: symbol == "on")
    # T0 is on the grid of 30 s; a block of 60 s has 60 ticks a side: five blocks, a silence, five more or one cut off.
    assert test.count in (9, 10)
    assert test.total / test.count == pytest.approx(math.log(1.1 / 1.15))
    assert test.block_start is not None
    assert test.block_start > T0 + 5000


def test_trap_nothing_changed_rolls_back_at_most_5_percent_also_where_a_common_level_wanders() -> None:
    for rollout in (Rollout("calm"), Rollout("together", together=0.10)):
        found = simulate(rollout, 20, seed=3, decisions=("sequential",))["sequential"]
        assert float(np.isfinite(found).mean()) <= 0.05


def test_a_real_rise_of_30_percent_is_found_within_15_minutes_in_the_median() -> None:
    found = simulate(Rollout("rise", rise=1.3), 15, seed=4, decisions=("sequential",))["sequential"]
    assert float(np.median(found)) <= 15 * 60


@pytest.mark.parametrize("rise", [1.0, 1.3])
def test_simulated_and_live_canaries_act_at_the_same_moment(tmp_path: Path, rise: float) -> None:
    rollout = Rollout("tie", rise=rise, every_s=3.0, symbols=8)
    ticks = make_ticks(np.random.default_rng(5), rollout)
    names = [f"C{i}" for i in range(rollout.symbols)]
    figures = {"fetch_md_p95_ms": 30.0, "symbols": dict(zip(names, map(float, ticks.base), strict=True))}
    more = {"ticks": 1, "start": 0.0, "end": 1.0, "accepted_ts": 0.0, "accepted_by": "t"}
    save_baseline(tmp_path, next_baseline(None, name="b", **figures, **more))
    canary = CanaryController(tmp_path, SETTINGS, symbols=names)
    canary.progress.step, canary.progress.since = 0, T0
    canary._enable(T0)
    canary._save()
    found, row = math.inf, 0
    for look in range(60, ROLLOUT_S + 1, 60):
        while row < len(ticks.ts) and ticks.ts[row] < look:
            for column, symbol in enumerate(names):
                on = canary.mode(symbol) == "on"
                ms = float(ticks.fetch[row, column]) * (rise if on else 1.0)
                fields: dict[str, Any] = {"cache_hit": True, "tick_total_ms": 50.0, "deadline_miss": False}
                canary.record_tick(symbol, T0 + float(ticks.ts[row]), fetch_md_ms=ms, **fields)
            row += 1
        check = canary.check(T0 + look)
        if check.state is State.ROLLED_BACK:
            found = look
            break
        if check.ready and canary.progress.step + 1 < len(SETTINGS.schedule):
            canary.advance(T0 + look)
    expected = acts(ticks, rollout, "sequential")
    assert found == expected or abs(found - expected) <= 60  # a step is served a tick, so a look, later
