"""Build a dataset from a feed directory: plan, read, sum, filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from calib.arguments import Moment, symbol_list, unix_seconds
from calib.dataset.assembly import (
    DatasetOptions,
    asked_symbols_of,
    check_found,
    input_of,
    limits_of,
    missing_days_of,
    params_of,
)
from calib.dataset.filters import FILTERS, REASONS, Filter, chosen_filters
from calib.dataset.finished import FinishedDays
from calib.dataset.model import Dataset
from calib.dataset.parts import Counts
from calib.dataset.plan import DatasetPlan, plan_dataset
from calib.dataset.plan_reader import PlanReader
from calib.dataset.settings import DEFAULTS
from calib.dataset.summing_kernel import summing_kernel
from calib.engines.choice import EngineChoice
from calib.feeds.contracts import Contracts
from calib.feeds.settings import MAX_REJECT_RATIO
from calib.storage import Place, place_of, size_of

if TYPE_CHECKING:
    import polars as pl

    from calib.dataset.finished.day_kernel import DayKernel
    from calib.dataset.intervals import Summation


def _silent(_: object) -> None:
    """No-op callback."""


def build_dataset(
    feeds: Path | str,
    *,
    start: Moment | None = None,
    end: Moment | None = None,
    interval_sec: int = DEFAULTS.interval_sec,
    symbols: str | Sequence[str] = (),
    filters: Sequence[Filter] | None = None,
    tick_sample_rate: int = DEFAULTS.tick_sample_rate,
    maker_fee_bps: float = DEFAULTS.maker_fee_bps,
    taker_fee_bps: float = DEFAULTS.taker_fee_bps,
    max_reject_ratio: float = MAX_REJECT_RATIO,
    contracts: Contracts | None = None,
    out: Path | str | None = None,
    jobs: int | None = None,
    engine: str = "auto",
    scheduler: str | None = None,
    finished: FinishedDays | None = None,
    note: Callable[[str], None] = _silent,
) -> Dataset:
    """Aggregate feeds to one row per (symbol, interval) and drop the rows that fail a sanity filter.

    Parameters
    ----------
    feeds
        Directory of the feed files, or its URL (``s3://``, ``file://``).
    start, end
        ``[start, end)`` as Unix seconds, ISO 8601 text or an aware datetime, widened outward to the interval grid. If
        None, the range begins with the first day found, or ends with the last.
    interval_sec
        Length of an interval, s, at least 1.
    symbols
        The symbol or symbols to use; empty for all.
    filters
        The active sanity filters; None for all of them with their default limits (`chosen_filters`).
    tick_sample_rate
        Number of ticks that a tick line without ``sample_rate`` represents.
    maker_fee_bps, taker_fee_bps
        Fee of a fill without ``fee_bps``, bps of notional; negative is a rebate.
    max_reject_ratio
        Largest allowed share of bad lines in one file, 0..1.
    contracts
        Symbol -> `calib.feeds.contracts.Contract`, for symbols whose quantities are contracts.
    out
        Directory or URL in which ``rejects/`` is written; if None, bad lines are only counted.
    jobs
        Number of reading threads (processes without the kernel); None for one per core. Does not affect the result.
    engine, scheduler
        Engine that decodes the lines, and the address of a Dask scheduler, see `calib.engines.EngineChoice`. They do
        not affect the result. A program that passes ``dask`` without a scheduler needs ``if __name__ == "__main__"``.
    finished
        Keeps the rows of each day from one run to the next (`calib.dataset.finished.FinishedDays`). Create a new one
        for each call. If None, every file is read. Does not affect the result.
    note
        Called with each message for the user, one sentence per call.

    Returns
    -------
    Dataset
        Bit-identical for the same files and parameters. It may have no kept interval: see ``counts``.

    Raises
    ------
    InputError
        One of its subclasses: no feeds, no data in range, no symbol found, a damaged file, or too many bad lines.
    BadRange, BadTime
        If the range is empty, or a time is not valid.
    UsageError
        If the engine is unknown. MissingExtra or ClusterUnavailable if Dask cannot be used.
    """
    chosen = EngineChoice(engine, jobs, scheduler)
    plan = plan_dataset(
        place_of(feeds),
        start=None if start is None else unix_seconds(start),
        end=None if end is None else unix_seconds(end),
        interval_sec=interval_sec,
    )
    for sentence in plan.notes:
        note(sentence)
    recipe = DatasetOptions(
        symbol_list(symbols),
        chosen_filters() if filters is None else tuple(filters),
        tick_sample_rate,
        maker_fee_bps,
        taker_fee_bps,
        max_reject_ratio,
        contracts or {},
    )
    return build_from_plan(
        plan, recipe, out=None if out is None else place_of(out), engine=chosen, finished=finished, note=note
    )


def build_from_plan(
    plan: DatasetPlan,
    recipe: DatasetOptions,
    *,
    out: Place | None = None,
    engine: EngineChoice | None = None,
    finished: FinishedDays | None = None,
    note: Callable[[str], None] = _silent,
    progress: Callable[[float], None] = _silent,
) -> Dataset:
    """Build the dataset of a plan; see `build_dataset`.

    ``progress`` is called with the number of stored bytes read since its last call.
    """
    reader = PlanReader(plan, out, progress)
    engine = engine or EngineChoice()
    notes: list[str] = []

    def tell(sentence: str) -> None:
        notes.append(sentence)
        note(sentence)

    if finished is None or not finished.worth_it(plan):
        return _assembled(_without_entries(reader, recipe, engine), reader, recipe, note)
    asked = repr((plan.grid, plan.span, plan.missing, recipe))
    # The key of a whole dataset covers calib's code, not that of a caller's own filter.
    may_be_whole = all(type(rule) in FILTERS for rule in recipe.filters)
    known = finished.look_up(plan, _sums(plan, recipe))
    if may_be_whole and (ready := finished.dataset(asked, reader)) is not None:
        finished.trim()
        reader.found(recipe.max_reject_ratio)
        for sentence in ready[1]:
            note(sentence)
        return ready[0]
    unread = sum(max(0, size_of(file.path) - known.get(file, 0)) for file in plan.files)
    with engine.decoder(unread) as reader.engine:
        rows = _by_days(reader, recipe, finished, _day_kernel(plan, recipe, engine))
    finished.trim()
    made = _assembled(rows, reader, recipe, tell)
    if may_be_whole:
        finished.keep(asked, made, notes)
    return made


def _assembled(rows: pl.DataFrame, reader: PlanReader, recipe: DatasetOptions, note: Callable[[str], None]) -> Dataset:
    """Apply the filters to the intervals and return the dataset."""
    from calib.dataset.filters.apply import apply_filters
    from calib.dataset.thin import low_ticks_note

    plan = reader.plan
    found = reader.found(recipe.max_reject_ratio)
    for sentence in check_found(plan, recipe.symbols, reader.symbols, empty=rows.is_empty()):
        note(sentence)
    kept, dropped = apply_filters(rows, recipe.filters)
    if (thin := low_ticks_note(rows, dropped)) is not None:
        note(thin)
    return Dataset(
        range=plan.range(rows["symbol"].unique().sort().to_list()),
        filters=limits_of(recipe.filters),
        params=params_of(recipe),
        inputs=[input_of(stats) for stats in found],
        missing_days=missing_days_of(plan),
        counts=_counts(rows, kept, dropped),
        intervals=kept,
        dropped=dropped,
        asked_symbols=asked_symbols_of(recipe, reader.symbols),
    )


def _without_entries(reader: PlanReader, recipe: DatasetOptions, engine: EngineChoice) -> pl.DataFrame:
    """Return the intervals before the filters: summed by the kernel if there is one, else in Python."""
    plan = reader.plan
    kernel = _kernel_for(plan, engine)
    if kernel is None:
        with engine.decoder(sum(size_of(file.path) for file in plan.files)) as reader.engine:
            return _by_days(reader, recipe, None)
    from calib.dataset.native.intervals import sums_of

    made = sums_of(
        kernel, plan, recipe, lambda: reader.markouts, out=reader.out, jobs=engine.jobs, progress=reader.progress
    )
    reader.stats |= made.result.stats
    reader.symbols |= made.result.symbols
    return made.frame()


def _kernel_for(plan: DatasetPlan, engine: EngineChoice) -> Any | None:
    """Return the kernel if it can be used: the files are local and the engine is ``auto``."""
    return summing_kernel() if plan.is_local and engine.name == "auto" else None


def _day_kernel(plan: DatasetPlan, recipe: DatasetOptions, engine: EngineChoice) -> DayKernel | None:
    """Return the summation of days without an entry by the kernel; None without the kernel."""
    kernel = _kernel_for(plan, engine)
    if kernel is None:
        return None
    from calib.dataset.finished.day_kernel import DayKernel

    return DayKernel(kernel, plan, recipe, engine.jobs)


def _by_days(
    reader: PlanReader, recipe: DatasetOptions, finished: FinishedDays | None, kernel: DayKernel | None = None
) -> pl.DataFrame:
    """Return the intervals before the filters, from batches of lines and from the stored rows of finished days."""
    from calib.dataset.intervals import LineFilter, join_kinds, sum_days

    plan = reader.plan
    wanted = LineFilter(plan.grid, plan.span, recipe.symbols)
    # Ticks first: the table of fill ids needs the most memory, so it is built after the ticks are released.
    ticks, fills = (
        sum_days(reader.days(sums), wanted, sums)
        if finished is None
        else finished.sum_days(reader, wanted, sums, kernel)
        for sums in _sums(plan, recipe)
    )
    return join_kinds(ticks, fills, plan.grid)


def _sums(plan: DatasetPlan, recipe: DatasetOptions) -> tuple[Summation, Summation]:
    """Return the aggregators of ticks and fills."""
    from calib.dataset.fills import FillAggregator
    from calib.dataset.ticks import TickAggregator

    return (
        TickAggregator(plan.grid.interval_sec, recipe.tick_sample_rate),
        FillAggregator(recipe.maker_fee_bps, recipe.taker_fee_bps, dict(recipe.contracts)),
    )


def _counts(rows: pl.DataFrame, kept: pl.DataFrame, dropped: pl.DataFrame) -> Counts:
    by_reason = dict(dropped["reasons"].explode().value_counts().iter_rows())
    return Counts(
        intervals=rows.height, kept=kept.height, dropped={reason: by_reason.get(reason, 0) for reason in REASONS}
    )
