"""The same seeded market with the cache off and on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from calib.limits import LimitResult
from calib.simulation.closed_loop.figures import Figures, check_figures
from calib.simulation.closed_loop.hour import BoxHour
from calib.simulation.closed_loop.settings import BoxSettings
from calib.simulation.closed_loop.tally import TickTally
from calib.simulation.incidents import HOUR_S
from calib.simulation.plan import SimulationPlan


@dataclass(frozen=True, slots=True)
class Comparison:
    """Before and after, and the gate's verdict on after."""

    before: Figures
    after: Figures
    gate: tuple[LimitResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every condition of the gate holds."""
        return all(judged.passed is True for judged in self.gate)


def compare(plan: SimulationPlan, progress: Callable[[float], None] = lambda _: None) -> Comparison:
    """Run the plan's market twice: without a cache, and with the one of its settings.

    Parameters
    ----------
    plan
        What is simulated; its feeds are not written.
    progress
        Told the number of symbols times hours done since the last call; both runs together are twice those of the plan.
    """
    before = Figures.of(_run(plan, replace(plan.box, cache="off"), progress))
    after = Figures.of(_run(plan, plan.box, progress))
    return Comparison(before, after, tuple(check_figures(before, after)))


def _run(plan: SimulationPlan, settings: BoxSettings, progress: Callable[[float], None]) -> TickTally:
    total = TickTally()
    for hour in plan.hours():
        length_s = min(HOUR_S, plan.bounds(hour)[1] - hour)
        box = BoxHour(
            plan.seed,
            plan.symbols,
            hour,
            replace(settings, record=()),
            lambda _kind, _record: None,
            length_s=length_s,
            incidents=plan.incidents,
            progress=lambda share: progress(share * len(plan.symbols)),
        )
        total += box.run()
    return total
