"""The markout report: the value of fills after execution, as Markdown with a chart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from calib._version import __version__
from calib.reports.files import RenderedReport, ReportForm, write_report_files
from calib.reports.inputs import used_inputs_table
from calib.reports.markdown import cell, table
from calib.reports.numbers import NONE, count, moment, number
from calib.reports.svg import Chart, Series, svg

MAX_ROWS: Final = 200
"""Maximum number of rows in a table; the JSON has all of them."""


def write_markout_report(document: Mapping[str, Any], name: str, out: Path, form: ReportForm = "md") -> list[Path]:
    """Write ``out/reports/NAME`` in the requested formats, with one SVG per group; returns the paths, report first."""
    return write_report_files(out / "reports", name, markout_report(document), form)


def markout_report(document: Mapping[str, Any]) -> RenderedReport:
    """Return the report with its pictures."""
    charts, pictures = {}, {}
    for group in _groups(document):
        chart = markout_curve(document, group)
        if chart is not None:
            charts[group] = f"{group}.svg"
            pictures[charts[group]] = svg(chart)
    return RenderedReport(markout_text(document, charts), pictures)


def markout_text(document: Mapping[str, Any], charts: Mapping[str, str]) -> str:
    """Return the Markdown; ``charts`` has the SVG file of each group."""
    span = document["range"]
    explained = (
        "Markout: s (mid h later - mid at the fill) / mid at the quote, bps; positive is good for us. Net: relative to "
        "the fill's price, less its fee. Effective spread = realised spread + 2 x impact, over the same fills. "
        f"Intervals ({100 * document['params']['level']:g} %) resample calendar blocks of max(60 s, 4 h); none with "
        "fewer than 20 blocks."
    )
    parts = [f"# Markouts, {moment(span['from'])} to {moment(span['to'])} UTC"]
    said = headline(document)
    parts += [f"**{'; '.join(said)}.**" if said else "**No fill has a markout.**", explained]
    for group in _groups(document):
        parts += [f"## {group.capitalize()}", _curve_table(document, group)]
        if group in charts:
            parts.append(f"![Markout over the horizon, {group}]({charts[group]})")
        parts += _bucket_parts(document, group)
    parts += ["## Where the numbers come from", _joins_table(document), used_inputs_table(document["inputs"], MAX_ROWS)]
    parts.append(f"Made by calib {__version__}.")
    return "\n\n".join(part for part in parts if part) + "\n"


def markout_curve(document: Mapping[str, Any], group: str) -> Chart | None:
    """Return a chart of the markout over the horizon with its interval; None without figures."""
    rows = [row for row in _rows(document, group, "all", "notional") if row["est"] is not None]
    if not rows:
        return None
    series = [Series("markout", _points(rows, "est"))]
    bounded = [row for row in rows if row["low"] is not None]
    if bounded:
        series += [Series("low", _points(bounded, "low")), Series("high", _points(bounded, "high"))]
    nets = [row for row in rows if row["net"] is not None]
    series.append(Series("net", tuple((_at(row["horizon_s"]), row["net"]["est"]) for row in nets)))
    return Chart(
        f"Markout after {group} fills",
        "horizon, s (logarithmic)",
        "bps",
        tuple(series),
        x_text=lambda value: number(10**value, 2),
    )


def headline(document: Mapping[str, Any]) -> list[str]:
    """Return one line per group: the markout at 10 s, or at the nearest horizon with a figure."""
    lines = []
    for group in _groups(document):
        rows = [row for row in _rows(document, group, "all", "notional") if row["est"] is not None]
        if not rows:
            lines.append(f"{group}: no fill with a mid at any horizon")
            continue
        row = min(rows, key=lambda one: abs(one["horizon_s"] - 10))
        lines.append(
            f"{group}: {count(row['n'])} fills, markout after {row['horizon_s']:g} s "
            f"{number(row['est'])} bps ({_interval(row)}), effective {number(row['effective'])} = realised "
            f"{number(row['realised'])} + 2 x impact {number(row['impact'])}"
        )
    return lines


def _at(horizon_s: float) -> float:
    return math.log10(horizon_s)


def _points(rows: Sequence[Mapping[str, Any]], key: str) -> tuple[tuple[float, float], ...]:
    return tuple((_at(row["horizon_s"]), row[key]) for row in rows)


def _groups(document: Mapping[str, Any]) -> list[str]:
    return list(dict.fromkeys(row["group"] for row in document["rows"]))


def _rows(document: Mapping[str, Any], group: str, bucket: str, weight: str) -> list[Mapping[str, Any]]:
    return [
        row for row in document["rows"] if row["group"] == group and row["bucket"] == bucket and row["weight"] == weight
    ]


def _interval(row: Mapping[str, Any]) -> str:
    return NONE if row["low"] is None else f"{number(row['low'])} to {number(row['high'])}"


def _curve_table(document: Mapping[str, Any], group: str) -> str:
    header = ["horizon s", "weight", "fills", "blocks", "markout", "interval", "net", "effective", "realised", "impact"]
    rows = [
        [
            f"{row['horizon_s']:g}",
            row["weight"],
            count(row["n"]),
            count(row["blocks"]),
            number(row["est"]),
            _interval(row),
            NONE if row["net"] is None else number(row["net"]["est"]),
            number(row["effective"]),
            number(row["realised"]),
            number(row["impact"]),
        ]
        for weight in ("notional", "equal")
        for row in _rows(document, group, "all", weight)
    ]
    return table(header, rows, "rlrrrrrrrr")


def _bucket_parts(document: Mapping[str, Any], group: str) -> list[str]:
    """Return the tables of buckets at the horizon nearest to 10 s, and of the staleness comparisons."""
    mine = [row for row in document["rows"] if row["group"] == group]
    horizons = sorted({row["horizon_s"] for row in mine if row["est"] is not None})
    if not horizons:
        return []
    horizon = min(horizons, key=lambda one: abs(one - 10))
    keys = {"group": group, "horizon_s": horizon, "weight": "notional"}

    def chosen(part: str) -> list[Mapping[str, Any]]:
        return [row for row in document[part] if all(row[key] == value for key, value in keys.items())]

    q = {row["bucket"]: row["q"] for row in chosen("differences")}
    rows = [
        [
            cell(row["bucket"]),
            count(row["n"]),
            count(row["blocks"]),
            number(row["est"]),
            _interval(row),
            number(q.get(row["bucket"])),
        ]
        for row in chosen("rows")
        if row["bucket"] != "all"
    ]
    parts = [
        f"### By bucket, {horizon:g} s",
        "q: the p-value of the bucket against the others of its kind, adjusted for the number of buckets.",
        table(["bucket", "fills", "blocks", "markout", "interval", "q"], rows[:MAX_ROWS], "lrrrrr"),
    ]
    compared = chosen("staleness")
    within = [[cell(row["bucket"]), number(row["est"]), _interval(row), number(row["q"])] for row in compared]
    if within:
        parts += [
            "### Staleness, within symbol and hour",
            "This is an association; the causal test is `calib ab` with a switchback.",
            table(["comparison", "difference", "interval", "q"], within, "lrrr"),
        ]
    return parts


def _joins_table(document: Mapping[str, Any]) -> str:
    rows = [
        [
            cell(name),
            *(count(one.get(group, 0)) for group in ("maker", "taker", "trades")),
            count(one["no_mid_before"]),
            one["mid_source"],
            one["clock"],
        ]
        for name, one in document["joins"]["by_symbol"].items()
    ]
    header = ["symbol", "maker", "taker", "trades", "no mid before", "mids from", "clock"]
    return table(header, rows[:MAX_ROWS], "lrrrrll")
