"""The report of an experiment as plain data: for `ABHarness.export_report` and for the written report."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from calib.experiments.blocks import CHANNEL_OF
from calib.experiments.routing import A, Assignment, B
from calib.experiments.verdict import finite
from calib.experiments.windows import HIGHER_IS_BETTER, METRICS, UNITS, ArmMetrics, as_dict

if TYPE_CHECKING:
    from calib.experiments.engine import ExperimentEngine
    from calib.experiments.routing import Router

REPORT_SCHEMA = "calib.ab-report/1"


def verdicts(engine: ExperimentEngine) -> dict[str, Any]:
    """Return the current verdicts of both decisions by name; None before the first evaluation."""
    last = engine.last
    return {name: None if last is None else last.verdict(name).to_json() for name in ("threshold", "sequential")}


def build_report(engine: ExperimentEngine, router: Router, now: float) -> dict[str, Any]:
    """Return the report's data at ``now``: windows, effects with intervals, ratio check, timelines, assignment."""
    return {
        "schema": REPORT_SCHEMA,
        "range": {"from": _start(engine, now), "to": now},
        "settings": engine.settings.as_data(),
        "assignment": {
            "rule": str(router.rule),
            "salt": router.salt,
            "split": router.split,
            "block_s": router.block_s,
            "symbols": {symbol: router.arm(symbol, now) for symbol in sorted(router.symbols)},
            "listed": sorted(symbol for symbol in router.symbols if router.listed(symbol)),
        },
        "metrics": {arm: as_dict(metrics) for arm, metrics in engine.metrics.items()},
        "deltas": compare(engine.metrics[A], engine.metrics[B]) if engine.metrics else {},
        "effects": effects(engine),
        "srm": sample_ratio(engine),
        "gates": [
            {"gate": gate.name, "metric": gate.metric, "threshold": gate.threshold_text}
            for gate in engine.settings.gates
        ],
        "timelines": timelines(engine),
        "first_act": {decision: first_act(engine, decision) for decision in ("threshold", "sequential")},
    }


def _start(engine: ExperimentEngine, now: float) -> float:
    return math.floor(engine.first) if math.isfinite(engine.first) else now


def compare(a: ArmMetrics, b: ArmMetrics) -> dict[str, dict[str, Any]]:
    """Return the six metrics of both arms with the delta B - A."""
    return {name: _compare(name, a, b) for name in METRICS}


def _compare(name: str, a: ArmMetrics, b: ArmMetrics) -> dict[str, Any]:
    value_a, value_b = float(getattr(a, name)), float(getattr(b, name))
    delta = finite(value_b - value_a)
    better = None if delta is None or delta == 0 else (delta > 0) == HIGHER_IS_BETTER[name]
    return {
        "a": finite(value_a),
        "b": finite(value_b),
        "delta": delta,
        "n_a": a.n(name),
        "n_b": b.n(name),
        "unit": UNITS[name],
        "higher_is_better": HIGHER_IS_BETTER[name],
        "direction": {None: "same" if delta == 0 else "unknown", True: "better", False: "worse"}[better],
    }


def effects(engine: ExperimentEngine) -> dict[str, dict[str, Any] | None]:
    """Return, per metric, the mean block difference B - A with its anytime-valid interval; None without a switchback.

    The effect on ``tick_total_p95`` is a ratio: each symbol's own p95 of B divided by that of A, less 1.
    """
    if engine.router.rule is not Assignment.SWITCHBACK:
        return dict.fromkeys(METRICS)
    found: dict[str, dict[str, Any] | None] = {}
    for name in METRICS:
        test = engine.sequential.effects[CHANNEL_OF[name]]
        interval = test.interval()
        if interval is None:
            found[name] = None
            continue
        values = (float(test.total / test.count), *interval)
        if name == "tick_total_p95":
            values = tuple(math.expm1(min(value, 700.0)) for value in values)  # type: ignore[assignment]
        found[name] = {
            "estimate": finite(values[0]),
            "low": finite(values[1]),
            "high": finite(values[2]),
            "blocks": int(test.count),
            "unit": "ratio" if name == "tick_total_p95" else UNITS[name],
            "confidence": 1 - 2 * test.plan.alpha,
        }
    return found


def sample_ratio(engine: ExperimentEngine) -> dict[str, Any]:
    """Return the sample-ratio check over (symbol, block) units."""
    ratio = engine.sequential.sample_ratio
    return {
        "units_a": ratio.a,
        "units_b": ratio.b,
        "expected_b": ratio.expected_b,
        "chi_square": ratio.chi_square,
        "p": ratio.p_value,
        "mismatch": ratio.mismatch,
    }


def timelines(engine: ExperimentEngine) -> dict[str, Any]:
    """Return, per gate, both decisions' spans and counts, and one point per block (time, excess over the bound, p)."""
    return {
        gate.name: {
            "threshold": engine.timelines["threshold", gate.name].to_json(),
            "sequential": engine.timelines["sequential", gate.name].to_json(),
            "points": [[ts, finite(excess), finite(p)] for ts, excess, p in engine.series[gate.name].points],
        }
        for gate in engine.settings.gates
    }


def first_act(engine: ExperimentEngine, decision: str) -> dict[str, Any] | None:
    """Return when a decision first required a rollback, and which gate; None if it never did."""
    acts = [
        (line.first_act, name)
        for (owner, name), line in engine.timelines.items()
        if owner == decision and line.first_act is not None
    ]
    if not acts:
        return None
    ts, gate_name = min(acts)
    return {"ts": ts, "gate": gate_name}
