"""``calib simulate --serve-metrics PORT``: run the simulated bot in real time and serve its metrics."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from calib.cli.output import Session
from calib.errors import UsageError

if TYPE_CHECKING:
    from calib.simulation.plan import SimulationPlan


def refuse_unused(given: dict[str, bool]) -> None:
    """Reject the options, by name, that do not apply to a run in real time.

    Raises
    ------
    UsageError
        If one is given.
    """
    unused = [name for name, is_given in given.items() if is_given]
    if unused:
        raise UsageError(
            f"--serve-metrics and {' and '.join(unused)} cannot be combined",
            hint="It starts now; --hours or --minutes give its length",
        )


def serve_live(session: Session, plan: SimulationPlan, port: int, out: Path | None) -> int:
    """Run the simulation until its end or an interrupt."""
    from calib.simulation.live import run_live

    def ready(url: str) -> None:
        session.note(f"metrics at {url} for {plan.end_s - plan.start_s:g} s; stop it with Ctrl-C")

    done = run_live(plan, port, directory=out, on_ready=ready)
    data = {"plan": plan.described(), "port": done.port, "seconds": done.seconds, "ticks": done.ticks}
    many = f"{len(plan.symbols)} symbol{'s' if len(plan.symbols) > 1 else ''}"
    return session.finish(data, [f"{many}, {done.seconds:g} s in real time, {done.ticks:,} ticks"])
