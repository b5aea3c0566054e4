"""The summary of a dataset as values; `calib.reports.sections` renders them as text."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any, Final

import polars as pl

from calib.dataset.columns import NUMBERS
from calib.dataset.model import Dataset, Interval, interval_rows
from calib.reports.alerts import CRITICAL, Alert, alerts
from calib.reports.coverage import UNUSABLE, Coverage
from calib.reports.distribution import Distribution, distribution
from calib.reports.slices import by_symbol

WORST: Final = 10
WORST_CRITERION: Final = "the lowest `net_bps`, then with more fills"


@dataclass(frozen=True, slots=True)
class SummaryVerdict:
    """Whether the dataset is usable for a calibration.

    Parameters
    ----------
    usable
        False if no interval was kept, the kept ones have no fill, or hardly any of the range has data.
    reason
        The reason if it is not usable, else empty.
    """

    usable: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SymbolRow:
    """The figures of one symbol's intervals.

    Parameters
    ----------
    absent, coverage
        Number of intervals of the range without tick and fill, and the share of the others.
    notional, pnl_mid
        Sums over its kept intervals, quote currency; None if the dataset lacks them.
    dropped_by
        Number of dropped rows by reason; a row may have several reasons.
    """

    symbol: str
    kept: int
    dropped: int
    absent: int
    coverage: float
    ticks: int
    fills: int
    quotes: int
    net_median_bps: float | None
    notional: float | None
    pnl_mid: float | None
    dropped_by: dict[str, int]


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """The number of rows that one filter dropped; ``alone`` counts those that no other filter drops."""

    reason: str
    rows: int
    alone: int


@dataclass(frozen=True, slots=True)
class Summary:
    """The values of the report.

    Parameters
    ----------
    null_shares
        Share of a symbol's kept intervals without a value, by symbol and column.
    overlaps
        Combinations of reasons with their numbers of rows, most frequent first.
    widest_gaps
        Kept intervals with the longest gaps, (symbol, start_ts, seconds), longest first.
    """

    name: str
    dataset: Dataset
    verdict: SummaryVerdict
    coverage: Coverage
    alerts: list[Alert]
    distributions: list[Distribution]
    null_shares: dict[str, dict[str, float]]
    symbols: list[SymbolRow]
    reasons: list[ReasonRow]
    overlaps: list[tuple[tuple[str, ...], int]]
    widest_gaps: list[tuple[str, int, float]]
    worst: list[Interval]

    @property
    def losing(self) -> list[str]:
        """Symbols whose median net_bps is below 0."""
        return [row.symbol for row in self.symbols if row.net_median_bps is not None and row.net_median_bps < 0]

    @property
    def critical(self) -> int:
        """Number of critical alerts."""
        return sum(alert.severity == CRITICAL for alert in self.alerts)

    @property
    def warnings(self) -> int:
        """Number of warnings."""
        return len(self.alerts) - self.critical


def summarise(name: str, dataset: Dataset) -> Summary:
    """Summarise a dataset.

    Parameters
    ----------
    name
        Name of the dataset in the report: the file name without suffix.
    """
    kept, coverage = dataset.intervals, Coverage.of(dataset)
    return Summary(
        name=name,
        dataset=dataset,
        verdict=_verdict(dataset, coverage),
        coverage=coverage,
        alerts=alerts(dataset),
        distributions=[distribution(column.name, column.unit, kept[column.name]) for column in NUMBERS],
        null_shares=_null_shares(kept),
        symbols=_symbols(dataset),
        reasons=_reasons(dataset),
        overlaps=_overlaps(dataset),
        widest_gaps=_widest_gaps(kept),
        worst=_worst(dataset),
    )


def _verdict(dataset: Dataset, coverage: Coverage) -> SummaryVerdict:
    if not dataset.counts.kept:
        dropped = dataset.counts.intervals
        return SummaryVerdict(False, f"all {dropped} intervals were dropped" if dropped else "there is no interval")
    if not dataset.intervals["fills"].sum():
        return SummaryVerdict(False, "no kept interval has a fill")
    if coverage.ratio is not None and coverage.ratio < UNUSABLE:
        return SummaryVerdict(False, f"only {coverage.ratio:.1%} of the range has data: the bot was not running")
    return SummaryVerdict(True)


def _null_shares(kept: pl.DataFrame) -> dict[str, dict[str, float]]:
    names = [column.name for column in NUMBERS]
    return {symbol: {name: rows[name].null_count() / rows.height for name in names} for symbol, rows in by_symbol(kept)}


def _symbols(dataset: Dataset) -> list[SymbolRow]:
    kept = {symbol: _sums(rows) for symbol, rows in by_symbol(dataset.intervals)}
    dropped = Counter(dataset.dropped["symbol"].to_list())
    reasons: dict[str, Counter[str]] = {}
    for symbol, reason in dataset.dropped.select("symbol", "reasons").explode("reasons").iter_rows():
        reasons.setdefault(symbol, Counter())[reason] += 1
    span = dataset.range
    slots = (span.to_ts - span.from_ts) // span.interval_sec
    nothing: dict[str, Any] = {
        "kept": 0,
        "ticks": 0,
        "fills": 0,
        "quotes": 0,
        "net_bps": None,
        "notional": None,
        "pnl_mid": None,
    }
    rows = []
    for symbol in span.symbols:
        sums = kept.get(symbol, nothing)
        rows.append(
            SymbolRow(
                symbol=symbol,
                kept=sums["kept"],
                dropped=dropped[symbol],
                absent=slots - sums["kept"] - dropped[symbol],
                coverage=(sums["kept"] + dropped[symbol]) / slots,
                ticks=sums["ticks"],
                fills=sums["fills"],
                quotes=sums["quotes"],
                net_median_bps=sums["net_bps"],
                notional=sums["notional"],
                pnl_mid=sums["pnl_mid"],
                dropped_by=dict(reasons.get(symbol, {})),
            )
        )
    return sorted(rows, key=lambda row: (row.kept / max(1, row.kept + row.dropped), row.symbol))


def _sums(rows: pl.DataFrame) -> dict[str, Any]:
    """Return the sums of one symbol's kept intervals."""
    counts = {name: rows[name].sum() for name in ("ticks", "fills", "quotes")}
    money = {name: rows[name].drop_nulls().to_list() for name in ("notional", "pnl_mid")}
    return {
        "kept": rows.height,
        **counts,
        "net_bps": rows["net_bps"].median(),
        **{name: _sum(values) for name, values in money.items()},
    }


