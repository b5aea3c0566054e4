"""The dataset in memory: the envelope ``calib.dataset/1`` and its two tables.

The small parts of the envelope are records in the file's key order. The intervals and the dropped rows are polars
frames (`INTERVALS`, `DROPPED`): a year of 50 symbols is five million rows, which would take 5 GB as objects.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import msgspec
import polars as pl

from calib._version import __version__
from calib.dataset.columns import COUNTS, FEATURES, NUMBERS, TARGETS, Column
from calib.words import counted

FAMILY: Final = "calib.dataset/"
SCHEMA: Final = f"{FAMILY}1"

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


Whole = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A count or Unix seconds that fit into a signed 64-bit column."""


class JsonRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the envelope; unknown keys are ignored when reading."""


class Range(JsonRecord, frozen=True, kw_only=True):
    """``[from, to)`` on the interval grid, ISO 8601 UTC, and the symbols that have a row, sorted."""

    from_: str = msgspec.field(name="from")
    to: str
    interval_sec: Annotated[int, msgspec.Meta(ge=1, le=2**31)]
    symbols: list[str]

    @property
    def from_ts(self) -> int:
        """``from`` in Unix seconds; `ValueError` if it is not a valid time."""
        return _seconds(self.from_)

    @property
    def to_ts(self) -> int:
        """``to`` in Unix seconds; `ValueError` if it is not a valid time."""
        return _seconds(self.to)


Filters: TypeAlias = dict[str, int | float | bool | None]
"""Limit of each sanity filter by reason; None if it was off. A dataset made before a filter existed lacks its key."""


class ContractParams(JsonRecord, frozen=True, kw_only=True):
    """The contract of a symbol, see `calib.feeds.contracts.Contract`."""

    inverse: bool
    multiplier: float


class Params(JsonRecord, frozen=True, kw_only=True):
    """The other settings that the numbers depend on."""

    tick_sample_rate: Whole
    maker_fee_bps: float
    taker_fee_bps: float
    contracts: dict[str, ContractParams] | msgspec.UnsetType = msgspec.UNSET
    """Symbol -> its contract; absent if every symbol trades in base units."""


class Input(JsonRecord, frozen=True, kw_only=True):
    """One feed file: ``file`` is a base name, ``lines`` = ``used`` + all of ``rejected`` (reason -> count)."""

    file: str
    bytes: Whole
    sha256: str
    lines: Whole
    used: Whole
    rejected: dict[str, Whole]
    trade_id_conflicts: Whole | msgspec.UnsetType = msgspec.UNSET
    """Number of kept fills with the trade id of another fill; absent if there are none."""


class MissingDays(JsonRecord, frozen=True, kw_only=True):
    """Days of the range without a file, ``YYYY-MM-DD``, by kind of feed."""

    fills: list[str]
    pipeline_ticks: list[str]


class Counts(JsonRecord, frozen=True, kw_only=True):
    """Rows before the filters, rows kept, and rows dropped by reason (a row may fail several)."""

    intervals: Whole
    kept: Whole
    dropped: dict[str, Whole]


def _record_of(name: str, kind: Any, columns: Sequence[Column]) -> Any:
    """Define a part of an interval's record from the table of columns; a column of a later version may be absent."""
    fields = [(column.name, kind | None, None) if column.later else (column.name, kind) for column in columns]
    return msgspec.defstruct(name, fields, bases=(JsonRecord,), module=__name__, frozen=True, kw_only=True)


if TYPE_CHECKING:
    SampleCount: TypeAlias = Any
    Targets: TypeAlias = Any
    Features: TypeAlias = Any
else:
    SampleCount = _record_of("SampleCount", Whole, COUNTS)
    Targets = _record_of("Targets", float | None, TARGETS)
    Features = _record_of("Features", float | None, FEATURES)


class Interval(JsonRecord, frozen=True, kw_only=True):
    """One kept row; ``start`` is ``start_ts`` as ISO 8601 UTC."""

    symbol: str
    start: str
    start_ts: Whole
    end_ts: Whole
    sample_count: SampleCount
    targets: Targets
    features: Features


class Dropped(JsonRecord, frozen=True, kw_only=True):
    """One row that failed at least one filter."""

    symbol: str
    start: str
    start_ts: Whole
    reasons: list[str]


class Tool(JsonRecord, frozen=True, kw_only=True):
    """The program that wrote the file."""

    name: str = "calib"
    version: str = __version__


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


def iso(ts: int) -> str:
    """Return Unix seconds as ISO 8601 UTC, as in the envelope.

    >>> iso(1735689600)
    '2025-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(ts, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return int(moment.timestamp())


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
