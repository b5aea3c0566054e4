"""A canary's ticks from the feeds, and what a check of it says to people."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl

from calib.errors import NoFeeds
from calib.experiments.canary.controller import Check
from calib.experiments.canary.measure import CanaryTick
from calib.feeds.reading.batches import read_batches
from calib.feeds.reading.days import find_days, newest_days
from calib.feeds.reading.rejects import check_ratio
from calib.reports.numbers import NONE, duration, number

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
    """The ticks of [start, end] from the feeds; nothing where no file touches that time.

    Raises
    ------
    NoFeeds, TooManyRejects
        Where the directory holds no ticks at all, or a file is bad past tolerance.
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
    """As `read_ticks`; no feeds at all are no data, which a check has a word for."""
    try:
        return list(read_ticks(directory, start, end, symbols, max_reject_ratio))
    except NoFeeds:
        return []


def check_lines(check: Check) -> list[str]:
    """A check in three lines."""
    found = check.measures
    figures = [
        f"{found.ticks:,} ticks",
        f"hit ratio {number(found.hit_ratio)}",
        f"fetch_md p95 {number(found.fetch_md_p95_ms)} ms",
        f"tick_total p95 {number(found.tick_total_p95_ms)} ms",
        f"late {number(found.deadline_miss_rate)}",
    ]
    if found.fetch_ratio is not None:
        figures.append(f"fetch_md {100 * (found.fetch_ratio - 1):+.1f} % of the baseline")
    served = (
        f"{duration(round(check.covered_s))} of {duration(round(check.needed_s))} served" if check.needed_s else NONE
    )
    ready = "; ready to advance" if check.ready else ""
    return [f"{check.state}: {check.phase}: {check.why}", f"  {', '.join(figures)}", f"  {served}{ready}"]


def status_lines(status: dict[str, Any]) -> list[str]:
    """A status in one line, and a second with the first symbols that use the cache."""
    base = status["baseline"]
    baseline = "no baseline" if base is None else f"baseline {base['name']!r} version {base['version']}"
    enabled = f"{len(status['enabled'])} of {len(status['symbols'])} symbols use the cache"
    names = [f"  {', '.join(status['enabled'][:20])}"] if status["enabled"] else []
    return [f"{status['state']}: {status['phase']}: {enabled}; {baseline}", *names]
