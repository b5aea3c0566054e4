"""The pictures of a summary: map, net_bps over time, filters, histograms, correlations."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl

from calib.dataset.columns import FEATURES, NUMBERS
from calib.reports.numbers import moment
from calib.reports.pictures.cells import cells_svg
from calib.reports.pictures.heat import StateMap, heat_svg
from calib.reports.pictures.histogram import ColumnHistogram, histograms_svg
from calib.reports.pictures.steps import StepChart, Steps, steps_svg
from calib.reports.pictures.waterfall import waterfall_svg
from calib.reports.slices import by_symbol
from calib.reports.sparkline import BINS, binned

if TYPE_CHECKING:
    from calib.dataset.model import Dataset
    from calib.reports.summary import Summary

TIME_BINS: Final = 96
"""Maximum number of time bins of the range."""
CORRELATED: Final = ("net_bps", "slippage_bps", "fill_rate", "taker_share", "pnl_mid")
CORRELATION_ROWS: Final = 100_000
"""Maximum number of rows of a correlation; more rows are sampled evenly."""
_MIN_PAIRS: Final = 3
_FILTERS: Final = 4
OTHER: Final = "other filters"


def summary_pictures(summary: Summary) -> dict[str, str]:
    """Return the SVG pictures by file name; pictures without data are left out."""
    dataset = summary.dataset
    if not dataset.counts.intervals:
        return {}
    found = {"map.svg": heat_svg(interval_map(dataset)), "filters.svg": filter_waterfall(dataset)}
    if dataset.intervals["net_bps"].count():
        found["net_bps.svg"] = steps_svg(net_over_time(dataset))
    if columns := histograms(summary):
        found["histograms.svg"] = histograms_svg("Distributions over the kept intervals", columns)
    values = correlations(dataset.intervals)
    if any(value is not None for value, _ in values.values()):
        features = [column.name for column in FEATURES]
        found["correlation.svg"] = cells_svg("Rank correlation of targets and features", CORRELATED, features, values)
    return found


def interval_map(dataset: Dataset) -> StateMap:
    """Return the map of symbol x time: the shares of each cell's intervals kept, or dropped by their first filter."""
    span = dataset.range
    slots = (span.to_ts - span.from_ts) // span.interval_sec
    bins = min(TIME_BINS, slots)
    sizes = np.bincount(np.arange(slots, dtype=np.int64) * bins // slots, minlength=bins)
    first = dataset.dropped.select("symbol", "start_ts", pl.col("reasons").list.first().alias("state"))
    frequent = Counter(first["state"].to_list())
    names = [name for name, _ in sorted(frequent.items(), key=lambda item: (-item[1], item[0]))]
    shown = names if len(names) <= _FILTERS + 1 else [*names[:_FILTERS], OTHER]
    states = ("kept", *(f"dropped: {name}" for name in shown))
    place = {name: 1 + min(at, len(shown) - 1) for at, name in enumerate(names)}
    amounts = {symbol: np.zeros((bins, len(states))) for symbol in span.symbols}
    slot = (pl.col("start_ts") - span.from_ts) // span.interval_sec * bins // slots
    for symbol, rows_of in by_symbol(dataset.intervals):
        amounts[symbol][:, 0] = np.bincount(rows_of.select(slot).to_series().to_numpy(), minlength=bins)
    for symbol, at, state, amount in first.group_by("symbol", slot.alias("bin"), "state").len().iter_rows():
        amounts[symbol][at, place[state]] += amount
    rows = sorted(amounts.items(), key=lambda item: (item[1][:, 0].sum(), item[0]))
    shares = tuple(
        (symbol, tuple(tuple(round(float(part), 4) for part in cell) for cell in found / sizes[:, None]))
        for symbol, found in rows
    )
    each = f" (a cell is {-(-slots // bins)} intervals)" if slots > bins else ""
    title = f"Intervals by symbol and time{each}"
    return StateMap(title, states, "absent", shares, f"{moment(span.from_)} UTC", moment(span.to))


def net_over_time(dataset: Dataset) -> StepChart:
    """Return a chart of the mean of net_bps by time bin, unweighted and weighted by notional."""
    span = dataset.range
    slots = (span.to_ts - span.from_ts) // span.interval_sec
    bins = min(TIME_BINS, slots)
    slot = (pl.col("start_ts") - span.from_ts) // span.interval_sec * bins // slots
    rows = dataset.intervals.select(slot.alias("bin"), "net_bps", "notional").drop_nulls("net_bps")
    place, net = rows["bin"].to_numpy(), rows["net_bps"].to_numpy()
    weight = rows["notional"].fill_null(0.0).to_numpy()
    with np.errstate(all="ignore"):  # an empty bin, or one whose sums overflow, has no value
        means = np.bincount(place, net, bins) / np.bincount(place, minlength=bins)
        weighted = np.bincount(place, net * weight, bins) / np.bincount(place, weight, bins)
    lines = [Steps("mean of the intervals", tuple(map(_finite, means.tolist())))]
    if np.isfinite(weighted).any():
        lines.append(Steps("weighted by notional", tuple(map(_finite, weighted.tolist()))))
    title = f"net_bps over time, {bins} steps"
    return StepChart(title, "bps", tuple(lines), f"{moment(span.from_)} UTC", moment(span.to), (0.0, "0: no gain"))


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def filter_waterfall(dataset: Dataset) -> str:
    """Return a waterfall chart of the dropped rows by the first of their reasons."""
    first = Counter(reasons[0] if reasons else "?" for reasons in dataset.dropped["reasons"].to_list())
    order = dict.fromkeys([*dataset.counts.dropped, *sorted(first)])
    steps = [(name, first[name]) for name in order]
    return waterfall_svg("What the filters left", dataset.counts.intervals, steps, "all intervals", "kept")


def histograms(summary: Summary) -> list[ColumnHistogram]:
    """Return the histogram of every column with values."""
    found = []
    for column, entry in zip(NUMBERS, summary.distributions, strict=True):
        if entry.n and entry.minimum is not None and entry.maximum is not None:
            amounts = binned(summary.dataset.intervals[column.name].drop_nulls().to_numpy(), BINS)
            middle = entry.quantiles["median"]
            found.append(ColumnHistogram(column.name, column.unit, entry.minimum, entry.maximum, amounts, middle))
    return found


def correlations(intervals: pl.DataFrame) -> dict[tuple[str, str], tuple[float | None, int]]:
    """Return Spearman's rank correlations over the rows with both values, with the number of rows."""
    intervals = intervals.select(*CORRELATED, *(column.name for column in FEATURES))
    if intervals.height > CORRELATION_ROWS:
        intervals = intervals.gather_every(-(-intervals.height // CORRELATION_ROWS))
    return {
        (target, feature.name): _rank_correlation(intervals, target, feature.name)
        for target in CORRELATED
        for feature in FEATURES
    }


def _rank_correlation(intervals: pl.DataFrame, one: str, other: str) -> tuple[float | None, int]:
    both = intervals.select(one, other).drop_nulls()
    if both.height < _MIN_PAIRS:
        return None, both.height
    left, right = (both[name].rank("average").to_numpy() for name in (one, other))
    left, right = left - left.mean(), right - right.mean()
    size = float(np.sqrt((left @ left) * (right @ right)))
    return (round(float(left @ right) / size, 6) if size > 0 else None), both.height
