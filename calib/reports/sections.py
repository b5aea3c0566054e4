"""The sections of a summary as Markdown, for the template."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Final

from calib.dataset.columns import FEATURES, TARGETS, Column
from calib.dataset.model import iso
from calib.reports.alerts import MEANINGS, Alert, reject_ratio
from calib.reports.distribution import QUANTILES, Distribution
from calib.reports.key_figures import first_alerts, key_figures
from calib.reports.markdown import block, cell, code, table
from calib.reports.numbers import NONE, count, duration, moment, number, percent
from calib.reports.reproduce import command
from calib.reports.summary_pictures import CORRELATION_ROWS

if TYPE_CHECKING:
    from calib.dataset.model import ContractParams
    from calib.reports.summary import Summary

CAP: Final = 40
"""Maximum number of rows in a table; the remaining rows are counted, and are in the dataset."""

_PICTURES: Final = {
    "map": ("map.svg", "Intervals by symbol and time"),
    "net_picture": ("net_bps.svg", "net_bps over time"),
    "histograms": ("histograms.svg", "Distributions over the kept intervals"),
    "correlation": ("correlation.svg", "Rank correlation of targets and features"),
    "waterfall": ("filters.svg", "What the filters left"),
}
"""File name and title of each picture, by the template's name."""

ALERTS_PER_RULE: Final = 10
"""Maximum number of listed alerts per rule, so that one rule cannot crowd out the others."""


def verdict_line(summary: Summary) -> str:
    """Return verdict, kept intervals, symbols and range in one line, without markup."""
    counts, span = summary.dataset.counts, summary.dataset.range
    word = "USABLE" if summary.verdict.usable else "NOT USABLE"
    targets = zip(TARGETS, summary.distributions, strict=False)
    lacking = ", ".join(entry.name for column, entry in targets if not entry.n and not column.later)
    why = f": {summary.verdict.reason}" if summary.verdict.reason else f", but without {lacking}" if lacking else ""
    kept = f"{count(counts.kept)} of {count(counts.intervals)} intervals kept"
    share = f" ({percent(counts.kept, counts.intervals)})" if counts.intervals else ""
    found = summary.coverage
    coverage = f", coverage {percent(found.with_data, found.of_range)}" if found.of_range else ""
    return (
        f"{word}{why}; {kept}{share}{coverage}, {count(len(span.symbols))} {_plural('symbol', len(span.symbols))}, "
        f"{moment(span.from_)} to {moment(span.to)} UTC"
    )


def alerts_line(summary: Summary) -> str:
    """Return the numbers of alerts by rule in one line, without markup."""
    if not summary.alerts:
        return "no alerts"
    rules = Counter(alert.rule for alert in summary.alerts)
    named = ", ".join(f"{rule} {count(rules[rule])}" for rule in rules)
    return f"{summary.critical} critical, {summary.warnings} {_plural('warning', summary.warnings)}: {named}"


def target_line(summary: Summary) -> str:
    """Return the main target in one line, without markup."""
    net = summary.distributions[0]
    if not net.n:
        return "net_bps has no value: no fill has mid_now"
    middle, low, high = (number(net.quantiles[key]) for key in ("median", "p05", "p95"))
    return f"net_bps median {middle}, p05 {low}, p95 {high}, over {count(net.n)} {_plural('interval', net.n)}"


def money_line(summary: Summary) -> str:
    """Return notional, PnL and the number of losing symbols in one line, without markup; empty without figures."""
    parts = []
    notional = [row.notional for row in summary.symbols if row.notional is not None]
    gains = [row.pnl_mid for row in summary.symbols if row.pnl_mid is not None]
    if notional:
        gain = f", PnL at the mid {number(math.fsum(gains))}" if gains else ""
        parts.append(f"notional {number(math.fsum(notional))}{gain} (quote currency)")
    judged = sum(row.net_median_bps is not None for row in summary.symbols)
    if len(summary.losing) * 2 > judged:
        parts.append(f"median net_bps below 0 for {count(len(summary.losing))} of {count(judged)} symbols")
    return "; ".join(parts)


