"""The alert rules with their limits, and the alerts of a dataset.

A rule is a function in `RULES`; `MEANINGS` describes each rule for the reference page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import polars as pl

from calib.dataset.columns import NUMBERS
from calib.dataset.model import Dataset, Input, iso
from calib.feeds.settings import MAX_REJECT_RATIO
from calib.reports.coverage import LOW, Coverage

CRITICAL: Final = "critical"
WARNING: Final = "warning"

NOT_HELD_AGAINST: Final = ("duplicate", "partial_tail")
"""Reject reasons that do not indicate a faulty writer; duplicates have their own rule."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Parameters
    ----------
    rule
        Stable name.
    severity
        ``critical``: figures are wrong or missing. ``warning``: read them with care.
    symbol, start
        Symbol and interval; empty if it concerns more than one. ``start`` is ISO 8601 UTC.
    value, limit
        The figure, and the limit that it exceeds.
    excess
        Distance to the limit in multiples of the limit, to sort alerts of one severity.
    subject
        The file, column or kind of feed that it concerns.
    """

    rule: str
    severity: str
    value: float
    limit: float
    symbol: str = ""
    start: str = ""
    subject: str = ""

    @property
    def excess(self) -> float:
        distance = abs(self.value - self.limit)
        return distance / abs(self.limit) if self.limit else distance


@dataclass(frozen=True, slots=True)
class IntervalRule:
    """An alert for each kept interval whose ``column`` is beyond ``limit``."""

    name: str
    column: str
    above: bool
    limit: float
    severity: str
    meaning: str

    def __call__(self, dataset: Dataset) -> Iterator[Alert]:
        column = pl.col(self.column)
        rows = dataset.intervals.select("symbol", "start_ts", self.column)
        hit = rows.filter(column > self.limit if self.above else column < self.limit)
        for symbol, start_ts, value in hit.select("symbol", "start_ts", self.column).iter_rows():
            yield Alert(self.name, self.severity, value, self.limit, symbol, iso(start_ts), self.column)


INTERVAL_RULES: Final = (
    IntervalRule(
        "fill_rate_above_one",
        "fill_rate",
        True,
        1.0,
        CRITICAL,
        "more fills than quotes: the sample rate of the ticks is wrong",
    ),
    IntervalRule("adverse_net", "net_bps", False, -10.0, WARNING, "fills lost more than 10 bps on average"),
    IntervalRule("high_slippage", "slippage_bps", True, 10.0, WARNING, "fills cost more than 10 bps against the quote"),
    IntervalRule("high_taker_share", "taker_share", True, 0.5, WARNING, "more than half of the fills were taker fills"),
    IntervalRule("high_stale_rate", "stale_rate", True, 0.05, WARNING, "more than 5 % of the ticks used a stale book"),
    IntervalRule(
        "late_ticks", "deadline_miss_rate", True, 0.05, WARNING, "more than 5 % of the ticks missed their deadline"
    ),
    IntervalRule("long_gap", "max_gap_s", True, 60.0, WARNING, "a gap of more than 60 s"),
)
"""The last two can only be raised if the filter with the same limit was off or had a wider limit."""

KEPT_WARNING: Final = 0.8
KEPT_CRITICAL: Final = 0.5
NULL_LIMIT: Final = 0.5
REJECT_WARNING: Final = 0.001
REJECT_CRITICAL: Final = MAX_REJECT_RATIO
DUPLICATE_LIMIT: Final = 0.01
THIN_INTERVALS: Final = 12
THIN_FILLS: Final = 30


def few_kept(dataset: Dataset) -> Iterator[Alert]:
    """Alert if too many intervals were dropped."""
    counts = dataset.counts
    if not counts.intervals:
        return
    share = counts.kept / counts.intervals
    if share < KEPT_CRITICAL:
        yield Alert("few_kept", CRITICAL, share, KEPT_CRITICAL)
    elif share < KEPT_WARNING:
        yield Alert("few_kept", WARNING, share, KEPT_WARNING)


def low_coverage(dataset: Dataset) -> Iterator[Alert]:
    """Alert if much of the range has no data, over all symbols or for single symbols."""
    found = Coverage.of(dataset)
    if found.ratio is not None and found.ratio < LOW:
        yield Alert("low_coverage", CRITICAL, found.ratio, LOW, subject="all symbols")
        return
    for symbol, share in found.by_symbol.items():
        if share < LOW:
            yield Alert("low_coverage", CRITICAL, share, LOW, symbol)


def thin_symbols(dataset: Dataset) -> Iterator[Alert]:
    """Alert for symbols with few intervals or few fills."""
    sums = {
        symbol: (kept, fills)
        for symbol, kept, fills in dataset.intervals.select("symbol", "fills")
        .group_by("symbol")
        .agg(pl.len(), pl.col("fills").sum())
        .iter_rows()
    }
    for symbol in dataset.range.symbols:
        kept, fills = sums.get(symbol, (0, 0))
        if kept == 0:
            yield Alert("symbol_without_intervals", WARNING, 0, 1, symbol)
        elif kept < THIN_INTERVALS:
            yield Alert("thin_symbol", WARNING, kept, THIN_INTERVALS, symbol, subject="intervals")
        elif fills < THIN_FILLS:
            yield Alert("thin_symbol", WARNING, fills, THIN_FILLS, symbol, subject="fills")


def missing_values(dataset: Dataset) -> Iterator[Alert]:
    """Alert for columns that are mostly null."""
    height = dataset.intervals.height
    for column in NUMBERS:
        share = dataset.intervals[column.name].null_count() / height if height else 0
        if column.needs:
            continue  # the book is often recorded only part of the time
        if share > NULL_LIMIT and not (column.later and share == 1):  # an older dataset lacks the column
            main = column.name == "net_bps" and share == 1
            yield Alert("mostly_null", CRITICAL if main else WARNING, share, NULL_LIMIT, subject=column.name)


def missing_days(dataset: Dataset) -> Iterator[Alert]:
    """Alert for days of the range without a file."""
    for kind in dataset.missing_days.__struct_fields__:
        days = getattr(dataset.missing_days, kind)
        if days:
            span = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
            yield Alert("missing_days", WARNING, len(days), 0, subject=f"{kind}, {span}")


def rejects(dataset: Dataset) -> Iterator[Alert]:
    """Alert for files with many bad lines or duplicates."""
    for entry in dataset.inputs:
        ratio = reject_ratio(entry)
        limit = REJECT_CRITICAL if ratio > REJECT_CRITICAL else REJECT_WARNING
        if ratio > limit:
            severity = CRITICAL if limit == REJECT_CRITICAL else WARNING
            yield Alert("high_reject_ratio", severity, ratio, limit, subject=entry.file)
        doubles = entry.rejected.get("duplicate", 0) / entry.lines if entry.lines else 0.0
        if doubles > DUPLICATE_LIMIT:
            yield Alert("many_duplicates", WARNING, doubles, DUPLICATE_LIMIT, subject=entry.file)
        if conflicts := entry.trade_id_conflicts or 0:
            yield Alert("trade_id_conflicts", WARNING, float(conflicts), 0.0, subject=entry.file)


def reject_ratio(entry: Input) -> float:
    """Return the share of a file's rejected lines, without duplicates and a partial last line."""
    bad = sum(number for reason, number in entry.rejected.items() if reason not in NOT_HELD_AGAINST)
    return bad / entry.lines if entry.lines else 0.0


