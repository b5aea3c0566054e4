"""From a feed directory to a dataset: plan, read, sum, filter."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from calib import system
from calib.arguments import Moment, symbol_list, unix_seconds
from calib.dataset.assembly import DatasetOptions, check_found, input_of, limits_of, params_of, stored_size
from calib.dataset.book_records import BookRecords
from calib.dataset.filters import REASONS, Filter, chosen_filters
from calib.dataset.grid import DAY_S
from calib.dataset.model import Dataset
from calib.dataset.parts import Counts, MissingDays
from calib.dataset.plan import DatasetPlan, plan_dataset
from calib.dataset.settings import DEFAULTS
from calib.dataset.summing_kernel import summing_kernel
from calib.feeds.contracts import Contracts
from calib.feeds.reading.days import DayFile
from calib.feeds.reading.rejects import check_ratio, rejects_path, rejects_to
from calib.feeds.reading.stats import FileStats
from calib.feeds.settings import MAX_REJECT_RATIO

if TYPE_CHECKING:
    import polars as pl

    from calib.dataset.intervals import DayLines, Summation
    from calib.dataset.markouts import BookMarkouts
    from calib.feeds.reading.pieces import PieceDecoder

_WORTH_WORKERS: Final = 32 << 20


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
    note: Callable[[str], None] = _silent,
) -> Dataset:
    """Cut feeds into one row per (symbol, interval) and drop the rows that are not fit to learn from.

    Parameters
    ----------
    feeds
        Directory of the feed files.
    start, end
        ``[start, end)``: Unix seconds, ISO 8601 text or an aware datetime, widened outward to the interval grid; None:
        all days found.
    interval_sec
        Length of an interval, s, at least 1.
    symbols
        Only this one, or these; empty for all.
    filters
        The sanity filters that are on; None for all with their usual limits (`chosen_filters`).
    tick_sample_rate
        Ticks that a tick line without ``sample_rate`` stands for.
    maker_fee_bps, taker_fee_bps
        Fee of a fill without ``fee_bps``, bps of notional; negative is a rebate.
    max_reject_ratio
        Share of bad lines in one file past which the run ends, 0..1.
    contracts
        Symbol -> `calib.feeds.contracts.Contract`, of symbols whose quantities are contracts.
    out
        Root below which ``rejects/`` is written; None: the bad lines are counted only.
    jobs
        Threads that read (processes without the kernel); None: as many as there are cores. It never changes the result.
    note
        Gets what the user should know, one sentence at a time.

    Returns
    -------
    Dataset
        The same for the same files and parameters, to the last bit. It may hold no interval at all: see ``counts``.

    Raises
    ------
    InputError
        One of its kinds: no feeds, nothing in range, symbols that match nothing, a damaged file, too many bad lines.
    BadRange, BadTime
        Where the range is empty, or a time is not one.
    """
    plan = plan_dataset(
        Path(feeds),
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
    return build_from_plan(plan, recipe, out=None if out is None else Path(out), jobs=jobs, note=note)


def build_from_plan(
    plan: DatasetPlan,
    recipe: DatasetOptions,
    *,
    out: Path | None = None,
    jobs: int | None = None,
    note: Callable[[str], None] = _silent,
    progress: Callable[[float], None] = _silent,
) -> Dataset:
    """Carry out a plan; see `build_dataset`. ``progress`` gets the stored bytes read since its last call."""
    from calib.dataset.filters.apply import apply_filters
    from calib.dataset.thin import low_ticks_note

    with _engine(plan, jobs) as engine:
        reader = _Reader(plan, out, engine, progress)
        rows = _rows(reader, recipe, jobs)
    found = [reader.stats[file] for file in (*plan.files, *plan.books) if file in reader.stats]
    for stats in found:
        check_ratio(stats, recipe.max_reject_ratio, None if out is None else rejects_path(out, stats.file))
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
        missing_days=MissingDays(**{kind: [day.isoformat() for day in days] for kind, days in plan.missing.items()}),
        counts=_counts(rows, kept, dropped),
        intervals=kept,
        dropped=dropped,
        # Naming every symbol that the files hold leaves none out: that is the dataset of all.
        asked_symbols=recipe.symbols if reader.symbols - set(recipe.symbols) else (),
    )


def _rows(reader: _Reader, recipe: DatasetOptions, jobs: int | None) -> pl.DataFrame:
    """The intervals before the filters: by the kernel where there is one, else in Python."""
    plan = reader.plan
    if (kernel := summing_kernel()) is not None:
        from calib.dataset.native.intervals import sums_of

        made = sums_of(
            kernel, plan, recipe, lambda: reader.markouts, out=reader.out, jobs=jobs, progress=reader.progress
        )
        reader.stats |= made.result.stats
        reader.symbols |= made.result.symbols
        return made.frame()
    from calib.dataset.fills import FillAggregator
    from calib.dataset.intervals import LineFilter, join_kinds, sum_days
    from calib.dataset.ticks import TickAggregator

    tick_sums = TickAggregator(plan.grid.interval_sec, recipe.tick_sample_rate)
    fill_sums = FillAggregator(recipe.maker_fee_bps, recipe.taker_fee_bps, dict(recipe.contracts))
    wanted = LineFilter(plan.grid, plan.span, recipe.symbols)
    # Ticks first: what remembers the fills' ids is the largest thing in memory, and comes when the rest has gone.
    ticks, fills = (sum_days(reader.days(sums), wanted, sums) for sums in (tick_sums, fill_sums))
    return join_kinds(ticks, fills, plan.grid)


def _engine(plan: DatasetPlan, jobs: int | None) -> contextlib.AbstractContextManager[PieceDecoder]:
    """What decodes the lines: for small files starting workers would take longer than the work."""
    from calib.engines import decoders

    cores = system.cores() if jobs is None else jobs
    small = jobs is None and sum(stored_size(file) for file in plan.files) < _WORTH_WORKERS
    return decoders(1 if small else cores)


@dataclass(slots=True)
class _Reader:
    """Reads the plan's files, and keeps what was found in them: the first reading counts, later ones repeat it."""

    plan: DatasetPlan
    out: Path | None
    engine: PieceDecoder
    progress: Callable[[float], None]
    stats: dict[DayFile, FileStats] = field(default_factory=dict)
    symbols: set[str] = field(default_factory=set)
    """Every symbol in the files, whatever range was asked."""
    markouts: BookMarkouts = field(init=False)

    def __post_init__(self) -> None:
        from calib.dataset.markouts import BookMarkouts

        self.markouts = BookMarkouts(self.plan.books, BookRecords(self.out, self.stats))

    def days(self, sums: Summation) -> list[DayLines]:
        """The files of one kind."""
        from calib.dataset.intervals import DayLines

        return [
            DayLines(file.name, file.first_ts // DAY_S, partial(self._lines, file, sums.columns))
            for file in self.plan.files
            if file.kind == sums.kind
        ]

    def _lines(self, file: DayFile, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The batches of a file; fills with their markouts."""
        for batch in self._batches(file, columns):
            yield self.markouts.add(batch, file.first_ts) if file.kind == "fills" else batch

    def _batches(self, file: DayFile, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        from calib.feeds.reading.batches import read_batches

        newest = file in self.plan.newest
        if file in self.stats:
            yield from read_batches(file, columns, newest=newest, engine=self.engine)
            return
        with contextlib.ExitStack() as stack:
            path = None if self.out is None else rejects_path(self.out, file.name)
            rejects = stack.enter_context(rejects_to(path))
            reading = read_batches(file, columns, newest=newest, engine=self.engine, rejects=rejects)
            told = 0
            for batch in reading:
                self.symbols.update(batch["symbol"].unique())
                self.progress(reading.bytes_read - told)
                told = reading.bytes_read
                yield batch
            self.stats[file] = reading.stats
            self.progress(reading.stats.bytes - told)


def _counts(rows: pl.DataFrame, kept: pl.DataFrame, dropped: pl.DataFrame) -> Counts:
    by_reason = dict(dropped["reasons"].explode().value_counts().iter_rows())
    return Counts(
        intervals=rows.height, kept=kept.height, dropped={reason: by_reason.get(reason, 0) for reason in REASONS}
    )
