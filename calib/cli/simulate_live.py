"""``calib simulate --serve-metrics PORT``: the simulated bot in real time, to be scraped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from calib.cli.output import Session
from calib.errors import UsageError

if TYPE_CHECKING:
    from calib.simulation.plan import SimulationPlan


def refuse_unused(given: dict[str, bool]) -> None:
    """Refuse options that a run in real time has no use for, by name.

    Raises
    ------
    UsageError
        Where one is given.
    """
    useless = [name for name, there in given.items() if there]
    if useless:
        raise UsageError(
            f"--serve-metrics and {' and '.join(useless)} do not go together",
            hint="It runs from now on; --hours or --minutes give its length",
        )


def serve_live(session: Session, plan: SimulationPlan, port: int, out: Path | None) -> int:
    """Run it until its length is over or somebody interrupts it."""
    from calib.simulation.live import run_live

    def ready(url: str) -> None:
        session.note(f"metrics at {url} for {plan.end_s - plan.start_s:g} s; Ctrl-C ends it")

    done = run_live(plan, port, directory=out, on_ready=ready)
    data = {"plan": plan.described(), "port": done.port, "seconds": done.seconds, "ticks": done.ticks}
    many = f"{len(plan.symbols)} symbol{'s' if len(plan.symbols) > 1 else ''}"
    return session.finish(data, [f"{many}, {done.seconds:g} s in real time, {done.ticks:,} ticks"])
