"""What a metrics server sees of an experiment that is violated, rolled back, and reset."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from calib.experiments import ABHarness, ABSettings
from calib.experiments.latch import Store
from calib.experiments.rollback import reset_by_hand
from calib.metrics import register
from tests.metrics.test_exposition import parsed, text_of, value

GATE = "slippage_degradation"
SYMBOLS = [f"S{i}" for i in range(10)]


def test_violated_then_rolled_back_then_reset(market: Callable[..., Any], tmp_path: Path) -> None:
    harness = ABHarness(
        "online", 0.5, symbols=SYMBOLS, settings=ABSettings(assignment="rank", decision="threshold"), directory=tmp_path
    )
    registry = CollectorRegistry()
    register(registry, harness=harness)
    world = market(slippage_b=20.0)
    world.feed(harness, 500)
    series = parsed(text_of(registry))
    held = value(series, "mm_ab_gate_violation_age_seconds", gate=GATE)
    assert value(series, "mm_ab_gate_violated", gate=GATE) == 1
    assert held is not None
    assert 100 < held < 500  # the window needs a minute or two to fill
    assert value(series, "mm_ab_gate_violated", gate="latency_regression") == 0
    assert value(series, "mm_ab_gate_violation_age_seconds", gate="latency_regression") == 0
    assert value(series, "mm_ab_last_evaluation_timestamp_seconds") == harness.engine.grid
    assert value(series, "mm_ab_rollbacks_total", gate=GATE) == value(series, "mm_ab_rolled_back") == 0

    world.feed(harness, 1500, from_s=500)
    series = parsed(text_of(registry))
    assert value(series, "mm_ab_rolled_back") == value(series, "mm_ab_rollbacks_total", gate=GATE) == 1
    assert value(series, "mm_ab_rollbacks_total", gate="latency_regression") == 0

    identity = harness.rollback
    assert identity is not None
    reset_by_hand(Store(tmp_path, "calib.ab-state/1"), "fixed in 1.8.2", identity["ts"] + 10, lambda _: {})
    harness.evaluate(identity["ts"] + 20)
    series = parsed(text_of(registry))
    assert value(series, "mm_ab_rolled_back") == 0
    assert value(series, "mm_ab_rollbacks_total", gate=GATE) == 1  # a count never falls
