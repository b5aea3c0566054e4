"""The simulated bot in real time, with its metrics served to a metrics server."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from calib.errors import ForeignFiles
from calib.features import FeatureCollector, SymbolScoreboard
from calib.feeds.writers import CalibrationLoggerManager
from calib.market import MDCache
from calib.metrics import BotCollector, register, serve
from calib.pipeline import StageMetrics
from calib.policy import default_monitor
from calib.simulation.closed_loop.hour import ClosedLoopHour
from calib.simulation.incidents import HOUR_S
from calib.simulation.output import feed_files
from calib.simulation.records import Record

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from calib.simulation.plan import SimulationPlan

FLUSH_INTERVAL_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class LiveRun:
    """The result of a live run: port, length and number of ticks."""

    port: int
    seconds: float
    ticks: int


def run_live(
    plan: SimulationPlan,
    port: int,
    *,
    addr: str = "127.0.0.1",
    directory: Path | None = None,
    on_ready: Callable[[str], None] = lambda _: None,
) -> LiveRun:
    """Run the plan's bot in real time for the length of its range, and serve its metrics.

    After each hour the bot is restarted, as after a release: its counters start at 0.

    Parameters
    ----------
    plan
        Symbols, seed, sample rate, cache, faults; of its range only the length is used.
    port, addr
        Address of the metrics server; port 0 selects a free port.
    directory
        Directory of its loggers; None: a temporary directory, deleted afterwards.
    on_ready
        Called with the URL to scrape once the server is ready.

    Raises
    ------
    calib.errors.PortUnavailable
        If the port cannot be used.
    calib.errors.ForeignFiles
        If the directory holds feeds: simulated lines must not be mixed with others.
    """
    from prometheus_client import CollectorRegistry as NewRegistry

    if directory is not None and directory.is_dir() and (existing := sorted(feed_files(directory))):
        raise ForeignFiles(
            f"already holds feeds: {', '.join(existing[:3])}",
            where=str(directory),
            hint="Choose another --out, or omit it",
        )
    registry, began_s = NewRegistry(), time.time()
    length_s, ticks = plan.end_s - plan.start_s, 0
    with serve(port, addr, registry=registry) as server, tempfile.TemporaryDirectory(prefix="calib-live-") as home:
        on_ready(server.url)
        done_s = 0.0
        while done_s < length_s:
            span_s = min(HOUR_S, length_s - done_s)
            ticks += _run_hour(plan, int(began_s + done_s), span_s, registry, directory or Path(home))
            done_s += span_s
    return LiveRun(server.port, length_s, ticks)


def _run_hour(plan: SimulationPlan, start_s: int, length_s: float, registry: CollectorRegistry, directory: Path) -> int:
    metrics = StageMetrics()
    exposed: list[BotCollector] = []
    with CalibrationLoggerManager(
        directory=directory, sample_rate=plan.sample_rate, flush_interval_s=FLUSH_INTERVAL_S, fsync="never"
    ) as loggers:
        wanted = {kind: getattr(loggers, "ticks" if kind == "pipeline_ticks" else kind).log for kind in plan.kinds()}

        def sink(kind: str, record: Record) -> None:
            if kind in wanted:
                wanted[kind](record)

        def expose(cache: MDCache, collector: FeatureCollector) -> None:
            scoreboard = SymbolScoreboard(collector)
            exposed.append(
                register(
                    registry,
                    cache=cache,
                    stage_metrics=metrics,
                    collector=collector,
                    scoreboard=scoreboard,
                    loggers=loggers,
                    policy=default_monitor(),
                )
            )

        hour = ClosedLoopHour(
            plan.seed,
            plan.symbols,
            start_s,
            plan.box,
            sink,
            length_s=length_s,
            incidents=plan.incidents,
            metrics=metrics,
            on_parts=expose,
        )
        try:
            return hour.run_live().ticks
        finally:
            for made in exposed:
                registry.unregister(made)
