"""Bounded rolling windows, and the six metrics of an arm over them.

By default a window holds the last 1000 records of an arm and kind; it may also be bounded by time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from calib.experiments.records import Fill, TickRecord


class Columns:
    """The newest ``limit`` rows of a table of floats; older rows are dropped (None keeps all).

    Rows are stored in one array of twice the limit; when it is full, the live half is copied to the front. The live
    rows are always one slice, oldest first, and adding a row costs amortized O(1).
    """

    __slots__ = ("_begin", "_end", "_limit", "_table")

    def __init__(self, width: int, limit: int | None) -> None:
        self._limit = limit
        self._table = np.empty((2 * (limit or 512), width))
        self._begin = self._end = 0

    def __len__(self) -> int:
        return self._end - self._begin

    def add(self, row: tuple[float, ...]) -> None:
        if self._end == len(self._table):
            self._make_room()
        self._table[self._end] = row
        self._end += 1
        if self._limit is not None and self._end - self._begin > self._limit:
            self._begin += 1

    def _make_room(self) -> None:
        live = self._table[self._begin : self._end]
        table = self._table
        if self._limit is None and len(live) > len(table) // 2:
            table = np.empty((2 * len(table), table.shape[1]))
        table[: len(live)] = live.copy()
        self._table, self._begin, self._end = table, 0, len(live)

    def drop_before(self, ts: float) -> None:
        """Drop the rows whose first column is before ``ts``; rows are in time order."""
        live = self._table[self._begin : self._end, 0]
        self._begin += int(np.searchsorted(live, ts, side="left"))

    def rows(self) -> NDArray[np.float64]:
        """Return the live rows, oldest first; valid until the next `add`."""
        return self._table[self._begin : self._end]


@dataclass(frozen=True, slots=True)
class ArmMetrics:
    """The six metrics of one arm, each with its number of observations; NaN without observations.

    ``net_bps`` and ``slippage_bps`` are notional-weighted, as in a dataset; ``taker_share`` is over fills;
    ``fill_rate`` is over the time that both windows cover; ``tick_total_p95`` uses linear interpolation, ms.
    """

    net_bps: float
    slippage_bps: float
    fill_rate: float
    taker_share: float
    tick_total_p95: float
    deadline_miss_rate: float
    n_net: int
    n_slippage: int
    n_quotes: float
    n_fills: int
    n_ticks: int
    newest_fill: float
    newest_tick: float

    def n(self, metric: str) -> float:
        """Return the number of observations of a metric."""
        return float(getattr(self, _N_OF[metric]))


_N_OF = {
    "net_bps": "n_net",
    "slippage_bps": "n_slippage",
    "fill_rate": "n_quotes",
    "taker_share": "n_fills",
    "tick_total_p95": "n_ticks",
    "deadline_miss_rate": "n_ticks",
}
METRICS = tuple(_N_OF)
"""The names of the six metrics, in the order of tables and reports."""
UNITS = {
    "net_bps": "bps",
    "slippage_bps": "bps",
    "fill_rate": "",
    "taker_share": "",
    "tick_total_p95": "ms",
    "deadline_miss_rate": "",
}
HIGHER_IS_BETTER = {name: name in ("net_bps", "fill_rate") for name in METRICS}


class ArmWindow:
    """The rolling window of one arm.

    Parameters
    ----------
    limit
        Number of records kept per kind; None for all.
    max_age_s
        Maximum age of a record at evaluation, s; None for no limit.
    """

    __slots__ = ("_fills", "_ids", "_next_id", "_ticks", "max_age_s")

    def __init__(self, limit: int | None = 1000, max_age_s: float | None = None) -> None:
        self.max_age_s = max_age_s
        self._fills = Columns(6, limit)
        self._ticks = Columns(4, limit)
        self._ids: dict[tuple[str, str], float] = {}
        self._next_id = 0.0

    def add_fill(self, fill: Fill) -> None:
        row = (fill.ts, fill.notional, fill.net_bps, fill.slippage_bps, float(fill.taker), self._quote(fill))
        self._fills.add(row)

    def add_tick(self, tick: TickRecord) -> None:
        self._ticks.add((tick.ts, tick.tick_total_ms, float(tick.deadline_miss), tick.quotes))

    def _quote(self, fill: Fill) -> float:
        """Return a number that fills with the same (symbol, quote_id) share; unique for a fill without a quote_id."""
        self._next_id += 1
        if fill.quote_id is None:
            return self._next_id
        if len(self._ids) > 4 * len(self._fills) + 4096:
            alive = set(self._fills.rows()[:, 5].tolist())
            self._ids = {key: number for key, number in self._ids.items() if number in alive}
        return self._ids.setdefault((fill.symbol, fill.quote_id), self._next_id)

    def metrics(self, now: float) -> ArmMetrics:
        """Return the six metrics at ``now``."""
        if self.max_age_s is not None:
            self._fills.drop_before(now - self.max_age_s)
            self._ticks.drop_before(now - self.max_age_s)
        fills, ticks = self._fills.rows(), self._ticks.rows()
        n_fills, n_ticks = len(fills), len(ticks)
        net, n_net = _weighted(fills[:, 2], fills[:, 1])
        slippage, n_slippage = _weighted(fills[:, 3], fills[:, 1])
        rate, quotes = _fill_rate(fills, ticks)
        return ArmMetrics(
            net_bps=net,
            slippage_bps=slippage,
            fill_rate=rate,
            taker_share=float(fills[:, 4].sum()) / n_fills if n_fills else math.nan,
            tick_total_p95=p95(ticks[:, 1]),
            deadline_miss_rate=float(ticks[:, 2].sum()) / n_ticks if n_ticks else math.nan,
            n_net=n_net,
            n_slippage=n_slippage,
            n_quotes=quotes,
            n_fills=n_fills,
            n_ticks=n_ticks,
            newest_fill=float(fills[-1, 0]) if n_fills else -math.inf,
            newest_tick=float(ticks[-1, 0]) if n_ticks else -math.inf,
        )


def _weighted(values: NDArray[np.float64], weights: NDArray[np.float64]) -> tuple[float, int]:
    valid = ~np.isnan(values)
    n = int(valid.sum())
    if n == 0:
        return math.nan, 0
    if n < len(values):
        values, weights = values[valid], weights[valid]
    # Not a dot product: the summation order of a threaded BLAS depends on the number of cores.
    return float((values * weights).sum()) / float(weights.sum()), n


def _fill_rate(fills: NDArray[np.float64], ticks: NDArray[np.float64]) -> tuple[float, float]:
    """Return filled quotes over quotes, counted from the later start of the two windows so that both cover one time."""
    if len(ticks) == 0:
        return math.nan, 0.0
    begin = max(ticks[0, 0], fills[0, 0]) if len(fills) else ticks[0, 0]
    quotes = float(ticks[np.searchsorted(ticks[:, 0], begin) :, 3].sum())
    if quotes <= 0:
        return math.nan, quotes
    return len(np.unique(fills[np.searchsorted(fills[:, 0], begin) :, 5])) / quotes, quotes


def p95(values: NDArray[np.float64]) -> float:
    """Return the 95th percentile with linear interpolation; NaN for no values.

    >>> p95(np.arange(21.0))
    19.0
    """
    n = len(values)
    if n == 0:
        return math.nan
    position = 0.95 * (n - 1)
    low = int(position)
    high = min(low + 1, n - 1)
    part = np.partition(values, (low, high))
    return float(part[low] + (position - low) * (part[high] - part[low]))


def as_dict(metrics: ArmMetrics) -> dict[str, float | None]:
    """Return the metrics as JSON data; NaN and infinite values become None."""
    values = {field.name: float(getattr(metrics, field.name)) for field in fields(metrics)}
    return {name: value if math.isfinite(value) else None for name, value in values.items()}