RULES: Final[tuple[Callable[[Dataset], Iterator[Alert]], ...]] = (
    low_coverage,
    few_kept,
    rejects,
    missing_days,
    thin_symbols,
    missing_values,
    *INTERVAL_RULES,
)


def _meanings() -> dict[str, tuple[str, str, str]]:
    interval = {
        rule.name: (rule.severity, f"`{rule.column}` {'>' if rule.above else '<'} {rule.limit:g}", rule.meaning)
        for rule in INTERVAL_RULES
    }
    rest = {
        "low_coverage": (
            CRITICAL,
            f"intervals with data / intervals of the range < {LOW:g}",
            "the bot or a symbol was not logged for most of the range",
        ),
        "few_kept": (
            f"{WARNING}, {CRITICAL} below {KEPT_CRITICAL:g}",
            f"kept / intervals < {KEPT_WARNING:g}",
            "the filters dropped a large part",
        ),
        "high_reject_ratio": (
            f"{WARNING}, {CRITICAL} above {REJECT_CRITICAL:g}",
            f"bad share of a file > {REJECT_WARNING:g}",
            "the file has many bad lines",
        ),
        "missing_days": (WARNING, "days without a file > 0", "days of the range have no file of that kind"),
        "many_duplicates": (
            WARNING,
            f"duplicates / lines of a file > {DUPLICATE_LIMIT:g}",
            "executions were logged twice; each counts once",
        ),
        "trade_id_conflicts": (
            WARNING,
            "fills of a file with the trade id of another fill > 0",
            "they differ in side, price, quantity or order, so each counts as a separate fill",
        ),
        "symbol_without_intervals": (WARNING, "kept intervals of a symbol < 1", "every row of the symbol was dropped"),
        "mostly_null": (
            f"{WARNING}, {CRITICAL} if `net_bps` has no value",
            f"null share of a column > {NULL_LIMIT:g}",
            "the column is mostly null",
        ),
        "thin_symbol": (
            WARNING,
            f"kept intervals of a symbol < {THIN_INTERVALS}, or its fills in them < {THIN_FILLS}",
            "too little data to calibrate the symbol",
        ),
    }
    both = interval | rest
    order = (
        *(
            "low_coverage",
            "few_kept",
            "fill_rate_above_one",
            "high_reject_ratio",
            "missing_days",
            "many_duplicates",
            "trade_id_conflicts",
            "adverse_net",
        ),
        *("high_slippage", "high_taker_share", "high_stale_rate", "late_ticks", "long_gap"),
        *("symbol_without_intervals", "mostly_null", "thin_symbol"),
    )
    return {name: both[name] for name in order}


MEANINGS: Final = _meanings()
"""Severity, condition and meaning of each rule, in the order of alerts: correctness of the figures, then costs of the
fills, then amount of data."""

_RANK: Final = {name: rank for rank, name in enumerate(MEANINGS)}


def alerts(dataset: Dataset) -> list[Alert]:
    """Return every alert, worst first: by severity, then in the order of `MEANINGS`, then by `Alert.excess`.

    Equal alerts keep the order of their rule: columns in the order of the dataset, targets before features.
    """
    found = [alert for rule in RULES for alert in rule(dataset)]
    return sorted(
        found,
        key=lambda alert: (
            alert.severity != CRITICAL,
            _RANK[alert.rule],
            -alert.excess,
            alert.symbol,
            alert.start,
        ),
    )
