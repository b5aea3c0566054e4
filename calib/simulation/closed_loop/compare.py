"""The same market with the cache off and on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from calib.limits import LimitResult
from calib.simulation.closed_loop.figures import Figures, check_figures
from calib.simulation.closed_loop.hour import ClosedLoopHour
from calib.simulation.closed_loop.settings import ClosedLoopSettings
from calib.simulation.closed_loop.tally import TickTally
from calib.simulation.incidents import HOUR_S
from calib.simulation.plan import SimulationPlan


@dataclass(frozen=True, slots=True)
class Comparison:
    """The figures without and with the cache, and the limits checked."""

    before: Figures
    after: Figures
    gate: tuple[LimitResult, ...]

    @property
    def passed(self) -> bool:
        """Whether every limit holds."""
        return all(judged.passed is True for judged in self.gate)


def compare(plan: SimulationPlan, progress: Callable[[float], None] = lambda _: None) -> Comparison:
    """Run the market of a plan twice: without a cache, and with the plan's cache settings.

    Parameters
    ----------
    plan
        What to simulate; no feeds are written.
    progress
        Receives the number of symbol-hours done since the last call; in total twice those of the plan.
    """
    before = Figures.of(_run(plan, replace(plan.box, cache="off"), progress))
    after = Figures.of(_run(plan, plan.box, progress))
    return Comparison(before, after, tuple(check_figures(before, after)))


def _run(plan: SimulationPlan, settings: ClosedLoopSettings, progress: Callable[[float], None]) -> TickTally:
    total = TickTally()
    for hour in plan.hours():
        length_s = min(HOUR_S, plan.bounds(hour)[1] - hour)
        box = ClosedLoopHour(
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
