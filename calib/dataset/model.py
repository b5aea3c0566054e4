"""The dataset in memory: the envelope ``calib.dataset/1`` and its two tables.

The small parts of the envelope are records in the file's key order. The intervals and the dropped rows are polars
frames (`INTERVALS`, `DROPPED`): a year of 50 symbols is five million rows, which would take 5 GB as objects.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from calib.dataset.columns import COUNTS, FEATURES, NUMBERS, TARGETS
from calib.dataset.parts import (
    FAMILY,
    SCHEMA,
    ContractParams,
    Counts,
    Dropped,
    Features,
    Filters,
    Input,
    Interval,
    JsonRecord,
    MissingDays,
    Params,
    Range,
    SampleCount,
    Targets,
    Tool,
    Whole,
    iso,
)
from calib.words import counted

__all__ = [
    "DROPPED",
    "FAMILY",
    "INTERVALS",
    "SCHEMA",
    "ContractParams",
    "Counts",
    "Dataset",
    "Dropped",
    "Features",
    "Filters",
    "Input",
    "Interval",
    "JsonRecord",
    "MissingDays",
    "Params",
    "Range",
    "SampleCount",
    "Targets",
    "Tool",
    "Whole",
    "interval_rows",
    "iso",
]

INTERVALS: Final = pl.Schema(
    {
        "symbol": pl.String(),
        "start_ts": pl.Int64(),
        "end_ts": pl.Int64(),
        **{column.name: pl.Int64() for column in COUNTS},
        **{column.name: pl.Float64() for column in NUMBERS},
    }
)
"""Columns of `Dataset.intervals`; only targets and features may be null."""

DROPPED: Final = pl.Schema({"symbol": pl.String(), "start_ts": pl.Int64(), "reasons": pl.List(pl.String())})
"""Columns of `Dataset.dropped`; ``reasons`` in the order of the filters."""


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """A complete dataset.

    Parameters
    ----------
    intervals
        The kept rows with the columns `INTERVALS`, sorted by (symbol, start_ts).
    dropped
        The dropped rows with the columns `DROPPED`, in the same order.
    asked_symbols
        The symbols that were selected; empty: all. They are part of the file's name, not of its content.

    Raises
    ------
    ValueError
        If the tables have other columns, hold NaN or infinity, are not sorted, or disagree with ``counts``: such a
        dataset must be neither written nor summarised.
    """

    range: Range
    filters: Filters
    params: Params
    inputs: list[Input]
    missing_days: MissingDays
    counts: Counts
    intervals: pl.DataFrame
    dropped: pl.DataFrame
    tool: Tool = field(default_factory=Tool)
    asked_symbols: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.range.from_ts >= self.range.to_ts:
            raise ValueError(f"range is empty: {self.range.from_} to {self.range.to}, {self.range.interval_sec} s")
        _check_columns("intervals", self.intervals, INTERVALS)
        _check_columns("dropped", self.dropped, DROPPED)
        _check_values(self.intervals)
        for frame in (self.intervals, self.dropped):
            if not frame["start_ts"].is_between(self.range.from_ts, self.range.to_ts, closed="left").all():
                raise ValueError("a row starts outside the range")
        if self.counts.kept != self.intervals.height:
            raise ValueError(f"counts.kept is {self.counts.kept}, but there are {self.intervals.height} intervals")
        if self.counts.intervals != self.intervals.height + self.dropped.height:
            raise ValueError(
                f"counts.intervals is {self.counts.intervals}, but {self.intervals.height} intervals were kept "
                f"and {self.dropped.height} dropped"
            )
        symbols = pl.concat([self.intervals["symbol"], self.dropped["symbol"]]).unique().sort().to_list()
        if self.range.symbols != symbols:
            raise ValueError("range.symbols are not the symbols of the rows")

    def rows(self) -> Iterator[Interval]:
        """Yield the kept rows as records, in order."""
        return interval_rows(self.intervals)

    def known(self, name: str) -> bool:
        """Whether any kept row has this target or feature."""
        return self.intervals[name].null_count() < self.intervals.height

    def to_frame(self) -> pl.DataFrame:
        """Return the kept rows with ``start`` and ``end`` as datetimes in UTC instead of Unix seconds."""
        times = [
            pl.from_epoch(f"{name}_ts", time_unit="s").dt.replace_time_zone("UTC").alias(name)
            for name in ("start", "end")
        ]
        return self.intervals.select("symbol", *times, pl.exclude("symbol", "start_ts", "end_ts"))

    def _repr_html_(self) -> str:
        """Return the HTML that a notebook shows: the range and the counts, then the first rows."""
        span, counts = self.range, self.counts
        head = (
            f"calib dataset, {span.from_} to {span.to}: {counts.kept} of {counted(counts.intervals, 'interval')} of "
            f"{span.interval_sec} s kept, {counted(len(span.symbols), 'symbol')}"
        )
        return f"<p>{html.escape(head)}</p>{self.to_frame()._repr_html_()}"

    def same_as(self, other: Dataset) -> bool:
        """Return whether all parts and all rows are equal."""
        small = ("range", "filters", "params", "inputs", "missing_days", "counts", "tool")
        return (
            all(getattr(self, name) == getattr(other, name) for name in small)
            and self.intervals.equals(other.intervals)
            and self.dropped.equals(other.dropped)
        )


def interval_rows(frame: pl.DataFrame) -> Iterator[Interval]:
    """Yield the rows of a frame with the columns `INTERVALS` as records, in order."""
    for row in frame.iter_rows(named=True):
        yield Interval(
            symbol=row["symbol"],
            start=iso(row["start_ts"]),
            start_ts=row["start_ts"],
            end_ts=row["end_ts"],
            sample_count=SampleCount(**{column.name: row[column.name] for column in COUNTS}),
            targets=Targets(**{column.name: row[column.name] for column in TARGETS}),
            features=Features(**{column.name: row[column.name] for column in FEATURES}),
        )


def _check_columns(name: str, frame: pl.DataFrame, schema: pl.Schema) -> None:
    if frame.schema != schema:
        raise ValueError(f"{name} has the columns {dict(frame.schema)}, not {dict(schema)}")
    symbol, start = pl.col("symbol"), pl.col("start_ts")
    same = symbol == symbol.shift()
    # Polars compares strings by their UTF-8 bytes, which is the same order as Python's, by code point.
    ordered = (symbol > symbol.shift()) | (same & (start > start.shift()))
    if not frame.select(ordered.slice(1).all()).item():
        raise ValueError(f"{name} is not sorted by (symbol, start_ts), or has a duplicate row")


def _check_values(intervals: pl.DataFrame) -> None:
    fixed = [name for name in INTERVALS if name not in {column.name for column in NUMBERS}]
    if any(intervals[name].null_count() for name in fixed):
        raise ValueError("intervals has a row without symbol, times or counts")
    for column in NUMBERS:
        if not intervals[column.name].is_finite().all():
            raise ValueError(f"intervals has a value in {column.name} that is NaN or infinite")
