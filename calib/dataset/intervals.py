"""Sum the lines of each (symbol, interval) to one row, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import polars as pl

from calib.dataset.grid import ALLOWED_LATENESS_S, DAY_S, INDEX, Grid, Span
from calib.dataset.model import INTERVALS
from calib.dataset.order import GROUP
from calib.dataset.ticks import MAX_QUOTES
from calib.dataset.watermark_buffer import WatermarkBuffer
from calib.errors import UnreadableInput

REDO_LINES: Final = 2_000_000
"""Largest number of lines that are summed again in one pass over the files; more late lines need more passes."""


@dataclass(frozen=True, slots=True)
class DayLines:
    """The lines of one day file.

    Parameters
    ----------
    name
        Name of the file, for error messages.
    day
        Days since the epoch. The ``ts`` of every line lies within this day.
    batches
        Reads the file from its beginning and yields its valid lines in line order, as frames with ``line`` and the
        columns that are summed.
    """

    name: str
    day: int
    batches: Callable[[], Iterable[pl.DataFrame]]


@dataclass(frozen=True, slots=True)
class LineFilter:
    """Selects the lines within ``span`` and, unless ``symbols`` is empty, of these symbols."""

    grid: Grid
    span: Span
    symbols: tuple[str, ...] = ()

    def of(self, batch: pl.DataFrame, file: int) -> pl.DataFrame:
        """Return the selected lines of a batch, with the ``index`` of their interval and the number of the ``file``."""
        inside = (batch["ts"] >= self.span.start) & (batch["ts"] < self.span.end)
        if self.symbols:
            inside &= batch["symbol"].is_in(self.symbols)
        # Most batches are selected whole and need no copy.
        lines = batch if inside.all() else batch.filter(inside)
        return lines.with_columns(self.grid.index_of(), pl.lit(file, pl.Int64).alias("file"))


class Summation(Protocol):
    """Aggregator of one kind of feed: `TickAggregator` or `FillAggregator`."""

    @property
    def kind(self) -> str:
        """Kind of the feed."""
        ...

    @property
    def lines(self) -> pl.Schema:
        """Columns of a line that it needs."""
        ...

    @property
    def columns(self) -> tuple[str, ...]:
        """Those columns of ``lines`` that are read from the feed."""
        ...

    @property
    def count(self) -> str:
        """Column of the result with the number of lines of a group."""
        ...

    def __call__(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Return one row per group from all lines of some groups."""
        ...


def sum_days(
    days: Sequence[DayLines],
    wanted: LineFilter,
    sums: Summation,
    *,
    allowance_s: float = ALLOWED_LATENESS_S,
    redo_lines: int = REDO_LINES,
    at_end: Callable[[pl.DataFrame], None] | None = None,
) -> pl.DataFrame:
    """Sum every (symbol, interval) of one kind of feed.

    Parameters
    ----------
    days
        The files, sorted by day.
    wanted
        Selects the lines.
    sums
        The aggregator.
    allowance_s, redo_lines
        See `ALLOWED_LATENESS_S` (s) and `REDO_LINES`. They affect the cost, not the result.
    at_end
        Called after the last line of each file with the lines of the intervals that are still open.

    Returns
    -------
    polars.DataFrame
        The rows from ``sums``, one per group, sorted by (symbol, index). The order of the lines does not matter.

    Raises
    ------
    UnreadableInput
        If a file had to be read again and had changed.
    """
    done = [sums(_nothing(sums))]
    holdback = WatermarkBuffer(wanted.grid, lambda lines: done.append(sums(lines)), allowance_s)
    last_lines = [_hold_day(holdback, day, file, wanted, at_end) for file, day in enumerate(days)]
    holdback.end()
    table, late = pl.concat(done), holdback.late
    for part in _parts(late, table, sums.count, redo_lines):
        again = _read_again(days, wanted, part, last_lines)
        redone = sums(pl.concat([_nothing(sums), *again]))
        _check_unchanged(redone, part, sums)
        table = pl.concat([table.join(part, on=list(GROUP), how="anti"), redone])
    return table.sort(*GROUP)


