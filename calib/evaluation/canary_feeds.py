"""Reads the ticks of a canary from the feeds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from calib.errors import NoFeeds
from calib.experiments.canary.measure import CanaryTick
from calib.feeds.reading.batches import read_batches
from calib.feeds.reading.days import find_days, newest_days
from calib.feeds.reading.rejects import check_ratio

DAY_S: Final = 86_400
_COLUMNS: Final = (
    "ts",
    "symbol",
    "cache_hit",
    "tick_total_ms",
    "deadline_miss",
    "stage_latencies.fetch_md",
    "fetch_md_cache_ms",
)


def read_ticks(
    directory: Path, start: float, end: float, symbols: tuple[str, ...], max_reject_ratio: float
) -> Iterator[CanaryTick]:
    """Yield the ticks of [start, end] from the feeds; none if no file overlaps that range.

    Raises
    ------
    NoFeeds, TooManyRejects
        If the directory has no ticks, or a file has more rejects than tolerated.
    """
    days = find_days(directory, ["pipeline_ticks"])
    newest = newest_days(days)
    for file in days:
        if file.first_ts + DAY_S <= start or file.first_ts > end:
            continue
        reading = read_batches(file, _COLUMNS, newest=file in newest)
        for batch in reading:
            kept = batch.filter(pl.col("ts").is_between(start, end))
            if symbols:
                kept = kept.filter(pl.col("symbol").is_in(list(symbols)))
            yield from map(CanaryTick._make, kept.select(_COLUMNS).iter_rows())
        check_ratio(reading.stats, max_reject_ratio)


def ticks_or_nothing(
    directory: Path, start: float, end: float, symbols: tuple[str, ...], max_reject_ratio: float
) -> list[CanaryTick]:
    """Return the ticks of `read_ticks`; an empty list without feeds, for which a check returns NODATA."""
    try:
        return list(read_ticks(directory, start, end, symbols, max_reject_ratio))
    except NoFeeds:
        return []
