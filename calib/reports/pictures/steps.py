"""A value over time as a step chart, with a limit and shaded spans."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from calib.reports.numbers import count, number
from calib.reports.pictures.frame import Frame, text, wide
from calib.reports.svg import Scale, ticks

_LEFT, _RIGHT, _TOP, _BOTTOM, _WIDE, _HIGH = 70.0, 20.0, 48.0, 40.0, 720.0, 260.0
_DASHES: Final = ("", "6 3", "2 3")


@dataclass(frozen=True, slots=True)
class Steps:
    """One line: its values in equal time bins; a value may be None."""

    name: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class StepChart:
    """The data of a step chart.

    Parameters
    ----------
    title, unit
        Title of the picture, and unit of its values.
    lines
        One to three lines of equal length.
    start, end
        Texts below the left and the right edge.
    limit
        ``(value, name)`` of a horizontal line; None for none.
    shaded
        ``(from, to)`` of shaded spans as shares of the width, 0..1; `shaded_name` is their name.
    """

    title: str
    unit: str
    lines: tuple[Steps, ...]
    start: str
    end: str
    limit: tuple[float, str] | None = None
    shaded: tuple[tuple[float, float], ...] = ()
    shaded_name: str = ""

    def __post_init__(self) -> None:
        if not 1 <= len(self.lines) <= len(_DASHES):
            raise ValueError(f"a chart of steps has 1 to {len(_DASHES)} lines")


def steps_svg(chart: StepChart) -> str:
    """Return the lines as an SVG document; a missing value interrupts a line."""
    found = [value for line in chart.lines for value in line.values if value is not None]
    limits = [chart.limit[0]] if chart.limit else []
    marks = ticks(min([*found, *limits], default=0.0), max([*found, *limits], default=1.0))
    y = Scale(marks[0], marks[-1], _HIGH - _BOTTOM, _TOP)
    across = _WIDE - _LEFT - _RIGHT
    body = []
    for begin, end in chart.shaded:
        box = f'x="{_LEFT + begin * across:.5g}" width="{max(1.0, (end - begin) * across):.5g}"'
        body.append(f'<rect class="f1" fill-opacity=".25" {box} y="{_TOP:g}" height="{_HIGH - _BOTTOM - _TOP:g}"/>')
        body.append(f'<rect fill="url(#KEY-v)" {box} y="{_HIGH - _BOTTOM:g}" height="6"/>')
    for mark in marks:
        body.append(f'<path class="grid" d="M{_LEFT:g} {y(mark):g}h{across:g}"/>')
        body.append(text(_LEFT - 6, y(mark) + 4, number(mark), anchor="end"))
    if chart.limit:
        body.append(f'<path class="limit" d="M{_LEFT:g} {y(limits[0]):g}h{across:g}"/>')
        body.append(text(_WIDE - _RIGHT, y(limits[0]) - 4, chart.limit[1], anchor="end", kind="small"))
    body += [_line(index, line, y, across) for index, line in enumerate(chart.lines)]
    body += [*_legend(chart), text(_LEFT, _HIGH - 16, chart.start, kind="small")]
    body.append(text(_WIDE - _RIGHT, _HIGH - 16, chart.end, anchor="end", kind="small"))
    defs = ""
    if chart.shaded:
        box = 'width="4" height="6" patternUnits="userSpaceOnUse"'
        defs = f'<pattern id="KEY-v" {box}><path class="l1" stroke-width="2" d="M2 0v6"/></pattern>'
    return Frame(chart.title, _told(chart), _WIDE, _HIGH, body, defs).svg()


def _line(index: int, line: Steps, y: Scale, across: float) -> str:
    step = across / max(1, len(line.values))
    path, before = [], None
    for at, value in enumerate(line.values):
        if value is not None:
            level = f"{y(value):g}"
            path.append(f"V{level}" if before is not None else f"M{_LEFT + at * step:.5g} {level}")
            path.append(f"H{_LEFT + (at + 1) * step:.5g}")
        before = value
    dash = f' stroke-dasharray="{_DASHES[index]}"' if _DASHES[index] else ""
    return f'<path class="line l{index}"{dash} d="{"".join(path)}"/>'


def _legend(chart: StepChart) -> list[str]:
    parts, at = [], _LEFT
    for index, line in enumerate(chart.lines):
        dash = f' stroke-dasharray="{_DASHES[index]}"' if _DASHES[index] else ""
        parts.append(f'<path class="line l{index}"{dash} d="M{at:g} 36h20"/>')
        parts.append(text(at + 26, 40, f"{line.name}, {chart.unit}"))
        at += 46 + wide(f"{line.name}, {chart.unit}")
    if chart.shaded:
        parts.append(f'<rect class="f1" fill-opacity=".25" x="{at:g}" y="30" width="12" height="8"/>')
        parts.append(f'<rect fill="url(#KEY-v)" x="{at:g}" y="38" width="12" height="4"/>')
        parts.append(text(at + 18, 40, chart.shaded_name))
    return parts


def _told(chart: StepChart) -> str:
    parts = [_line_told(line, chart.unit) for line in chart.lines]
    if chart.limit:
        parts.append(f"Limit: {chart.limit[1]}.")
    if chart.shaded:
        spans = ", ".join(f"{begin:.0%} to {end:.0%}" for begin, end in chart.shaded[:12])
        more = f" and {count(len(chart.shaded) - 12)} more" if len(chart.shaded) > 12 else ""
        parts.append(f"{chart.shaded_name} from {spans} of the range{more}.")
    return f"{chart.start} to {chart.end}. {' '.join(parts)}"


def _line_told(line: Steps, unit: str) -> str:
    found = [value for value in line.values if value is not None]
    if not found:
        return f"{line.name}: no values."
    turns = sum((one < 0) != (other < 0) for one, other in pairwise(found))
    ends = f"lowest {number(min(found))}, highest {number(max(found))}"
    ends += f", first {number(found[0])}, last {number(found[-1])}"
    known = f"{count(len(found))} of {count(len(line.values))} steps have a value"
    return f"{line.name}, {unit}: {known}; {ends}; changes sign {turns} times."
