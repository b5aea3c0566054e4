"""Compute the features of an interval and the number of quotes sent from its tick lines.

`TickAggregator` receives all lines of a (symbol, interval) group at once. Counts, maxima and quantiles do not depend on
the order; the rest is computed over lines sorted by (ts, file, line) and summed exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

import polars as pl

from calib.dataset.exact import sum_lists
from calib.dataset.grid import INDEX
from calib.dataset.order import GROUP, in_order, with_names

_S_PER_MS: Final = 1 / 1000
"""Multiplied with, never divided by: polars divides a column of one row and one of many rows differently."""
MAX_QUOTES: Final = 2**63 - 1
"""Largest count of quotes; higher counts are clipped to it."""


@dataclass(frozen=True, slots=True)
class TickAggregator:
    """Aggregates all tick lines of some groups into one row per group.

    Parameters
    ----------
    interval_sec
        Length of an interval, s.
    tick_sample_rate
        Ticks that a line without ``sample_rate`` represents.
    """

    interval_sec: int
    tick_sample_rate: int

    kind: ClassVar[str] = "pipeline_ticks"
    count: ClassVar[str] = "ticks"
    lines: ClassVar[pl.Schema] = pl.Schema(
        {
            "ts": pl.Float64(),
            "symbol": pl.String(),
            "tick_total_ms": pl.Float64(),
            "stage_latencies.fetch_md": pl.Float64(),
            "cache_hit": pl.Boolean(),
            "deadline_miss": pl.Boolean(),
            "cache_age_ms": pl.Float64(),
            "used_stale": pl.Boolean(),
            "sample_rate": pl.Int64(),
            "n_quotes": pl.Int64(),
            "mid": pl.Float64(),
            "ws_gap_ms": pl.Float64(),
        }
    )
    columns: ClassVar[tuple[str, ...]] = tuple(lines.names())

    def __call__(self, lines: pl.DataFrame) -> pl.DataFrame:
        """Return the sums of each group.

        Parameters
        ----------
        lines
            Every line of each group, in any order: the columns `lines`, and ``index`` (the interval), ``file`` and
            ``line``.

        Returns
        -------
        polars.DataFrame
            ``symbol``, ``index``, ``ticks``, ``quotes`` and the features, sorted by (symbol, index). A number is
            infinite or NaN after an overflow.
        """
        sums = (
            in_order(lines)
            .with_columns(_silence(self.interval_sec), _quotes(self.tick_sample_rate), _squared_return())
            .group_by(*GROUP, maintain_order=True)
            .agg(
                pl.len().cast(pl.Int64).alias("ticks"),
                pl.col("quotes").sum().clip(upper_bound=MAX_QUOTES).cast(pl.Int64),
                *_quantiles("tick_total_ms", latency_p95_ms=0.95, latency_p50_ms=0.5, latency_p99_ms=0.99),
                *_quantiles("stage_latencies.fetch_md", fetch_md_p95_ms=0.95),
                pl.col("cache_hit").mean().alias("cache_hit_ratio"),
                pl.col("cache_age_ms").drop_nulls().alias("cache_age_avg_ms"),
                pl.col("cache_age_ms").count().alias("ages"),
                pl.col("deadline_miss").mean().alias("deadline_miss_rate"),
                pl.col("used_stale").mean().alias("stale_rate"),
                _max_gap(self.interval_sec),
                pl.col("squared_return").drop_nulls().alias("vol_realized_bps"),
            )
        )
        return with_names(
            sum_lists(sums, "cache_age_avg_ms", "vol_realized_bps")
            .with_columns(pl.col("cache_age_avg_ms") / pl.col("ages"), pl.col("vol_realized_bps").sqrt() * 1e4)
            .drop("ages")
        )


def _quantiles(column: str, **names: float) -> list[pl.Expr]:
    # polars' default is "nearest", which would return 10.0 instead of 9.55 for the p95 of 1..10.
    return [pl.col(column).quantile(q, interpolation="linear").alias(name) for name, q in names.items()]


def _quotes(tick_sample_rate: int) -> pl.Expr:
    """Return the quotes that a line represents, in 128 bits and capped: in 64 bits a huge count would wrap around."""
    wide = pl.Int128
    sent = pl.col("n_quotes").cast(wide).fill_null(1) * pl.col("sample_rate").cast(wide).fill_null(tick_sample_rate)
    return sent.clip(upper_bound=2**63).alias("quotes")


def _same_group() -> pl.Expr:
    return (pl.col("symbol") == pl.col("symbol").shift()) & (pl.col(INDEX) == pl.col(INDEX).shift())


def _silence(interval_sec: int) -> pl.Expr:
    """Return the seconds since the group's previous tick, for the first tick since the start of the interval."""
    before = pl.when(_same_group()).then(pl.col("ts").shift()).otherwise(pl.col(INDEX) * interval_sec)
    return (pl.col("ts") - before).alias("silence")


def _max_gap(interval_sec: int) -> pl.Expr:
    """Return the stream's longest gap if any line has it, else the longest gap of the ticks, including both edges."""
    last = (pl.col(INDEX).first() + 1) * interval_sec - pl.col("ts").last()
    of_ticks = pl.max_horizontal(pl.col("silence").max(), last)
    return pl.coalesce(pl.col("ws_gap_ms").max() * _S_PER_MS, of_ticks).alias("max_gap_s")


def _squared_return() -> pl.Expr:
    """Return r^2 from the group's previous mid, which may be several lines back; null for a group's first mid."""
    mid, group = pl.col("mid"), (~_same_group()).fill_null(value=False).cum_sum()
    group_before = pl.when(mid.is_not_null()).then(group).forward_fill().shift()
    return pl.when(group_before == group).then(_log_return(mid.forward_fill().shift()) ** 2).alias("squared_return")


def _log_return(before: pl.Expr) -> pl.Expr:
    """Return ln(mid / before), accurate for small moves and finite for any two positive doubles."""
    moved = (pl.col("mid") - before) / before
    far = pl.col("mid").log() - before.log()
    return pl.when(moved.abs() < 0.5).then(moved.log1p()).otherwise(far)
