"""From a feed directory to a dataset: plan, read, sum, filter."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from calib.arguments import Moment, symbol_list, unix_seconds
from calib.dataset.fills import FillAggregator
from calib.dataset.filters import REASONS, Filter, chosen_filters
from calib.dataset.filters.apply import apply_filters
from calib.dataset.grid import DAY_S
from calib.dataset.intervals import DayLines, LineFilter, Summation, join_kinds, sum_days
from calib.dataset.markouts import BookMarkouts
from calib.dataset.model import ContractParams, Counts, Dataset, Filters, Input, MissingDays, Params
from calib.dataset.naming import dataset_name
from calib.dataset.plan import DatasetPlan, plan_dataset
from calib.dataset.settings import DEFAULTS
from calib.dataset.thin import low_ticks_note
from calib.dataset.ticks import TickAggregator
from calib.engines import EngineChoice
from calib.errors import NoLines, NoSuchSymbol
from calib.feeds.contracts import Contracts
from calib.feeds.reading.batches import read_batches, read_records
from calib.feeds.reading.days import DayFile, is_newest
from calib.feeds.reading.pieces import PieceDecoder
from calib.feeds.reading.rejects import check_ratio, rejects_path, rejects_to
from calib.feeds.reading.stats import FileStats
from calib.feeds.settings import MAX_REJECT_RATIO
from calib.storage import Place, place_of, size_of


@dataclass(frozen=True, slots=True)
class DatasetOptions:
    """What is asked of a dataset beside its range; defaults as `build_dataset`."""

    symbols: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = chosen_filters()
    tick_sample_rate: int = DEFAULTS.tick_sample_rate
    maker_fee_bps: float = DEFAULTS.maker_fee_bps
    taker_fee_bps: float = DEFAULTS.taker_fee_bps
    max_reject_ratio: float = MAX_REJECT_RATIO
    contracts: Contracts = field(default_factory=dict)


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
    note: Callable[[str], None] = _silent,
) -> Dataset:
    """Cut feeds into one row per (symbol, interval) and drop the rows that are not fit to learn from.

    Parameters
    ----------
    feeds
        Directory of the feed files, or its URL (``s3://``, ``file://``).
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
        Root, or its URL, below which ``rejects/`` is written; None: the bad lines are counted only.
    jobs
        Processes that read; None: as many as there are cores. It never changes the result.
    engine, scheduler
        What decodes the lines, and the address of a Dask scheduler, see `calib.engines.EngineChoice`; they never change
        the result. A program that gives ``dask`` without a scheduler needs ``if __name__ == "__main__"``.
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
    UsageError
        For an unknown engine; MissingExtra, ClusterUnavailable where Dask cannot be used.
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
    return build_from_plan(plan, recipe, out=None if out is None else place_of(out), engine=chosen, note=note)


def build_from_plan(
    plan: DatasetPlan,
    recipe: DatasetOptions,
    *,
    out: Place | None = None,
    engine: EngineChoice | None = None,
    note: Callable[[str], None] = _silent,
    progress: Callable[[float], None] = _silent,
) -> Dataset:
    """Carry out a plan; see `build_dataset`. ``progress`` gets the stored bytes read since its last call."""
    tick_sums = TickAggregator(plan.grid.interval_sec, recipe.tick_sample_rate)
    fill_sums = FillAggregator(recipe.maker_fee_bps, recipe.taker_fee_bps, dict(recipe.contracts))
    wanted = LineFilter(plan.grid, plan.span, recipe.symbols)
    stored_bytes = sum(size_of(file.path) for file in plan.files)
    with (engine or EngineChoice()).decoder(stored_bytes) as decoder:
        reader = _Reader(plan, out, decoder, progress)
        # Ticks first: what remembers the fills' ids is the largest thing in memory, and comes when the rest has gone.
        ticks, fills = (sum_days(reader.days(sums), wanted, sums) for sums in (tick_sums, fill_sums))
    found = [reader.stats[file] for file in (*plan.files, *plan.books) if file in reader.stats]
    for stats in found:
        check_ratio(stats, recipe.max_reject_ratio, None if out is None else rejects_path(out, stats.file))
    rows = join_kinds(ticks, fills, plan.grid)
    for sentence in _check_found(plan, recipe.symbols, reader.symbols, rows):
        note(sentence)
    kept, dropped = apply_filters(rows, recipe.filters)
    if (thin := low_ticks_note(rows, dropped)) is not None:
        note(thin)
    return Dataset(
        range=plan.range(rows["symbol"].unique().sort().to_list()),
        filters=_limits(recipe.filters),
        params=_params(recipe),
        inputs=[_input(stats) for stats in found],
        missing_days=MissingDays(**{kind: [day.isoformat() for day in days] for kind, days in plan.missing.items()}),
        counts=_counts(rows, kept, dropped),
        intervals=kept,
        dropped=dropped,
        # Naming every symbol that the files hold leaves none out: that is the dataset of all.
        asked_symbols=recipe.symbols if reader.symbols - set(recipe.symbols) else (),
    )


def planned_name(plan: DatasetPlan, recipe: DatasetOptions) -> str:
    """The name that the dataset will have, without a suffix."""
    return dataset_name(plan.range([]), _limits(recipe.filters), _params(recipe), recipe.symbols)


def _params(recipe: DatasetOptions) -> Params:
    return Params(
        tick_sample_rate=recipe.tick_sample_rate,
        maker_fee_bps=recipe.maker_fee_bps,
        taker_fee_bps=recipe.taker_fee_bps,
        contracts=_contracts(recipe.contracts),
    )


@dataclass(slots=True)
class _Reader:
    """Reads the plan's files, and keeps what was found in them: the first reading counts, later ones repeat it."""

    plan: DatasetPlan
    out: Place | None
    engine: PieceDecoder
    progress: Callable[[float], None]
    stats: dict[DayFile, FileStats] = field(default_factory=dict)
    symbols: set[str] = field(default_factory=set)
    """Every symbol in the files, whatever range was asked."""
    markouts: BookMarkouts = field(init=False)

    def __post_init__(self) -> None:
        self.markouts = BookMarkouts(self.plan.books, self._book)

    def days(self, sums: Summation) -> list[DayLines]:
        """The files of one kind."""
        return [
            DayLines(file.name, file.first_ts // DAY_S, partial(self._lines, file, sums.columns))
            for file in self.plan.files
            if file.kind == sums.kind
        ]

    def _lines(self, file: DayFile, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The batches of a file; fills with their markouts."""
        for batch in self._batches(file, columns):
            yield self.markouts.add(batch, file.first_ts) if file.kind == "fills" else batch

    @contextlib.contextmanager
    def _book(self, file: DayFile) -> Iterator[Iterator[Any]]:
        """The records of a book file, as they stand in it."""
        first = file not in self.stats
        with contextlib.ExitStack() as stack:
            path = None if self.out is None or not first else rejects_path(self.out, file.name)
            rejects = stack.enter_context(rejects_to(path))
            reading = read_records(file, newest=is_newest(file), rejects=rejects)
            yield (record for _, record in reading)
            self.stats[file] = reading.stats

    def _batches(self, file: DayFile, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
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


def _limits(filters: Sequence[Filter]) -> Filters:
    """The limits as the envelope gives them; a filter that is not in the list is off."""
    limits = {rule.reason: rule.limit for rule in filters}
    return {reason: limits.get(reason) for reason in REASONS}


def _input(stats: FileStats) -> Input:
    return Input(
        file=stats.file,
        bytes=stats.bytes,
        sha256=stats.sha256,
        lines=stats.lines,
        used=stats.used,
        rejected=dict(stats.rejected),
        trade_id_conflicts=stats.trade_id_conflicts or msgspec.UNSET,
    )


def _contracts(contracts: Contracts) -> dict[str, ContractParams] | msgspec.UnsetType:
    named = {
        symbol: ContractParams(inverse=contract.inverse, multiplier=contract.multiplier)
        for symbol, contract in sorted(contracts.items())
    }
    return named or msgspec.UNSET


def _counts(rows: pl.DataFrame, kept: pl.DataFrame, dropped: pl.DataFrame) -> Counts:
    by_reason = dict(dropped["reasons"].explode().value_counts().iter_rows())
    return Counts(
        intervals=rows.height, kept=kept.height, dropped={reason: by_reason.get(reason, 0) for reason in REASONS}
    )


def _check_found(plan: DatasetPlan, asked: Sequence[str], present: set[str], rows: pl.DataFrame) -> list[str]:
    """Notes on symbols that do not occur.

    Raises
    ------
    NoSuchSymbol
        Where none of those asked for does.
    NoLines
        Where no usable line lies in the range.
    """
    absent = [symbol for symbol in asked if symbol not in present]
    if asked and present and len(absent) == len(asked):
        there = sorted(present)
        more = f" and {len(there) - 10} more" if len(there) > 10 else ""
        raise NoSuchSymbol(
            f"none of the symbols asked for occurs: {', '.join(absent)}",
            where=str(plan.directory),
            hint=f"The feeds hold {', '.join(there[:10])}{more}",
        )
    if rows.is_empty():
        span = plan.range([])
        raise NoLines(
            f"no usable line from {span.from_} to {span.to}",
            where=str(plan.directory),
            hint="Widen --from and --to; `calib check` shows what each file holds",
        )
    return [f"symbol {symbol} does not occur in the feeds of this range" for symbol in absent]
