"""Compute the health of feed files that `calib check` reports.

Silences are measured between lines sorted by time, so a late line within a gap shortens it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np
import polars as pl

from calib.feeds.reading.batches import FeedReading, RecordReading
from calib.feeds.reading.days import DayFile, days_missing
from calib.feeds.reading.rejects import TOLERATED
from calib.feeds.reading.stats import FileStats
from calib.feeds.schema.table import FEEDS

SCHEMA: Final = "calib.check/1"
LONGEST: Final = 5
"""Most symbols listed with their longest silence, the longest first."""


@dataclass(frozen=True, slots=True)
class Silence:
    """A period without lines.

    Parameters
    ----------
    duration_s
        Length, s.
    start_ts
        ``ts`` of the last line before it, Unix seconds.
    symbol
        Symbol of the lines; empty: lines of all symbols.
    """

    duration_s: float
    start_ts: float
    symbol: str = ""


@dataclass(frozen=True, slots=True)
class Lag:
    """Distribution of ``ts - ts_exchange`` over the lines that have both, ms; quantiles interpolate linearly."""

    lines: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    min_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class FileHealth:
    """Statistics of one file with its longest silences and its clock lag.

    Parameters
    ----------
    silence
        The longest silence of the file; None with fewer than two used lines.
    by_symbol
        The longest silence of each symbol with at least two used lines; the five longest, longest first.
    symbols
        Number of symbols.
    lag
        Lag of all lines; None if no line has ``ts_exchange``.
    lag_by_symbol
        Lag by symbol, sorted, without symbols that have no such line.
    """

    stats: FileStats
    silence: Silence | None
    by_symbol: tuple[Silence, ...]
    symbols: int
    lag: Lag | None
    lag_by_symbol: dict[str, Lag] = field(default_factory=dict)

    @property
    def bad(self) -> int:
        """Number of rejects other than the tolerated ones."""
        return sum(count for reason, count in self.stats.rejected.items() if reason not in TOLERATED)

    def too_bad(self, max_reject_ratio: float) -> bool:
        return self.bad > max_reject_ratio * self.stats.lines


@dataclass(frozen=True, slots=True)
class Freshness:
    """Age of the newest line of all feeds, and time of the newest line of each kind.

    Parameters
    ----------
    now
        Current time, Unix seconds.
    newest_ts
        Kind -> ``ts`` of its newest used line; None if it has no used line.
    """

    now: float
    newest_ts: dict[str, float | None]

    @property
    def age_s(self) -> float | None:
        """Age of the newest line, s; negative if its clock is ahead, None if there is no line."""
        times = [ts for ts in self.newest_ts.values() if ts is not None]
        return self.now - max(times) if times else None

    def too_old(self, max_age_s: float) -> bool:
        """Return whether the newest line is older than ``max_age_s``, or there is no line."""
        return self.age_s is None or self.age_s > max_age_s


def examine(reading: FeedReading) -> FileHealth:
    """Read the file to its end and return its health; the reading must have the columns of `columns_needed`."""
    lags = "ts_exchange" in reading.columns
    parts = [batch.select(_kept(lags)) for batch in reading]
    frame = pl.concat(parts) if parts else None
    if frame is None:
        return FileHealth(reading.stats, None, (), 0, None)
    return FileHealth(
        reading.stats,
        longest_silence(frame),
        silences_by_symbol(frame),
        frame["symbol"].n_unique(),
        lag_of(frame["lag_ms"].drop_nulls()) if lags else None,
        lags_by_symbol(frame) if lags else {},
    )


def examine_records(reading: RecordReading, watch: Callable[[int, Any], None]) -> FileHealth:
    """Read the file to its end, record by record, and return its health.

    ``watch`` is called with the number and the record of each used line.
    """
    times, exchange, codes = array("d"), array("d"), array("i")
    symbols: dict[str, int] = {}
    for line, record in reading:
        watch(line, record)
        times.append(record.ts)
        exchange.append(np.nan if record.ts_exchange is None else record.ts_exchange)
        codes.append(symbols.setdefault(record.symbol, len(symbols)))
    if not times:
        return FileHealth(reading.stats, None, (), 0, None)
    names = pl.Series(list(symbols), dtype=pl.Categorical)
    frame = pl.DataFrame(
        {
            "ts": np.asarray(times),
            "symbol": names.gather(np.asarray(codes)),
            "ts_exchange": pl.Series(np.asarray(exchange), nan_to_null=True),
        }
    ).select(_kept(lags=True))
    silences = longest_silence(frame), silences_by_symbol(frame)
    lags = lag_of(frame["lag_ms"].drop_nulls()), lags_by_symbol(frame)
    return FileHealth(reading.stats, *silences, len(symbols), *lags)


def columns_needed(kind: str) -> list[str]:
    """Return the columns of a feed that `examine` needs."""
    fields = {field.name for field in FEEDS[kind].fields}
    return [name for name in ("ts", "symbol", "ts_exchange") if name in fields]


def longest_silence(frame: pl.DataFrame) -> Silence | None:
    """Return the longest time between consecutive lines of a frame with ``ts``."""
    times = frame["ts"].sort()
    if len(times) < 2:
        return None
    gaps = times.diff()
    worst = int(gaps.arg_max() or 1)
    return Silence(round(gaps[worst], 6), times[worst - 1])


def silences_by_symbol(frame: pl.DataFrame) -> tuple[Silence, ...]:
    """Return the longest silence of each symbol: the five longest, ties sorted by symbol."""
    gap = pl.col("ts").diff()
    worst = gap.arg_max()
    found = (
        frame.sort("ts", maintain_order=True)
        .group_by("symbol", maintain_order=True)
        .agg(gap=gap.max(), start=pl.col("ts").get(worst - 1))
        .drop_nulls("gap")
        .with_columns(pl.col("symbol").cast(pl.String), pl.col("gap").round(6))
        .sort(["gap", "symbol"], descending=[True, False])
        .head(LONGEST)
    )
    return tuple(Silence(row["gap"], row["start"], row["symbol"]) for row in found.iter_rows(named=True))


def lag_of(lags: pl.Series) -> Lag | None:
    """Return the distribution of lags in ms; None if there are none."""
    if not len(lags):
        return None
    p50, p95, p99 = (_ms(lags.quantile(q, interpolation="linear")) for q in (0.5, 0.95, 0.99))
    return Lag(len(lags), p50, p95, p99, _ms(lags.min()), _ms(lags.max()))


def lags_by_symbol(frame: pl.DataFrame) -> dict[str, Lag]:
    """Return `lag_of` each symbol of a frame with ``lag_ms``, sorted by symbol."""
    found = {str(key[0]): lag_of(part["lag_ms"]) for key, part in frame.drop_nulls("lag_ms").group_by("symbol")}
    return {symbol: lag for symbol, lag in sorted(found.items()) if lag is not None}


def missing_by_kind(files: Sequence[DayFile]) -> dict[str, list[date]]:
    """Return the days without a file for each kind present, between the first and the last day of any kind."""
    days = [file.day for file in files]
    kinds = sorted({file.kind for file in files})
    return {kind: days_missing(files, kind, min(days), max(days)) for kind in kinds}


def newest_by_kind(found: Iterable[FileHealth]) -> dict[str, float | None]:
    """Return the newest ``ts`` of the used lines of each kind."""
    newest: dict[str, float | None] = {}
    for health in found:
        times = [ts for ts in (newest.get(health.stats.kind), health.stats.max_ts) if ts is not None]
        newest[health.stats.kind] = max(times, default=None)
    return newest


def as_data(health: FileHealth) -> dict[str, Any]:
    """Return the file's part of the JSON report."""
    stats = health.stats
    return {
        "file": stats.file,
        "kind": stats.kind,
        "bytes": stats.bytes,
        "sha256": stats.sha256,
        "lines": stats.lines,
        "used": stats.used,
        "rejected": {
            reason: {"lines": count, "first_line": stats.first_line[reason]} for reason, count in stats.rejected.items()
        },
        "faults": [asdict(fault) for fault in stats.faults],
        "duplicates": stats.rejected.get("duplicate", 0),
        "trade_id_conflicts": stats.trade_id_conflicts,
        "out_of_order": stats.out_of_order,
        "unknown_fields": list(stats.unknown_fields),
        "symbols": health.symbols,
        "first": iso(stats.min_ts),
        "last": iso(stats.max_ts),
        "longest_silence": None if health.silence is None else _silence(health.silence),
        "longest_silence_by_symbol": [{"symbol": gap.symbol} | _silence(gap) for gap in health.by_symbol],
        "clock_lag": None if health.lag is None else asdict(health.lag),
        "clock_lag_by_symbol": [{"symbol": symbol} | asdict(lag) for symbol, lag in health.lag_by_symbol.items()],
    }


def iso(ts: float | None) -> str | None:
    """Return Unix seconds as ISO 8601 UTC with milliseconds.

    >>> iso(1735689600.25)
    '2025-01-01T00:00:00.250Z'
    """
    if ts is None:
        return None
    return datetime.fromtimestamp(ts, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _kept(lags: bool) -> list[pl.Expr]:
    kept = [pl.col("ts"), pl.col("symbol").cast(pl.Categorical)]
    # Unix seconds as doubles have a resolution of a quarter of a microsecond; more digits would be noise.
    return [*kept, ((pl.col("ts") - pl.col("ts_exchange")) * 1000).round(3).alias("lag_ms")] if lags else kept


def _ms(value: Any) -> float:
    return round(float(value), 3)


def _silence(gap: Silence) -> dict[str, Any]:
    return {"duration_s": gap.duration_s, "from": iso(gap.start_ts)}