def sections(summary: Summary, pictures: Collection[str] = (), drift: str = "") -> dict[str, str]:
    """Return every section by its name in the template; a section may be empty.

    Parameters
    ----------
    pictures
        File names of the existing pictures.
    drift
        The text of `calib.reports.dataset_diff.drift_report`, or empty.
    """
    return {
        "key_figures": key_figures(summary),
        "first_alerts": first_alerts(summary.alerts, MEANINGS),
        "drift": drift,
        "sampled": _sampled(summary),
        **{key: f"![{title}]({name})" if name in pictures else "" for key, (name, title) in _PICTURES.items()},
        "title": code(summary.name),
        "verdict": verdict_line(summary),
        "target_line": target_line(summary),
        "money_line": money_line(summary),
        "alerts_line": alerts_line(summary),
        "alerts": _alerts(summary.alerts),
        "targets": _distributions(summary, TARGETS),
        "features": _distributions(summary, FEATURES),
        "missing_targets": _missing(summary, TARGETS),
        "missing_features": _missing(summary, FEATURES),
        "symbols": _symbols(summary),
        "reasons": _reasons(summary),
        "overlaps": _overlaps(summary),
        "rejects": _rejects(summary),
        "gaps": _gaps(summary),
        "missing_days": _missing_days(summary),
        "worst": _worst(summary),
        "settings": _settings(summary),
        "inputs": _inputs(summary),
        "command": block(command(summary.dataset)),
        "interval": duration(summary.dataset.range.interval_sec),
        "tool": code(f"{summary.dataset.tool.name} {summary.dataset.tool.version}"),
    }


def _plural(word: str, amount: int) -> str:
    return word if amount == 1 else f"{word}s"


def _capped(rows: Sequence[Sequence[str]], header: Sequence[str], align: str, where: str, cap: int = CAP) -> str:
    text = table(header, rows[:cap], align)
    hidden = len(rows) - cap
    return f"{text}\n\nand {count(hidden)} more: {where}" if hidden > 0 else text


def _alerts(alerts: list[Alert]) -> str:
    if not alerts:
        return ""
    seen: Counter[str] = Counter()
    shown, hidden = [], Counter[str]()
    for alert in alerts:
        seen[alert.rule] += 1
        if seen[alert.rule] <= ALERTS_PER_RULE:
            shown.append(_alert_row(alert))
        else:
            hidden[alert.rule] += 1
    header = ("severity", "alert", "symbol", "interval from", "of", "value", "limit")
    text = table(header, shown, "lllllrr")
    if not hidden:
        return text
    named = ", ".join(f"{rule} {count(amount)}" for rule, amount in hidden.items())
    return f"{text}\n\nand {count(hidden.total())} more ({named}): `calib summary --output json` lists every one"


def _alert_row(alert: Alert) -> list[str]:
    return [
        alert.severity,
        alert.rule,
        cell(alert.symbol) if alert.symbol else NONE,
        moment(alert.start) if alert.start else NONE,
        cell(alert.subject) if alert.subject else NONE,
        number(alert.value),
        number(alert.limit),
    ]


def _distributions(summary: Summary, columns: tuple[Column, ...]) -> str:
    header = ("", "unit", "n", "null", "min", *(key for key, _ in QUANTILES), "max", "mean", "sd", "min to max")
    names = {column.name for column in columns}
    rows = [_distribution_row(entry) for entry in summary.distributions if entry.name in names]
    return table(header, rows, "ll" + "r" * (len(header) - 3) + "l")


def _distribution_row(entry: Distribution) -> list[str]:
    levels = [entry.minimum, *entry.quantiles.values(), entry.maximum, entry.mean, entry.sd]
    share = percent(entry.nulls, entry.n + entry.nulls)
    return [entry.name, entry.unit, count(entry.n), share, *map(number, levels), entry.bars or NONE]


def _sampled(summary: Summary) -> str:
    kept = summary.dataset.counts.kept
    return f" (of {count(kept)}, evenly sampled)" if kept > CORRELATION_ROWS else ""


def _missing(summary: Summary, columns: tuple[Column, ...]) -> str:
    """Return a table of symbols and columns with missing values, the symbol with the most first."""
    shares = summary.null_shares
    names = [column.name for column in columns if any(row[column.name] > 0 for row in shares.values())]
    lacking = [symbol for symbol, row in shares.items() if any(row[name] > 0 for name in names)]
    lacking.sort(key=lambda symbol: (-sum(shares[symbol][name] for name in names), symbol))
    if not lacking:
        return ""
    alike: dict[tuple[float, ...], list[str]] = {}
    for name in names:
        alike.setdefault(tuple(shares[symbol][name] for symbol in lacking), []).append(name)
    rows = [[cell(symbol), *(percent(share[at], 1) for share in alike)] for at, symbol in enumerate(lacking)]
    header = ["symbol", *(", ".join(group) for group in alike.values())]
    return _capped(rows, header, "l" + "r" * len(alike), "the nulls of the dataset's own rows")


def _symbols(summary: Summary) -> str:
    reasons = [row.reason for row in summary.reasons]
    header = ["symbol", "kept", "dropped", "absent", "coverage", "kept share", "ticks", "fills", "quotes"]
    header += ["net_bps median", "notional", "PnL at the mid"]
    rows = [
        [
            cell(row.symbol),
            *map(count, (row.kept, row.dropped, row.absent)),
            percent(row.coverage, 1),
            percent(row.kept, row.kept + row.dropped),
            *map(count, (row.ticks, row.fills, row.quotes)),
            number(row.net_median_bps),
            number(row.notional),
            number(row.pnl_mid),
            *(count(row.dropped_by.get(reason, 0)) for reason in reasons),
        ]
        for row in summary.symbols
    ]
    where = "the symbols with the smallest kept share are shown; the others are in the dataset's rows"
    return (
        _capped(rows, [*header, *map(cell, reasons)], "l" + "r" * (len(header) - 1 + len(reasons)), where)
        if rows
        else ""
    )


