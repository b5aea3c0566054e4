"""The report of a fit: verdicts, then each symbol's fitted curve, drift and quotes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from calib._version import __version__
from calib.fitting.verdict import REASONS
from calib.reports.files import RenderedReport, ReportForm, write_report_files
from calib.reports.inputs import used_inputs_table
from calib.reports.markdown import cell, code, table
from calib.reports.numbers import NONE, count, moment, number, percent
from calib.reports.svg import Chart, Series, svg

MAX_ROWS: Final = 200
MAX_CHARTS: Final = 20
"""Maximum number of symbols with charts."""
_CURVE_POINTS: Final = 40


def write_fit_report(document: Mapping[str, Any], name: str, out: Path, form: ReportForm = "md") -> list[Path]:
    """Write ``out/reports/NAME`` in the requested formats, with its charts; returns the paths, the report first."""
    return write_report_files(out / "reports", name, fit_report(document), form)


def fit_report(document: Mapping[str, Any]) -> RenderedReport:
    """Return the report with its pictures."""
    pictures: dict[str, str] = {}
    charts: dict[tuple[str, str], list[tuple[str, str]]] = {}
    rows = [row for row in document["fits"] if row["side"] == "both" and row["intensity"] is not None]
    for place, row in enumerate(rows[:MAX_CHARTS], 1):
        for key, chart in (("bins", bins_chart(row)), ("drift", drift_chart(row)), ("quotes", quotes_chart(row))):
            if chart is not None:
                file = f"{place}_{key}.svg"
                pictures[file] = svg(chart)
                charts.setdefault((row["symbol"], row["side"]), []).append((chart.title, file))
    return RenderedReport(fit_text(document, charts), pictures)


def fit_text(document: Mapping[str, Any], charts: Mapping[tuple[str, str], Sequence[tuple[str, str]]]) -> str:
    """Return the Markdown; ``charts`` has the title and file of each row's charts."""
    span = document["range"]
    explained = (
        "Fill rate: lambda(delta) = A exp(-k delta), delta the distance from the mid in bps. gamma must be chosen: "
        "without it only 1/k is shown, the half-spread as gamma goes to 0."
    )
    parts = [
        f"# Fit, {moment(span['from'])} to {moment(span['to'])} UTC",
        f"**{headline(document)}**",
        explained,
        _verdicts(document),
        "## Reasons",
        _reasons(document),
        "## Joins",
        _joins(document),
    ]
    for row in document["fits"][:MAX_ROWS]:
        if row["intensity"] is not None:
            parts += _row_parts(row, charts.get((row["symbol"], row["side"]), ()))
    parts += ["## Inputs", used_inputs_table(document["inputs"], MAX_ROWS), f"Made by calib {__version__}."]
    return "\n\n".join(part for part in parts if part) + "\n"


def headline(document: Mapping[str, Any]) -> str:
    """Return the number of rows by verdict."""
    verdicts = [row["verdict"] for row in document["fits"]]
    return ", ".join(f"{verdicts.count(name)} {name}" for name in ("USE", "DO_NOT_USE", "NOT_ENOUGH_DATA"))


def row_line(row: Mapping[str, Any]) -> str:
    """Return one row of a fit in one line, for the terminal."""
    head = f"{row['symbol']} {row['side']}: {row['verdict']}"
    if row["intensity"] is None:
        return f"{head} ({', '.join(row['reasons'])})"
    a, k = row["intensity"]["A_per_s"], row["intensity"]["k_per_bps"]
    quotes = "".join(f", half {number(one['half_bps']['est'])} bps at gamma {one['gamma']:g}" for one in row["quotes"])
    why = f" ({', '.join(row['reasons'])})" if row["reasons"] else ""
    return f"{head}, A {number(a['est'])}/s, k {number(k['est'])}/bps{quotes}{why}"


def bins_chart(row: Mapping[str, Any]) -> Chart | None:
    """Return a logarithmic chart of the bins' rates with exact intervals, and the fitted curve."""
    intensity = row["intensity"]
    found = [one for one in intensity["bins"] if "delta_bps" in one and one["rate_per_s"]["est"] > 0]
    if len(found) < 2:
        return None
    low, high = found[0]["delta_bps"], found[-1]["delta_bps"]
    a, k = intensity["A_per_s"]["est"], intensity["k_per_bps"]["est"]
    xs = [low + (high - low) * place / _CURVE_POINTS for place in range(_CURVE_POINTS + 1)]

    def points(key: str) -> tuple[tuple[float, float], ...]:
        rates = ((one["delta_bps"], one["rate_per_s"][key]) for one in found)
        return tuple((delta, math.log10(rate)) for delta, rate in rates if rate)

    return Chart(
        "Fill rate over distance",
        "distance from the mid, bps",
        "log10 of fills per second",
        (
            Series("fit", tuple((x, math.log10(a) - k * x / math.log(10)) for x in xs)),
            Series("bins", points("est"), joined=False),
            Series("low", points("low"), joined=False),
            Series("high", points("high"), joined=False),
        ),
    )


def drift_chart(row: Mapping[str, Any]) -> Chart | None:
    """Return a chart of k by day with its interval; None with fewer than two days."""
    walk = row["walk_forward"]
    daily = [] if walk is None else walk["daily"]
    if len(daily) < 2:
        return None
    known = [(place, one["k_per_bps"]) for place, one in enumerate(daily, 1)]
    return Chart(
        "k by day",
        "number of the day with its own fit",
        "k, 1/bps",
        tuple(
            Series(name, tuple((float(place), k[key]) for place, k in known if k[key] is not None), joined=key == "est")
            for name, key in (("k", "est"), ("low", "low"), ("high", "high"))
        ),
    )


