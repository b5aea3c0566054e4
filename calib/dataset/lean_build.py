"""Build a lean dataset from a plan by the kernel, without polars."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from calib.dataset.assembly import (
    DatasetOptions,
    asked_symbols_of,
    check_found,
    checked_stats,
    input_of,
    limits_of,
    missing_days_of,
    params_of,
)
from calib.dataset.filters import REASONS
from calib.dataset.interval_table import IntervalTable
from calib.dataset.lean import DroppedRow, LeanDataset, plain_filters, split
from calib.dataset.native.intervals import sums_of
from calib.dataset.parts import Counts
from calib.dataset.plan import DatasetPlan
from calib.dataset.summing_kernel import summing_kernel
from calib.dataset.thin import thin_note
from calib.feeds.reading.days import DayFile
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
    """Build the dataset of `calib.dataset.build.build_from_plan` with packed rows.

    Return None without the kernel, or if a filter supports frames only.
    """
    kernel, filters = summing_kernel(), plain_filters(recipe.filters)
    if kernel is None or filters is None:
        return None
    book_stats: dict[DayFile, FileStats] = {}

    def books() -> BookMarkouts:
        from calib.dataset.book_records import BookRecords
        from calib.dataset.markouts import BookMarkouts

        return BookMarkouts(plan.books, BookRecords(out, book_stats))

    made = sums_of(kernel, plan, recipe, books, out=out, jobs=jobs, progress=progress)
    found = checked_stats(plan, made.result.stats | book_stats, recipe.max_reject_ratio, out)
    table = made.table()
    for sentence in check_found(plan, recipe.symbols, made.result.symbols, empty=not len(table)):
        note(sentence)
    kept, dropped, thin = split(table, filters)
    if (choices := thin_note(thin)) is not None:
        note(choices)

    def frames() -> tuple[pl.DataFrame, pl.DataFrame]:
        from calib.dataset.filters.apply import apply_filters

        return apply_filters(made.frame(), recipe.filters)

    return LeanDataset(
        range=plan.range(table.symbols()),
        filters=limits_of(recipe.filters),
        params=params_of(recipe),
        inputs=[input_of(facts) for facts in found],
        missing_days=missing_days_of(plan),
        counts=_counts(table, kept, dropped),
        table=kept,
        dropped_rows=dropped,
        frames=frames,
        asked_symbols=asked_symbols_of(recipe, made.result.symbols),
    )


def _counts(rows: IntervalTable, kept: IntervalTable, dropped: list[DroppedRow]) -> Counts:
    by_reason = dict.fromkeys(REASONS, 0)
    for _, _, reasons in dropped:
        for reason in reasons:
            by_reason[reason] += 1
    return Counts(intervals=len(rows), kept=len(kept), dropped=by_reason)
