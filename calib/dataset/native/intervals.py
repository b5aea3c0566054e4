"""The sums of a plan by the kernel, as packed intervals or as a frame."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calib import system
from calib.dataset.grid import ALLOWED_LATENESS_S, Grid
from calib.dataset.interval_table import IntervalTable
from calib.dataset.native.sums import COLUMNS, NativeJob, NativeResult, sum_natively
from calib.feeds.reading.native.sums import SumsOptions
from calib.feeds.reading.rejects import rejects_path, rejects_to
from calib.storage import Place, size_of

if TYPE_CHECKING:
    import polars as pl

    from calib.dataset.assembly import DatasetOptions
    from calib.dataset.markouts import BookMarkouts
    from calib.dataset.native.file_pass import Markouts
    from calib.dataset.plan import DatasetPlan
    from calib.feeds.reading.days import DayFile

_WORTH_THREADS = 8 << 20


@dataclass(frozen=True, slots=True)
class PlanSums:
    """What the files of a plan add up to.

    Parameters
    ----------
    result
        The sums, and what was found in the files of fills and ticks.
    library, grid
        The kernel and the intervals.
    """

    result: NativeResult
    library: Any
    grid: Grid

    def table(self) -> IntervalTable:
        """The intervals before the filters, packed."""
        names, intervals = self.result.intervals(self.library)
        return IntervalTable(names, intervals, self.grid.interval_sec)

    def frame(self) -> pl.DataFrame:
        """The same as a frame, joined as the sums of polars are: a stored frame shows how it was made."""
        from calib.dataset.intervals import join_kinds
        from calib.dataset.native.frames import kind_frame

        return join_kinds(
            kind_frame("pipeline_ticks", *self.result.kinds["pipeline_ticks"]),
            kind_frame("fills", *self.result.kinds["fills"]),
            self.grid,
        )


def sums_of(
    library: Any,
    plan: DatasetPlan,
    recipe: DatasetOptions,
    books: Callable[[], BookMarkouts],
    *,
    out: Place | None,
    jobs: int | None,
    progress: Callable[[float], None],
) -> PlanSums:
    """Carry out a plan; parameters as `calib.dataset.build.build_from_plan`, ``books`` gives the markouts' books."""

    kept: list[BookMarkouts] = []

    def book() -> BookMarkouts:
        if not kept:
            kept.append(books())
        return kept[0]

    def rejects(file: DayFile) -> contextlib.AbstractContextManager[Any]:
        return rejects_to(None if out is None else rejects_path(out, file.name))

    def markouts(file: DayFile) -> Any:
        return markouts_of_day(file, plan, book)

    job = NativeJob(library, threads_for(plan.files, jobs), rejects, markouts, progress)
    options = [sums_options(kind, plan, recipe) for kind in ("pipeline_ticks", "fills")]
    found = sum_natively(job, options, plan.files, plan.newest)
    return PlanSums(found, library, plan.grid)


def markouts_of_day(
    file: DayFile, plan: DatasetPlan, books: Callable[[], BookMarkouts]
) -> Callable[[], Markouts | None] | None:
    """What marks the fills of a file; None where its day has no book."""
    if not any(book.first_ts == file.first_ts for book in plan.books):
        return None
    from calib.dataset.native.markouts import marking

    return marking(books(), file, COLUMNS["fills"])


def sums_options(kind: str, plan: DatasetPlan, recipe: DatasetOptions) -> SumsOptions:
    """How the lines of one kind are summed for a plan."""
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


def threads_for(files: Sequence[DayFile], jobs: int | None) -> int:
    """As many as were asked for, else as there are cores; one for small files."""
    if jobs is not None:
        return jobs
    return system.cores() if sum(size_of(file.path) for file in files) >= _WORTH_THREADS else 1
