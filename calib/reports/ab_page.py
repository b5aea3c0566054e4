"""The AB report with its pictures, as Markdown or an HTML page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from calib.files import settings_tail
from calib.reports.ab import moment, report_text
from calib.reports.files import RenderedReport, ReportForm, write_report_files
from calib.reports.pictures.dots import Dot, dots_svg
from calib.reports.pictures.steps import StepChart, Steps, steps_svg

BINS: Final = 240
"""Maximum number of steps of a gate's timeline."""
_SYMBOL_METRIC: Final = "net_bps"


def write_ab_report(
    report: Mapping[str, Any], out: Path, settings: Mapping[str, Any], form: ReportForm = "md"
) -> list[Path]:
    """Write ``out/reports/ab_run_<range>`` in the requested formats; ``settings`` are the non-default ones."""
    stamps = (datetime.fromtimestamp(report["range"][end], UTC).strftime("%Y%m%d_%H%M%S") for end in ("from", "to"))
    name = f"ab_run_{'_'.join(stamps)}{settings_tail(settings)}"
    return write_report_files(out / "reports", name, ab_report(report), form)


def ab_report(report: Mapping[str, Any]) -> RenderedReport:
    """Return the report's Markdown with its pictures."""
    pictures, text = {}, report_text(dict(report))
    for gate in report["timelines"]:
        name = f"gate_{re.sub(r'[^a-z0-9_]', '', gate)}.svg"
        if (chart := gate_timeline(report, gate)) is not None:
            pictures[name] = steps_svg(chart)
            text = _below(text, f"### {gate}", f"![{chart.title}]({name})")
    if dots := effects(report):
        pictures["effects.svg"] = dots_svg(_EFFECTS_TITLE, "percent of A; right of 0: B is larger", dots)
        text = _below(text, "## Metrics", f"![{_EFFECTS_TITLE}](effects.svg)")
    if dots := by_symbol(report):
        pictures["symbols.svg"] = dots_svg(_SYMBOLS_TITLE, "bps", dots)
        text = _below(text, "## Symbols", f"![{_SYMBOLS_TITLE}](symbols.svg)")
    return RenderedReport(text, pictures)


_EFFECTS_TITLE: Final = "B less A over the whole run, with the interval of the effect"
_SYMBOLS_TITLE: Final = "net_bps by symbol: B less A, or the level of its only arm"


def gate_timeline(report: Mapping[str, Any], gate: str) -> StepChart | None:
    """Return a chart of B's excess over a gate's bound, with the violating spans of the deciding decision shaded."""
    line = report["timelines"][gate]
    begin, end = report["range"]["from"], max(report["evaluated_to"] or 0.0, report["range"]["from"] + 1)
    sums: dict[int, list[float]] = {}
    bins = min(BINS, max(1, len(line["points"])))
    for ts, excess, _ in line["points"]:
        if excess is not None:
            sums.setdefault(min(bins - 1, max(0, int((ts - begin) / (end - begin) * bins))), []).append(excess)
    values = tuple(max(sums[at]) if at in sums else None for at in range(bins))
    if not sums:
        return None
    spans = line[report["decision"]]["spans"]
    ends = [following[0] for following in spans[1:]] + [end]
    shaded = tuple(
        (max(0.0, (ts - begin) / (end - begin)), min(1.0, (until - begin) / (end - begin)))
        for (ts, state), until in zip(spans, ends, strict=True)
        if state == "VIOLATING"
    )
    return StepChart(
        title=f"{gate}: how far B is past the bound",
        unit="in the gate's own unit",
        lines=(Steps("largest excess of each step", values),),
        start=f"{moment(begin)} UTC",
        end=moment(end),
        limit=(0.0, "0: the bound"),
        shaded=shaded,
        shaded_name=f"violating, {report['decision']} decision",
    )


def effects(report: Mapping[str, Any]) -> list[Dot]:
    """Return each metric's B less A in percent of A, with its interval if the experiment has one."""
    dots = []
    for name, entry in report["totals"].items():
        if not entry["a"] or entry["delta"] is None:
            continue
        found, around = report["effects"].get(name), abs(entry["a"])
        if found is None or found["estimate"] is None:
            dots.append(Dot(name, 100 * entry["delta"] / around))
            continue
        scale = 100.0 if found["unit"] == "ratio" else 100 / around
        low, high = (None if found[key] is None else scale * found[key] for key in ("low", "high"))
        dots.append(Dot(name, scale * found["estimate"], low, high))
    return dots


def by_symbol(report: Mapping[str, Any]) -> list[Dot]:
    """Return each symbol's net_bps, lowest first: B less A, or its level with the arm in brackets."""
    dots = []
    for symbol, entry in report["by_symbol"].items():
        values = entry[_SYMBOL_METRIC]
        if values["delta"] is not None:
            dots.append(Dot(f"{symbol} (B - A)", values["delta"]))
        else:
            arm = "A" if values["b"] is None else "B"
            if (level := values[arm.lower()]) is not None:
                dots.append(Dot(f"{symbol} ({arm})", level))
    return sorted(dots, key=lambda dot: (dot.value, dot.label))


def _below(text: str, heading: str, addition: str) -> str:
    """Return the text with an addition below a heading."""
    before, found, after = text.partition(f"\n{heading}\n")
    return f"{before}{found}\n{addition}\n{after}" if found else text
