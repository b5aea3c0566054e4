"""The key figures and first alerts at the top of a summary."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from calib.evaluation.bootstrap import block_count, resampled
from calib.reports.markdown import cell, table
from calib.reports.numbers import NONE, count, duration, number

if TYPE_CHECKING:
    from calib.reports.alerts import Alert
    from calib.reports.summary import Summary, SymbolRow

FIRST: Final = 3
"""Maximum number of first alerts, each of a different rule."""


def key_figures(summary: Summary) -> str:
    """Return a table of net_bps with its interval, notional, PnL and the worst symbol."""
    rows = [_net(summary), _notional(summary), _gain(summary), _worst(summary)]
    return table(("figure", "value", ""), rows, "lrl")


def _net(summary: Summary) -> list[str]:
    found = resampled(summary.dataset, "net_bps").estimate()
    span = summary.dataset.range
    slots = (span.to_ts - span.from_ts) // span.interval_sec
    blocks = block_count(slots)
    length = duration(round((span.to_ts - span.from_ts) / blocks))
    if found.value is None:
        said = "no interval has a value"
    elif found.low is None:
        said = "no interval: fewer than 8 blocks of time have a value"
    else:
        ends = f"{number(found.low)} .. {number(found.high)}"
        said = f"95 %: {ends} (bootstrap over blocks of about {length})"
    return ["net_bps, median of the intervals", number(found.value), said]


def _notional(summary: Summary) -> list[str]:
    found = [row.notional for row in summary.symbols if row.notional is not None]
    fills = sum(row.fills for row in summary.symbols)
    total = math.fsum(found) if found else None
    return ["notional, quote currency", number(total), f"{count(fills)} fills in the kept intervals"]


def _gain(summary: Summary) -> list[str]:
    gains = [row.pnl_mid for row in summary.symbols if row.pnl_mid is not None]
    notional = math.fsum(row.notional for row in summary.symbols if row.pnl_mid is not None and row.notional)
    if not gains:
        known = any(row.net_median_bps is not None for row in summary.symbols)
        why = "not in the dataset" if known else "no fill has mid_now"
        return ["PnL at the mid, quote currency", NONE, why]
    total = math.fsum(gains)
    share = f"{number(1e4 * total / notional)} bps of the notional, after fees" if notional else "after fees"
    return ["PnL at the mid, quote currency", number(total), share]


def _worst(summary: Summary) -> list[str]:
    if (row := worst_symbol(summary.symbols)) is None:
        return ["worst symbol", NONE, "no symbol has a gain or a loss"]
    value, unit = (row.pnl_mid, "PnL at the mid") if row.pnl_mid is not None else (row.net_median_bps, "median net_bps")
    median = f", median net_bps {number(row.net_median_bps)}" if row.pnl_mid is not None else ""
    return [f"worst symbol: {cell(row.symbol)}", number(value), f"{unit}{median}"]


def worst_symbol(rows: list[SymbolRow]) -> SymbolRow | None:
    """Return the symbol with the lowest PnL at the mid; if none has one, with the lowest median net_bps."""
    money = [row for row in rows if row.pnl_mid is not None]
    if money:
        return min(money, key=lambda row: (row.pnl_mid or 0.0, row.symbol))
    known = [row for row in rows if row.net_median_bps is not None]
    return min(known, key=lambda row: (row.net_median_bps or 0.0, row.symbol), default=None)


def first_alerts(alerts: list[Alert], meanings: dict[str, tuple[str, str, str]]) -> str:
    """Return the worst alert of each of the first rules as a list; empty without alerts."""
    by_rule: dict[str, Alert] = {}
    for alert in alerts:
        by_rule.setdefault(alert.rule, alert)
    lines = []
    for rule, alert in list(by_rule.items())[:FIRST]:
        where = " ".join(cell(each) for each in (alert.symbol, alert.subject) if each)
        figure = f"{number(alert.value)}, limit {number(alert.limit)}"
        lines.append(f"- {alert.severity}: {rule}{f' of {where}' if where else ''} ({figure}): {meanings[rule][2]}")
    return "\n".join(lines)
