"""One day file summed by itself: its finished rows, and the lines of which a row may need more than this file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field

import polars as pl

from calib.dataset.grid import DAY_S, INDEX, Grid, Span
from calib.dataset.intervals import DayLines, LineFilter, Summation, sum_days
from calib.dataset.order import GROUP
from calib.feeds.reading.batches import LINE
from calib.feeds.reading.days import DayFile

Batches = Callable[[], Generator[pl.DataFrame]]
"""Starts to read a file again."""


class LateLine(Exception):
    """A line that was appended belongs to an interval that was finished."""


@dataclass(frozen=True, slots=True)
class DayColumns:
    """The columns of what is kept of one kind of feed: of its rows, and of its lines."""

    rows: pl.Schema
    lines: pl.Schema

    @classmethod
    def of(cls, sums: Summation) -> DayColumns:
        lines = pl.Schema({LINE: pl.Int64(), **sums.lines})
        rows = sums(pl.DataFrame(schema={**lines, INDEX: pl.Int64, "file": pl.Int64})).schema
        return cls(rows, lines)


def inner_span(grid: Grid, day: int) -> Span:
    """The intervals that lie wholly within a day, given as days since the epoch.

    >>> inner_span(Grid(7), 1)
    Span(start=86401, end=172795)
    """
    step = grid.interval_sec
    return Span(-(-day * DAY_S // step) * step, (day + 1) * DAY_S // step * step)


@dataclass(slots=True)
class DaySums:
    """What one file comes to.

    Parameters
    ----------
    rows
        Of the intervals that lie wholly in the file's day.
    edges
        The lines of the other intervals, in line order.
    open
        The lines of those of the intervals in ``rows`` that were still open at the file's last line: lines that are
        appended may belong to them.
    """

    rows: pl.DataFrame
    edges: pl.DataFrame
    open: pl.DataFrame


def sum_day(file: DayFile, grid: Grid, batches: Batches, sums: Summation, columns: DayColumns) -> DaySums:
    """Sum one file, whose lines ``batches`` yields; errors as in `sum_days`."""
    day = file.first_ts // DAY_S
    seen = _Lines(inner_span(grid, day), batches, columns.lines)
    wanted = LineFilter(grid, seen.inner)
    rows = sum_days([DayLines(file.name, day, seen.batches)], wanted, sums, at_end=seen.keep_open)
    return DaySums(rows, seen.edges, seen.open)


@dataclass(slots=True)
class _Lines:
    """The batches of a file as they go by."""

    inner: Span
    source: Batches
    schema: pl.Schema
    edges: pl.DataFrame = field(init=False)
    open: pl.DataFrame = field(init=False)

    def __post_init__(self) -> None:
        self.edges = self.open = self.schema.to_frame()

    def batches(self) -> Iterator[pl.DataFrame]:
        edges = [self.schema.to_frame()]
        whole_day = (self.inner.end - self.inner.start) == DAY_S
        with contextlib.closing(self.source()) as source:
            for batch in source:
                if not whole_day:
                    outside = (batch["ts"] < self.inner.start) | (batch["ts"] >= self.inner.end)
                    edges.append(batch.filter(outside))
                yield batch
        self.edges = pl.concat(edges)

    def keep_open(self, held: pl.DataFrame) -> None:
        self.open = held.select(self.schema.names())


def continued(before: DaySums, line: int, new: Batches, grid: Grid) -> tuple[Batches, pl.DataFrame]:
    """The lines to sum where a file has grown, and the rows that stay.

    Parameters
    ----------
    before
        What the file came to so far.
    line
        Number of the first line that is read now; an earlier reading may have met it without its newline.
    new
        Reads the lines from there on, with `LateLine` where one belongs to a row that stays.
    """
    again = before.open.select("symbol", grid.index_of()).unique()
    stay = before.rows.join(again, on=list(GROUP), how="anti")
    finished = stay.select(*GROUP)

    def batches() -> Generator[pl.DataFrame]:
        yield before.open.filter(pl.col(LINE) < line)
        with contextlib.closing(new()) as source:
            for batch in source:
                groups = batch.select("symbol", grid.index_of()).unique()
                if not groups.join(finished, on=list(GROUP), how="semi").is_empty():
                    raise LateLine
                yield batch

    return batches, stay
