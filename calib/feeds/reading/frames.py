"""Read feeds as polars frames, for notebooks and scripts: the lines of the other readers, all in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import polars as pl

from calib.arguments import Moment, symbol_list, unix_seconds
from calib.errors import UsageError
from calib.feeds.reading.batches import read_batches, read_records, within
from calib.feeds.reading.columns import schema
from calib.feeds.reading.days import DayFile, find_days, newest_days
from calib.feeds.reading.rejects import check_ratio
from calib.feeds.schema.table import FEEDS, Type
from calib.feeds.settings import MAX_REJECT_RATIO
from calib.storage import place_of

_TIMES: Final = ("ts", "ts_quote", "ts_exchange", "ts_open", "ts_close")
_LEVELS: Final = pl.List(pl.List(pl.Float64))


def read_feeds(
    directory: Path | str,
    kind: str,
    *,
    start: Moment | None = None,
    end: Moment | None = None,
    symbols: str | Sequence[str] = (),
    stages: Sequence[str] = (),
    max_reject_ratio: float = MAX_REJECT_RATIO,
) -> pl.DataFrame:
    """Return the valid lines of one kind of feed, in the order of the files and their lines.

    Parameters
    ----------
    directory
        The feed directory, or its URL (``s3://``, ``file://``).
    kind
        ``fills``, ``pipeline_ticks``, ``book``, ``trades`` or ``quotes``.
    start, end
        ``[start, end)`` as Unix seconds, ISO 8601 text or an aware datetime; None for no limit.
    symbols
        The symbol or symbols to return; empty for all.
    stages
        Stages of ``stage_latencies`` in ``pipeline_ticks`` that become columns ``stage_latencies.NAME``, ms.
    max_reject_ratio
        Largest allowed share of bad lines in one file, 0..1.

    Returns
    -------
    polars.DataFrame
        One column per field, null if the line lacks it. Times are datetimes in UTC with microseconds; levels are lists
        of ``[price, qty]``.

    Raises
    ------
    calib.errors.CalibError
        UsageError if the kind is unknown. NoFeeds, UnreadableInput, TruncatedInput or TooManyRejects like the readers.
    """
    if kind not in FEEDS:
        raise UsageError(f"unknown feed {kind!r}", hint=f"One of {', '.join(FEEDS)}")
    low = -math.inf if start is None else unix_seconds(start)
    high = math.inf if end is None else unix_seconds(end)
    names = symbol_list(symbols)
    files = find_days(place_of(directory), (kind,))
    newest = newest_days(files)
    read = _with_levels if any(field.type is Type.LEVELS for field in FEEDS[kind].fields) else _flat
    parts = [read(file, file in newest, tuple(stages), max_reject_ratio) for file in files if file.touches(low, high)]
    whole = pl.concat(parts) if parts else pl.DataFrame(schema=_schema(kind, tuple(stages)))
    times = [
        pl.from_epoch((pl.col(name) * 1e6).round(), time_unit="us").dt.replace_time_zone("UTC").alias(name)
        for name in whole.columns
        if name in _TIMES
    ]
    return whole.filter(within(low, high, names)).with_columns(times)


def _schema(kind: str, stages: tuple[str, ...]) -> dict[str, Any]:
    flat = schema(kind) | schema(kind, [f"stage_latencies.{stage}" for stage in stages])
    levels = {field.name: _LEVELS for field in FEEDS[kind].fields if field.type is Type.LEVELS}
    return flat | levels


def _flat(file: DayFile, newest: bool, stages: tuple[str, ...], max_reject_ratio: float) -> pl.DataFrame:
    columns = list(_schema(file.kind, stages))
    reading = read_batches(file, columns, newest=newest)
    parts = [batch.select(columns) for batch in reading]
    check_ratio(reading.stats, max_reject_ratio)
    return pl.concat(parts) if parts else pl.DataFrame(schema=_schema(file.kind, stages))


def _with_levels(file: DayFile, newest: bool, stages: tuple[str, ...], max_reject_ratio: float) -> pl.DataFrame:
    made = _schema(file.kind, stages)
    reading = read_records(file, newest=newest)
    rows = [[_cell(getattr(record, name)) for name in made] for _, record in reading]
    check_ratio(reading.stats, max_reject_ratio)
    return pl.DataFrame(rows, schema=made, orient="row")


def _cell(value: Any) -> Any:
    return [list(level) for level in value] if isinstance(value, list | tuple) else value
