"""The intervals of a plan by the kernel, with what was found in its files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calib import system
from calib.dataset.grid import ALLOWED_LATENESS_S
from calib.dataset.interval_table import IntervalTable
from calib.dataset.native.sums import COLUMNS, NativeJob, sum_natively
from calib.feeds.reading.native.sums import SumsOptions
from calib.feeds.reading.rejects import rejects_path, rejects_to

if TYPE_CHECKING:
    from calib.dataset.assembly import DatasetOptions
    from calib.dataset.markouts import BookMarkouts
    from calib.dataset.plan import DatasetPlan
    from calib.feeds.reading.days import DayFile
    from calib.feeds.reading.stats import FileStats

_WORTH_THREADS = 8 << 20


@dataclass(frozen=True, slots=True)
class PlanIntervals:
    """The intervals before the filters.

    Parameters
    ----------
    table
        The intervals.
    stats
        What was found in each file of fills and ticks.
    symbols
        Every symbol in the files, whatever was asked for.
    """

    table: IntervalTable
    stats: dict[DayFile, FileStats]
    symbols: set[str]


def intervals_of(
    library: Any,
    plan: DatasetPlan,
    recipe: DatasetOptions,
    books: Callable[[], BookMarkouts],
    *,
    out: Path | None,
    jobs: int | None,
    progress: Callable[[float], None],
) -> PlanIntervals:
    """Carry out a plan; parameters as `calib.dataset.build.build_from_plan`, ``books`` gives the markouts' books."""

    kept: list[BookMarkouts] = []

    def rejects(file: DayFile) -> contextlib.AbstractContextManager[Any]:
        return rejects_to(None if out is None else rejects_path(out, file.name))

    def markouts(file: DayFile) -> Any:
        if not any(book.first_ts == file.first_ts for book in plan.books):
            return None
        from calib.dataset.native.markouts import marking

        if not kept:
            kept.append(books())
        return marking(kept[0], file, COLUMNS["fills"])

    job = NativeJob(library, _threads(plan, jobs), rejects, markouts, progress)
    options = [_options(kind, plan, recipe) for kind in ("pipeline_ticks", "fills")]
    found = sum_natively(job, options, plan.files, plan.newest)
    table = IntervalTable(found.names, found.intervals, plan.grid.interval_sec)
    return PlanIntervals(table, found.stats, found.symbols)


def _options(kind: str, plan: DatasetPlan, recipe: DatasetOptions) -> SumsOptions:
    return SumsOptions(
        kind,
        plan.grid.interval_sec,
        plan.span.start,
        plan.span.end,
        recipe.symbols,
        ALLOWED_LATENESS_S,
        recipe.tick_sample_rate,
        recipe.maker_fee_bps,
        recipe.taker_fee_bps,
        recipe.contracts,
    )


def _threads(plan: DatasetPlan, jobs: int | None) -> int:
    """As many as were asked for, else as there are cores; one for small files."""
    if jobs is not None:
        return jobs
    total = 0
    for file in plan.files:
        with contextlib.suppress(OSError):  # gone: its reader raises later
            total += file.path.stat().st_size
    return system.cores() if total >= _WORTH_THREADS else 1