def _reasons(summary: Summary) -> str:
    limits = summary.dataset.filters
    total = summary.dataset.counts.intervals
    rows = [
        [
            cell(row.reason),
            _limit(limits.get(row.reason)),
            count(row.rows),
            percent(row.rows, total),
            count(row.alone),
        ]
        for row in summary.reasons
    ]
    return table(("filter", "limit", "rows dropped", "of all rows", "by it alone"), rows, "lrrrr") if rows else ""


def _limit(value: float | bool | None) -> str:
    if value is None:
        return "off"
    return "on" if value is True else number(value)


def _overlaps(summary: Summary) -> str:
    total = len(summary.dataset.dropped)
    rows = [
        [" + ".join(cell(reason) for reason in reasons), count(amount), percent(amount, total)]
        for reasons, amount in summary.overlaps
    ]
    where = "`dropped` in the dataset has every row with its reasons"
    return _capped(rows, ("reasons together", "rows", "of the dropped"), "lrr", where) if rows else ""


def _rejects(summary: Summary) -> str:
    reasons = sorted({reason for entry in summary.dataset.inputs for reason in entry.rejected})
    rows = [
        [
            cell(entry.file),
            count(entry.lines),
            count(entry.used),
            *(count(entry.rejected.get(reason, 0)) for reason in reasons),
            percent(reject_ratio(entry), 1) if entry.lines else NONE,
        ]
        for entry in sorted(summary.dataset.inputs, key=lambda entry: (-reject_ratio(entry), entry.file))
    ]
    header = ["file", "lines", "used", *map(cell, reasons), "bad share"]
    return _capped(rows, header, "l" + "r" * (len(header) - 1), "`inputs` in the dataset") if rows else ""


def _gaps(summary: Summary) -> str:
    rows = [[cell(symbol), moment(iso(start_ts)), number(seconds)] for symbol, start_ts, seconds in summary.widest_gaps]
    return table(("symbol", "interval from", "max_gap_s"), rows, "llr") if rows else ""


def _missing_days(summary: Summary) -> str:
    missing = summary.dataset.missing_days
    lines = []
    for kind in missing.__struct_fields__:
        days = getattr(missing, kind)
        if days:
            shown = ", ".join(map(code, days[:CAP]))
            more = f" and {count(len(days) - CAP)} more (`missing_days` in the dataset)" if len(days) > CAP else ""
            lines.append(f"- {kind}: {count(len(days))} {_plural('day', len(days))} without a file: {shown}{more}")
    return "\n".join(lines)


def _worst(summary: Summary) -> str:
    rows = [
        [
            cell(row.symbol),
            moment(row.start),
            number(row.targets.net_bps),
            number(row.targets.slippage_bps),
            number(row.targets.fill_rate),
            number(row.targets.taker_share),
            count(row.sample_count.fills),
            count(row.sample_count.ticks),
            number(row.features.latency_p95_ms),
            number(row.features.max_gap_s),
            number(row.features.vol_realized_bps),
        ]
        for row in summary.worst
    ]
    header = ("symbol", "interval from", "net_bps", "slippage_bps", "fill_rate", "taker_share", "fills", "ticks")
    return table((*header, "latency_p95_ms", "max_gap_s", "vol_realized_bps"), rows, "ll" + "r" * 9) if rows else ""


def _settings(summary: Summary) -> str:
    dataset = summary.dataset
    rows = [["interval_sec", str(dataset.range.interval_sec)]]
    rows += [[name, _limit(limit)] for name, limit in dataset.filters.items()]
    params = dataset.params
    rows += [[name, number(getattr(params, name))] for name in params.__struct_fields__ if name != "contracts"]
    rows += [[f"contract of {cell(symbol)}", _contract(entry)] for symbol, entry in (params.contracts or {}).items()]
    return table(("setting", "value"), rows, "lr")


def _inputs(summary: Summary) -> str:
    rows = [[cell(entry.file), count(entry.bytes), cell(entry.sha256)] for entry in summary.dataset.inputs]
    return _capped(rows, ("file", "bytes", "sha256"), "lrl", "`inputs` in the dataset", 400) if rows else ""


def _contract(contract: ContractParams) -> str:
    """Return a contract's multiplier and notional formula as text."""
    kind = "inverse: notional qty x multiplier / price" if contract.inverse else "notional price x qty x multiplier"
    return f"multiplier {number(contract.multiplier)}, {kind}"
