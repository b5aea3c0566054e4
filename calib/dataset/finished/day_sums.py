"""Sum one day file: its finished rows, and the lines of intervals that extend beyond the day."""

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
"""Reads a file from the beginning and yields its batches."""


class LateLine(Exception):
    """An appended line belongs to an interval that was already finished."""


@dataclass(frozen=True, slots=True)
class DayColumns:
    """The columns of the stored rows and of the stored lines of one kind of feed."""

    rows: pl.Schema
    lines: pl.Schema

    @classmethod
    def of(cls, sums: Summation) -> DayColumns:
        lines = pl.Schema({LINE: pl.Int64(), **sums.lines})
        rows = sums(pl.DataFrame(schema={**lines, INDEX: pl.Int64, "file": pl.Int64})).schema
        return cls(rows, lines)


def inner_span(grid: Grid, day: int) -> Span:
    """Return the span of the intervals that lie wholly within a day (days since the epoch).

    >>> inner_span(Grid(7), 1)
    Span(start=86401, end=172795)
    """
    step = grid.interval_sec
    return Span(-(-day * DAY_S // step) * step, (day + 1) * DAY_S // step * step)


@dataclass(slots=True)
class DaySums:
    """The result of summing one file.

    Parameters
    ----------
    rows
        Rows of the intervals that lie wholly within the file's day.
    edges
        Lines of the other intervals, in line order.
    open
        Lines of the intervals in ``rows`` that were still open at the file's last line. Lines that are appended later
        may belong to these intervals.
    """

    rows: pl.DataFrame
    edges: pl.DataFrame
    open: pl.DataFrame


def sum_day(file: DayFile, grid: Grid, batches: Batches, sums: Summation, columns: DayColumns) -> DaySums:
    """Sum one file, whose lines ``batches`` yields; it raises the errors of `sum_days`."""
    day = file.first_ts // DAY_S
    seen = _Lines(inner_span(grid, day), batches, columns.lines)
    wanted = LineFilter(grid, seen.inner)
    rows = sum_days([DayLines(file.name, day, seen.batches)], wanted, sums, at_end=seen.keep_open)
    return DaySums(rows, seen.edges, seen.open)


@dataclass(slots=True)
class _Lines:
    """The batches of a file; keeps the edge lines and the open lines while they are read."""

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
    """Return the lines to sum of a file that has grown, and the rows that remain valid.

    The batches raise `LateLine` if a new line belongs to a row that remains valid.

    Parameters
    ----------
    before
        Result of the previous reading.
    line
        Number of the first line that is read now. The previous reading may have read it without its newline.
    new
        Reads the lines from ``line`` on.
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
