"""The source for AB experiments and canaries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from calib.metrics.samples import Samples
from calib.metrics.sources.base import MetricSource

_VIOLATING: Final = "VIOLATING"


class Experiment(Protocol):
    """The attributes of `calib.ABHarness` that are read; no lock is taken, an evaluation may hold one for long."""

    mode: Any
    engine: Any
    settings: Any
    rollback: Any

    @property
    def state(self) -> Any: ...
    @property
    def rollbacks(self) -> Mapping[str, int]: ...


class Rollout(Protocol):
    """The attributes of `calib.CanaryController` that are read: its state in memory, no files."""

    progress: Any

    @property
    def rollback(self) -> Any: ...


def read_experiment(harness: Experiment, out: Samples) -> None:
    """Report the experiment's state, gate by gate."""
    engine, decision = harness.engine, str(harness.settings.decision)
    now = engine.grid
    out.add("mm_ab_info", 1.0, str(harness.mode), decision, str(harness.state))
    out.add("mm_ab_rolled_back", float(harness.rollback is not None))
    out.add("mm_ab_last_evaluation_timestamp_seconds", now)
    gates = [gate.name for gate in harness.settings.gates]
    for gate in gates:
        since = _violated_since(engine.timelines[decision, gate].spans)
        out.add("mm_ab_gate_violated", float(since is not None), gate)
        out.add("mm_ab_gate_violation_age_seconds", 0.0 if since is None else max(0.0, (now or since) - since), gate)
    for gate, count in (dict.fromkeys(gates, 0) | dict(harness.rollbacks)).items():
        out.add("mm_ab_rollbacks_total", count, gate)


def _violated_since(spans: list[tuple[float, Any]]) -> float | None:
    """Unix seconds at which the current violation began; None if there is none."""
    last = spans[-1:]
    return last[0][0] if last and str(last[0][1]) == _VIOLATING else None


def read_rollout(canary: Rollout, out: Samples) -> None:
    """Report the progress of the canary."""
    progress = canary.progress
    out.add("mm_canary_step", progress.step)
    rolled_back = canary.rollback is not None
    out.add("mm_canary_symbols", 0 if rolled_back else len(progress.enabled))
    out.add("mm_canary_rolled_back", float(rolled_back))


HARNESS: Final = MetricSource(
    "harness", ("mode", "engine", "settings", "rollback", "state", "rollbacks"), read_experiment
)
CANARY: Final = MetricSource("canary", ("progress", "rollback"), read_rollout)