def _sum(values: list[float]) -> float | None:
    """Return the exact sum, independent of the order; None without values."""
    return math.fsum(values) if values else None


def _combinations(dataset: Dataset) -> Counter[tuple[str, ...]]:
    return Counter(tuple(reasons) for reasons in dataset.dropped["reasons"].to_list())


def _reasons(dataset: Dataset) -> list[ReasonRow]:
    combinations = _combinations(dataset)
    names = list(dict.fromkeys([*dataset.counts.dropped, *(name for group in sorted(combinations) for name in group)]))
    return [
        ReasonRow(
            reason=name,
            rows=sum(amount for group, amount in combinations.items() if name in group),
            alone=combinations[name,],
        )
        for name in names
    ]


def _overlaps(dataset: Dataset) -> list[tuple[tuple[str, ...], int]]:
    return sorted(_combinations(dataset).items(), key=lambda item: (-item[1], item[0]))


def _widest_gaps(kept: pl.DataFrame) -> list[tuple[str, int, float]]:
    order = ["max_gap_s", "symbol", "start_ts"]
    widest = _at_most(kept.select(order), "max_gap_s", 3, largest=True)
    return widest.sort(order, descending=[True, False, False]).head(3).select("symbol", "start_ts", "max_gap_s").rows()


def _at_most(rows: pl.DataFrame, column: str, amount: int, *, largest: bool) -> pl.DataFrame:
    """Return the first ``amount`` rows by a column with ties, so that only they need sorting."""
    known = rows[column].drop_nulls()
    if not known.len():
        return rows.clear()
    edge = known.top_k(amount).min() if largest else known.bottom_k(amount).max()
    return rows.filter(pl.col(column) >= edge if largest else pl.col(column) <= edge)


def _worst(dataset: Dataset) -> list[Interval]:
    order = ["net_bps", "fills", "symbol", "start_ts"]
    rows = dataset.intervals.select(order).with_row_index("row")
    worst = _at_most(rows, "net_bps", WORST, largest=False)
    worst = worst.sort(order, descending=[False, True, False, False]).head(WORST)
    return list(interval_rows(dataset.intervals[worst["row"].to_list()]))