def _nothing(sums: Summation) -> pl.DataFrame:
    return pl.DataFrame(schema={"line": pl.Int64, **sums.lines, INDEX: pl.Int64, "file": pl.Int64})


def _hold_day(
    holdback: WatermarkBuffer,
    day: DayLines,
    file: int,
    wanted: LineFilter,
    at_end: Callable[[pl.DataFrame], None] | None,
) -> int:
    """Add one file to the watermark buffer; return the number of its last valid line."""
    last = 0
    for batch in day.batches():
        if batch.height:
            last = int(batch.item(-1, "line"))
            holdback.add(wanted.of(batch, file))
    if at_end is not None and (held := holdback.held) is not None:
        at_end(held)
    holdback.end_day((day.day + 1) * DAY_S)
    return last


def _parts(late: pl.DataFrame, table: pl.DataFrame, count: str, redo_lines: int) -> list[pl.DataFrame]:
    """Split the late intervals, by time, into parts of at most ``redo_lines`` lines plus those of one interval."""
    met = table.select(*GROUP, count)
    expected = late.join(met, on=list(GROUP), how="left").with_columns(pl.col("lines") + pl.col(count).fill_null(0))
    ordered = expected.drop(count).sort(INDEX, "symbol")
    return ordered.with_columns(part=pl.col("lines").cum_sum() // redo_lines).partition_by("part", include_key=False)


def _read_again(
    days: Sequence[DayLines], wanted: LineFilter, part: pl.DataFrame, last_lines: Sequence[int]
) -> Iterator[pl.DataFrame]:
    """Yield every line of the late intervals from their files, up to the last line of the first reading."""
    touched = Span(
        int(part[INDEX].min()) * wanted.grid.interval_sec,  # type: ignore[arg-type]  # a part is never empty
        (int(part[INDEX].max()) + 1) * wanted.grid.interval_sec,  # type: ignore[arg-type]
    ).days()
    for file, day in enumerate(days):
        if day.day in touched:
            for batch in day.batches():
                before = batch.filter(pl.col("line") <= last_lines[file])
                yield wanted.of(before, file).join(part, on=list(GROUP), how="semi")


def _check_unchanged(redone: pl.DataFrame, part: pl.DataFrame, sums: Summation) -> None:
    found = part.join(redone.select(*GROUP, sums.count), on=list(GROUP), how="left")
    if not found.filter(pl.col("lines").ne_missing(pl.col(sums.count))).is_empty():
        raise UnreadableInput(
            f"a {sums.kind} file changed while it was read",
            hint="Run again when nothing rewrites the feeds; appending to them is fine",
        )


def join_kinds(ticks: pl.DataFrame, fills: pl.DataFrame, grid: Grid) -> pl.DataFrame:
    """Return the rows of the dataset before the filters, from the rows of the ticks and of the fills.

    The columns are those of `INTERVALS`, sorted by (symbol, start_ts). If the count of quotes does not fit in 63 bits,
    the fill rate is NaN, so that `non_finite` drops the row.
    """
    quotes = pl.col("quotes")
    rate = pl.when(quotes == MAX_QUOTES).then(float("nan")).when(quotes > 0).then(pl.col("filled_quotes") / quotes)
    counts = ("ticks", "fills", "quotes", "filled_quotes")
    return (
        ticks.join(fills, on=list(GROUP), how="full", coalesce=True)
        .with_columns(pl.col(*counts).fill_null(0))
        .with_columns(
            (pl.col(INDEX) * grid.interval_sec).alias("start_ts"),
            ((pl.col(INDEX) + 1) * grid.interval_sec).alias("end_ts"),
            rate.alias("fill_rate"),
        )
        .select(INTERVALS.names())
        .sort("symbol", "start_ts")
    )