def quotes_chart(row: Mapping[str, Any]) -> Chart | None:
    """Return a chart of bid and ask distance by inventory for the first gamma; None without quotes."""
    if not row["quotes"]:
        return None
    one = row["quotes"][0]
    return Chart(
        f"Quotes by inventory, gamma {one['gamma']:g}",
        "inventory, units",
        "distance from the mid, bps",
        tuple(
            Series(name, tuple((float(entry["q"]), entry[key]) for entry in one["table"]))
            for name, key in (("bid", "bid_bps"), ("ask", "ask_bps"))
        ),
    )


def _verdicts(document: Mapping[str, Any]) -> str:
    rows = []
    for row in document["fits"]:
        intensity = row["intensity"]
        rows.append(
            [
                cell(row["symbol"]),
                row["side"],
                row["verdict"],
                count(row["n"]["fills"]),
                count(row["n"]["run_over"]),
                _estimate(None if intensity is None else intensity["A_per_s"]),
                _estimate(None if intensity is None else intensity["k_per_bps"]),
                "; ".join(f"{_estimate(one['half_bps'])} at {one['gamma']:g}" for one in row["quotes"]) or NONE,
            ]
        )
    header = ["symbol", "side", "verdict", "fills", "run over", "A 1/s", "k 1/bps", "half bps at gamma"]
    return table(header, rows[:MAX_ROWS], "lllrrrrr")


def _estimate(value: Mapping[str, Any] | None) -> str:
    if value is None:
        return NONE
    if value["low"] is None:
        return number(value["est"])
    return f"{number(value['est'])} ({number(value['low'])} to {number(value['high'])})"


def _reasons(document: Mapping[str, Any]) -> str:
    used = {reason for row in document["fits"] for reason in row["reasons"]}
    if not used:
        return "None: all rows may be used."
    rows = [
        [code(reason), meaning, str(sum(reason in row["reasons"] for row in document["fits"]))]
        for reason, meaning in REASONS.items()
        if reason in used
    ]
    return table(["reason", "meaning", "rows"], rows, "llr")


def _joins(document: Mapping[str, Any]) -> str:
    rows = [
        [
            cell(name),
            *(count(one[key]) for key in ("quotes", "used", "fills", "no_quote", "run_over")),
            ", ".join(f"{reason} {amount}" for reason, amount in one["refused"].items()) or NONE,
            one["mid_source"],
            one["clock"],
            number(one["clock_shift_s"]),
        ]
        for name, one in document["joins"]["by_symbol"].items()
    ]
    header = ["symbol", "quotes", "used", "maker fills", "no quote", "run over", "refused", "mids", "clock", "shift s"]
    return table(header, rows[:MAX_ROWS], "lrrrrrlllr")


def _row_parts(row: Mapping[str, Any], charts: Sequence[tuple[str, str]]) -> list[str]:
    parts = [f"## {code(row['symbol'])}, {row['side']}"]
    parts += [f"![{title}]({file})" for title, file in charts]
    intensity = row["intensity"]
    if intensity["source"] == "trades":
        parts.append("From public trades: an upper bound, because public trades have no queue position.")
        return parts
    bins = [
        [
            f"{number(one['low_bps'])} to {number(one['high_bps'])}",
            number(one["exposure_s"]),
            count(one["fills"]),
            number(one["expected"]),
            _estimate(one["rate_per_s"]),
        ]
        for one in intensity["bins"]
    ]
    parts.append(table(["distance bps", "exposure s", "fills", "expected", "rate 1/s (exact interval)"], bins, "rrrrr"))
    checks = intensity["checks"]
    parts.append(
        f"Dispersion {number(checks['dispersion'])}; p of a delta^2 term {number(checks['curvature_p'])}; "
        f"waits between fills against the exponential: p {number(checks['ks_p'])}; "
        f"{'monotone' if checks['monotone'] else 'not monotone'}; interval of k: {intensity['interval']}."
    )
    if row.get("warnings"):
        parts.append("Warnings: " + ", ".join(code(one) for one in row["warnings"]) + ".")
    parts += [_queue(row), _walk(row)]
    return parts


def _queue(row: Mapping[str, Any]) -> str:
    rows = [
        [
            one["bucket"],
            count(one["n"]),
            percent(one["fills"], one["n"]),
            NONE
            if one["eta_ms"]["est"] is None
            else f"{number(one['eta_ms']['est'])} (q {one['eta_ms']['quantile']:g})",
            number(one["eta_ms"]["formula"]),
        ]
        for one in row["queue"]
    ]
    return table(["queue / own", "quotes", "filled", "wait if left, ms", "(ahead + own) / rate, ms"], rows, "lrrrr")


def _walk(row: Mapping[str, Any]) -> str:
    walk = row["walk_forward"]
    if walk is None or not walk["days"]:
        return ""
    rows = [
        [
            one["day"],
            count(one["fills"]),
            _estimate(one["foretold"]),
            "yes" if one["hit"] else "no",
            *(number(one["gain_nats_per_fill"].get(key)) for key in ("constant", "yesterday", "in_use")),
        ]
        for one in walk["days"]
    ]
    header = ["day", "fills", "forecast", "hit", "gain over constant", "over yesterday", "over the file in use"]
    return table(header, rows, "lrrlrrr")
