"""From a plan to a lean dataset: by the kernel, without polars."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from calib.dataset.assembly import DatasetOptions, check_found, input_of, limits_of, params_of
from calib.dataset.filters import REASONS
from calib.dataset.interval_table import IntervalTable
from calib.dataset.lean import DroppedRow, LeanDataset, plain_filters, split
from calib.dataset.native.intervals import sums_of
from calib.dataset.parts import Counts, MissingDays
from calib.dataset.plan import DatasetPlan
from calib.dataset.summing_kernel import summing_kernel
from calib.dataset.thin import thin_note
from calib.feeds.reading.days import DayFile
from calib.feeds.reading.rejects import check_ratio, rejects_path
from calib.feeds.reading.stats import FileStats

if TYPE_CHECKING:
    import polars as pl

    from calib.dataset.markouts import BookMarkouts


def build_lean(
    plan: DatasetPlan,
    recipe: DatasetOptions,
    *,
    out: Path | None,
    jobs: int | None,
    note: Callable[[str], None],
    progress: Callable[[float], None],
) -> LeanDataset | None:
    """What `calib.dataset.build.build_from_plan` makes, with packed rows.

    None without the kernel, and for a filter that knows frames only."""
    kernel, filters = summing_kernel(), plain_filters(recipe.filters)
    if kernel is None or filters is None:
        return None
    book_stats: dict[DayFile, FileStats] = {}

    def books() -> BookMarkouts:
        from calib.dataset.book_records import BookRecords
        from calib.dataset.markouts import BookMarkouts

        return BookMarkouts(plan.books, BookRecords(out, book_stats))

    made = sums_of(kernel, plan, recipe, books, out=out, jobs=jobs, progress=progress)
    stats = made.result.stats | book_stats
    found = [stats[file] for file in (*plan.files, *plan.books) if file in stats]
    for facts in found:
        check_ratio(facts, recipe.max_reject_ratio, None if out is None else rejects_path(out, facts.file))
    table = made.table()
    for sentence in check_found(plan, recipe.symbols, made.result.symbols, empty=not len(table)):
        note(sentence)
    kept, dropped, thin = split(table, filters)
    if (choices := thin_note(thin)) is not None:
        note(choices)

    def frames() -> tuple[pl.DataFrame, pl.DataFrame]:
        from calib.dataset.filters.apply import apply_filters

        return apply_filters(made.frame(), recipe.filters)

    missing = {kind: [day.isoformat() for day in days] for kind, days in plan.missing.items()}
    return LeanDataset(
        range=plan.range(table.symbols()),
        filters=limits_of(recipe.filters),
        params=params_of(recipe),
        inputs=[input_of(facts) for facts in found],
        missing_days=MissingDays(**missing),
        counts=_counts(table, kept, dropped),
        table=kept,
        dropped_rows=dropped,
        frames=frames,
        # Naming every symbol that the files hold leaves none out: that is the dataset of all.
        asked_symbols=recipe.symbols if made.result.symbols - set(recipe.symbols) else (),
    )


def _counts(rows: IntervalTable, kept: IntervalTable, dropped: list[DroppedRow]) -> Counts:
    by_reason = dict.fromkeys(REASONS, 0)
    for _, _, reasons in dropped:
        for reason in reasons:
            by_reason[reason] += 1
    return Counts(intervals=len(rows), kept=len(kept), dropped=by_reason)
