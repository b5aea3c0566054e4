"""The report of a replay with its pictures, as Markdown or an HTML page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from calib.limits import LimitResult
from calib.reports.files import RenderedReport
from calib.reports.markdown import code
from calib.reports.numbers import count, moment
from calib.reports.pictures.dots import Dot, dots_svg
from calib.reports.pictures.steps import StepChart, Steps, steps_svg
from calib.reports.replay import replay_text

_NAMED: Final = 24
"""Maximum number of symbols in the verdict."""
_ERRORS: Final = "Error of the served mid: p95, with p50 and the largest"
_TIMES: Final = "fetch_md with and without the cache: p95, with p50 and p99"


def replay_report(outcome: Mapping[str, Any], gate: Sequence[LimitResult] = ()) -> RenderedReport:
    """Return one replay with its pictures; equal outcomes yield equal bytes."""
    title, _, rest = replay_text(outcome, gate).partition("\n\n")
    text, pictures = f"{title}\n\n**{_verdict(outcome, gate)}.**\n\n{rest}", {}
    if (chart := error_over_time(outcome)) is not None:
        pictures["error_over_time.svg"] = steps_svg(chart)
        text = _above(text, "## Reads", f"## Over time\n\n![{chart.title}](error_over_time.svg)")
    if dots := errors(outcome):
        pictures["errors.svg"] = dots_svg(_ERRORS, "bps", dots)
        text = _above(text, "## Times", f"![{_ERRORS}](errors.svg)")
    if dots := times(outcome):
        pictures["times.svg"] = dots_svg(_TIMES, "ms", dots)
        text = _above(text, "## Integrity", f"![{_TIMES}](times.svg)")
    return RenderedReport(text, pictures)


def _verdict(outcome: Mapping[str, Any], gate: Sequence[LimitResult]) -> str:
    """Return the gate's verdict with the symbols and the number of reads."""
    symbols = list(outcome["symbols"])
    named = ", ".join(map(code, symbols[:_NAMED]))
    more = f" and {count(len(symbols) - _NAMED)} more" if len(symbols) > _NAMED else ""
    judged = f"{count(outcome['overall']['staleness']['judged'])} reads judged of {named}{more}"
    failed = [one.limit.name for one in gate if one.passed is False]
    unknown = [one.limit.name for one in gate if one.passed is None]
    if failed:
        return f"GATE MISSED: {', '.join(failed)}; {judged}"
    if unknown:
        return f"GATE NOT EVALUATED: no data for {', '.join(unknown)}; {judged}"
    return f"{'GATE PASSED' if gate else 'NO GATE'}; {judged}"


def error_over_time(outcome: Mapping[str, Any]) -> StepChart | None:
    """Return a chart of the mean and largest error of the reads over time, with out-of-sync times shaded."""
    line = outcome.get("timeline")
    if not line or not any(step["judged"] for step in line["steps"]):
        return None
    steps, bins = line["steps"], len(line["steps"])
    shaded = tuple((at / bins, (at + 1) / bins) for at, step in enumerate(steps) if step["out_of_sync"])
    return StepChart(
        title="Error of the served mid over time",
        unit="bps",
        lines=(
            Steps("mean", tuple(step["mean_bps"] for step in steps)),
            Steps("largest", tuple(step["max_bps"] for step in steps)),
        ),
        start=f"{moment(line['from'])} UTC",
        end=moment(line["to"]),
        shaded=_joined(shaded),
        shaded_name="reads while a stream was out of sync",
    )


def errors(outcome: Mapping[str, Any]) -> list[Dot]:
    """Return the errors by symbol, largest p95 first."""
    dots = []
    for symbol, figures in outcome["symbols"].items():
        found = figures["staleness"]["error_bps"]
        if found["p95"] is not None:
            dots.append(Dot(symbol, found["p95"], found["p50"], found["max"]))
    return sorted(dots, key=lambda dot: (-dot.value, dot.label))


def times(outcome: Mapping[str, Any]) -> list[Dot]:
    """Return the fetch_md times by symbol, with and without the cache."""
    dots = []
    for symbol, figures in outcome["symbols"].items():
        for name, key in (("with", "with_cache"), ("without", "without_cache")):
            found = figures["fetch_md_ms"][key]
            if found["p95"] is not None:
                dots.append(Dot(f"{symbol}, {name}", found["p95"], found["p50"], found["p99"]))
    return dots


def _joined(spans: Sequence[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Merge adjacent spans."""
    found: list[tuple[float, float]] = []
    for begin, end in spans:
        if found and abs(found[-1][1] - begin) < 1e-9:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return tuple(found)


def _above(text: str, heading: str, addition: str) -> str:
    before, found, after = text.partition(f"\n{heading}\n")
    return f"{before}\n{addition}\n{found}{after}" if found else text
