"""The simulation that publishes the error rates decides exactly as the live harness does."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from calib.experiments import ABSettings, Assignment, Router
from calib.experiments.engine import ExperimentEngine
from calib.experiments.records import Fill, TickRecord


@pytest.fixture(scope="module")
def simulation() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "ab_error_rates.py"
    spec = importlib.util.spec_from_file_location("ab_error_rates", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def through_the_engine(simulation: ModuleType, world: Any, harm: Any, rule: str, salt: str) -> dict[str, float]:
    """First act of the deciding rules per gate, from records that went through the live code."""
    origin = 946_684_800 + 60 * 10_000  # on the block grid; the simulation counts blocks from 0
    offset = origin // 60
    settings = ABSettings(assignment=rule)
    router = Router(Assignment(rule), salt, 0.5)
    names = [f"S{i}" for i in range(world.symbols)]
    router.add(names)
    if rule == "switchback":
        deals = {b: simulation.switchback_rule(salt, names, b) for b in range(int(world.hours * 60))}
        router.in_b = lambda block: deals.get(block - offset, set())  # type: ignore[method-assign]
    fill_arm = [router.arm(names[s], origin + t) for t, s in zip(world.fill_ts, world.fill_symbol, strict=True)]
    tick_arm = [router.arm(names[s], origin + t) for t, s in zip(world.tick_ts, world.tick_symbol, strict=True)]
    slip, latency, miss = simulation.harmed(world, harm, np.array(fill_arm) == "B", np.array(tick_arm) == "B")
    records: list[Fill | TickRecord] = [
        Fill(origin + t, origin + t, names[s], arm, 1.0, 0.0, float(y), bool(taker), None)
        for t, s, arm, y, taker in zip(world.fill_ts, world.fill_symbol, fill_arm, slip, world.taker, strict=True)
    ]
    records += [
        TickRecord(origin + t, names[s], arm, float(y), bool(late), 1.0)
        for t, s, arm, y, late in zip(world.tick_ts, world.tick_symbol, tick_arm, latency, miss, strict=True)
    ]
    engine = ExperimentEngine(settings, router)
    engine.take(records)
    for _ in engine.advance(origin + world.hours * 3600 + settings.lateness_s + settings.grace_s):
        pass
    decision = "sequential" if rule == "switchback" else "threshold"
    acts = {gate.name: engine.timelines[decision, gate.name].first_act for gate in settings.gates}
    return {name: float("inf") if ts is None else ts - origin for name, ts in acts.items()}


@pytest.mark.parametrize("harm", range(3))
def test_simulated_and_live_decisions_act_at_the_same_moments(simulation: ModuleType, harm: int) -> None:
    harms = (
        simulation.Harm(),
        simulation.Harm("", "", slippage_bps=2.0, latency_ratio=1.4),
        simulation.Harm("", "", miss_rate=0.08),
    )
    world = simulation.make_world(np.random.default_rng([11, harm]), 6, 1.5)
    chosen = harms[harm]
    live_threshold = through_the_engine(simulation, world, chosen, "rank", "tie")
    assert simulation.threshold_acts(world, chosen, "tie") == live_threshold
    sums = simulation.block_sums(world, chosen, simulation.switchback_arms(world, "tie"))
    live_sequential = through_the_engine(simulation, world, chosen, "switchback", "tie")
    simulated = {name: float(found[0]) for name, found in simulation.sequential_acts([sums]).items()}
    assert simulated == live_sequential
    if harm:
        assert min(live_sequential.values()) < float("inf")
