"""Gates, the threshold timer and the windows, by hand."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from calib.experiments.gates import (
    GATES,
    DeadlineMissSpike,
    LatencyRegression,
    SlippageDegradation,
    TakerShareIncrease,
)
from calib.experiments.hold import Hold
from calib.experiments.records import Fill, TickRecord
from calib.experiments.states import State
from calib.experiments.windows import ArmMetrics, ArmWindow, Columns

T0 = 1_750_000_000.0


def metrics(**figures: float) -> ArmMetrics:
    base = ArmMetrics(0.0, 0.0, 0.1, 0.2, 50.0, 0.01, 100, 100, 100.0, 100, 100, T0, T0)
    return replace(base, **figures)  # type: ignore[arg-type]


def test_each_gate_at_its_own_edge() -> None:
    a = metrics(slippage_bps=1.0, taker_share=0.25, tick_total_p95=100.0)
    assert SlippageDegradation().read(a, metrics(slippage_bps=1.0), 1).breached is False
    assert SlippageDegradation().read(a, metrics(slippage_bps=1.0001), 1).breached is True
    assert TakerShareIncrease().read(a, metrics(taker_share=0.26), 1).breached is False
    assert TakerShareIncrease().read(a, metrics(taker_share=0.2601), 1).breached is True
    assert LatencyRegression().read(a, metrics(tick_total_p95=110.0), 1).breached is False
    assert LatencyRegression().read(a, metrics(tick_total_p95=110.1), 1).breached is True
    assert DeadlineMissSpike().read(a, metrics(deadline_miss_rate=0.02), 1).breached is False
    assert DeadlineMissSpike().read(a, metrics(deadline_miss_rate=0.0201), 1).breached is True


def test_trap_one_percentage_point_is_a_hundredth_not_one() -> None:
    """With 1.0 for the margin no share could ever breach; the default must catch 20 % -> 22 %."""
    reading = TakerShareIncrease().read(metrics(taker_share=0.20), metrics(taker_share=0.22), 1)
    assert reading.breached is True
    assert reading.bound == pytest.approx(0.21)


@pytest.mark.parametrize("gate", [kind(kind.setting.default) for kind in GATES], ids=lambda gate: gate.name)
def test_trap_comparisons_with_nan_are_false_and_would_pass(gate) -> None:  # type: ignore[no-untyped-def]
    nothing = metrics(**{gate.metric: math.nan})
    assert gate.read(metrics(), nothing, 1).breached is None
    if gate.needs_control:
        assert gate.read(nothing, metrics(), 1).breached is None


@pytest.mark.parametrize("gate", [kind(kind.setting.default) for kind in GATES], ids=lambda gate: gate.name)
def test_every_gate_judges_from_its_minimum_on_and_remembers_nothing(gate) -> None:  # type: ignore[no-untyped-def]
    same = metrics()
    bad = {"slippage_bps": 5.0, "taker_share": 0.5, "tick_total_p95": 500.0, "deadline_miss_rate": 0.5}[gate.metric]
    assert gate.read(same, same, 100).breached is False  # 100 fills and 100 ticks in each arm
    assert gate.read(same, metrics(**{gate.metric: bad}), 100).breached is True
    assert gate.read(same, same, 100).breached is False
    assert gate.read(same, same, 101).breached is None


def test_the_gates_count_the_records_of_their_metric() -> None:
    assert {gate.name: (gate.metric, gate.kind) for gate in GATES} == {
        "slippage_degradation": ("slippage_bps", "fills"),
        "taker_share_increase": ("taker_share", "fills"),
        "latency_regression": ("tick_total_p95", "ticks"),
        "deadline_miss_spike": ("deadline_miss_rate", "ticks"),
    }


def test_the_timer_holds_600_s_and_one_good_evaluation_resets_it() -> None:
    hold = Hold(600, 60)
    for i in range(120):
        assert hold.update(True, T0 + 5 * i) is State.VIOLATING
        assert not hold.expired
    hold.update(True, T0 + 600)
    assert hold.expired
    assert hold.update(False, T0 + 605) is State.OK
    assert hold.held_s == 0
    hold.update(True, T0 + 610)
    assert not hold.expired


def test_trap_nodata_pauses_the_timer() -> None:
    hold = Hold(600, 60)
    for i in range(61):
        hold.update(True, T0 + 5 * i)
    assert hold.held_s == 300
    for _ in range(100):
        assert hold.update(None, T0 + 300) is State.NODATA
    assert hold.held_s == 300
    hold.update(True, T0 + 305)
    assert hold.held_s == 305


def test_trap_a_clock_jump_or_a_frozen_process_is_not_held() -> None:
    hold = Hold(600, 60, min_coverage=0.0)
    hold.update(True, T0)
    hold.update(True, T0 + 5)
    hold.update(True, T0 + 5 + 3600)
    assert hold.held_s == 5
    frozen = Hold(600, 60)
    for _ in range(500):  # evaluated again and again over windows that no record has entered
        frozen.update(True, T0)
    assert frozen.held_s == 0


def test_trap_minimum_coverage_restarts_a_thin_violation() -> None:
    hold = Hold(600, 60, min_coverage=0.5)
    for i in range(20):
        hold.update(True, T0 + 5 * i)
    hold.update(True, T0 + 95 + 500)  # 95 s held of 595
    assert hold.held_s == 0
    assert hold.since == T0 + 595


def fill(ts: float, slip: float = 0.0, notional: float = 1.0, taker: bool = False, quote: str | None = None) -> Fill:
    return Fill(ts, ts, "S", "A", notional, -slip, slip, taker, quote)


def test_window_metrics_by_hand() -> None:
    window = ArmWindow()
    window.add_fill(fill(T0 + 1, 1.0, 100.0, quote="q1"))
    window.add_fill(fill(T0 + 2, 4.0, 300.0, taker=True, quote="q1"))
    window.add_fill(Fill(T0 + 3, T0 + 3, "S", "A", 1000.0, math.nan, math.nan, False, None))
    for i in range(5):
        window.add_tick(TickRecord(T0 + i, "S", "A", 10.0 * (i + 1), i == 4, 2.0))
    m = window.metrics(T0 + 10)
    assert m.slippage_bps == pytest.approx((100 * 1 + 300 * 4) / 400)
    assert (m.n_slippage, m.n_fills, m.n_ticks) == (2, 3, 5)
    assert m.taker_share == pytest.approx(1 / 3)
    assert m.tick_total_p95 == pytest.approx(48.0)  # 40 + 0.8 x 10
    assert m.deadline_miss_rate == pytest.approx(0.2)
    # Both windows cover T0 + 1 onward: four ticks of two quotes, and two filled quotes.
    assert m.fill_rate == pytest.approx(2 / 8)


def test_empty_windows_know_nothing() -> None:
    m = ArmWindow().metrics(T0)
    assert all(math.isnan(getattr(m, name)) for name in ("net_bps", "slippage_bps", "fill_rate", "taker_share"))
    assert math.isnan(m.tick_total_p95)
    assert math.isnan(m.deadline_miss_rate)


def test_the_window_keeps_the_last_thousand_and_may_be_bounded_by_time() -> None:
    window, timed = ArmWindow(), ArmWindow(1000, max_age_s=60)
    for i in range(2500):
        for one in (window, timed):
            one.add_fill(fill(T0 + i, float(i)))
    assert window.metrics(T0 + 2500).n_fills == 1000
    assert window.metrics(T0 + 2500).slippage_bps == pytest.approx((1500 + 2499) / 2)
    assert timed.metrics(T0 + 2500).n_fills == 60


def test_columns_against_a_list() -> None:
    rng = random.Random(3)
    for limit in (1, 7, None):
        columns, plain = Columns(2, limit), []
        for i in range(3000):
            columns.add((float(i), rng.random()))
            plain.append(float(i))
            if limit is not None:
                plain = plain[-limit:]
            if i % 97 == 0:
                cut = i - rng.randrange(20)
                columns.drop_before(cut)
                plain = [value for value in plain if value >= cut]
            assert len(columns) == len(plain)
        assert columns.rows()[:, 0].tolist() == plain
