"""Rows of cells over time with the share of each state per cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from calib.reports.numbers import count, percent
from calib.reports.pictures.frame import COLOURS, Frame, margin_of, safe, text

ROWS: Final = 40
"""Maximum number of rows in a picture: the worst ones."""
_ROW, _BAR, _WIDTH, _TOP = 18.0, 14.0, 660.0, 52.0
_HATCHES: Final = (
    "",
    "M-1 1l2-2M0 6l6-6M5 7l2-2",
    "M-1 5l2 2M0 0l6 6M5-1l2 2",
    "M3 0v6",
    "M0 3h6",
    "M3 0v6M0 3h6",
)
"""Hatch pattern of each state, so that states differ without colour; the first has none."""


@dataclass(frozen=True, slots=True)
class StateMap:
    """The data of a state map.

    Parameters
    ----------
    title
        The title, one line.
    states
        Names of the states, at most six; the remaining share of a cell (up to 1) stays empty.
    rest
        Name of the remaining share.
    rows
        ``(label, cells)``; a cell has the share of each state, 0..1. The worst rows come first.
    start, end
        Texts below the left and the right edge.

    Raises
    ------
    ValueError
        If there are more states than styles, or rows of different lengths.
    """

    title: str
    states: tuple[str, ...]
    rest: str
    rows: tuple[tuple[str, tuple[tuple[float, ...], ...]], ...]
    start: str
    end: str

    def __post_init__(self) -> None:
        if len(self.states) > len(COLOURS):
            raise ValueError(f"too many states: {len(self.states)}, at most {len(COLOURS)}")
        if len({len(cells) for _, cells in self.rows}) > 1:
            raise ValueError("the rows of a map must have equal numbers of cells")


def heat_svg(chart: StateMap) -> str:
    """Return the map as an SVG document; the states fill a cell from below, in order."""
    shown = chart.rows[:ROWS]
    left = margin_of([label for label, _ in shown], 60)
    bins = len(shown[0][1]) if shown else 1
    wide = _WIDTH / max(1, bins)
    body = [_legend(chart)]
    for place, (label, cells) in enumerate(shown):
        top = _TOP + place * _ROW
        body.append(text(left - 6, top + _BAR - 3, label, anchor="end"))
        body += _row(cells, left, top, wide)
    bottom = _TOP + len(shown) * _ROW
    body += [text(left, bottom + 14, chart.start, kind="small")]
    body += [text(left + _WIDTH, bottom + 14, chart.end, anchor="end", kind="small")]
    hidden = len(chart.rows) - len(shown)
    if hidden:
        body.append(
            text(left, bottom + 30, f"The worst {ROWS} rows; {count(hidden)} more are not drawn.", kind="small")
        )
    defs = "".join(_pattern(index) for index in range(1, len(chart.states)))
    return Frame(chart.title, _told(chart), left + _WIDTH + 12, bottom + 38, body, defs).svg()


def _row(cells: Sequence[tuple[float, ...]], left: float, top: float, wide: float) -> list[str]:
    """Return the row's bars by state; equal neighbouring cells are merged."""
    runs: dict[int, list[str]] = {}
    at = 0
    while at < len(cells):
        end = at
        while end < len(cells) and cells[end] == cells[at]:
            end += 1
        base = top + _BAR
        for state, part in enumerate(cells[at]):
            high = round(part * _BAR, 1) if part <= 0 or part * _BAR >= 1 else 1.0
            if high > 0:
                bar = f"M{left + at * wide:.6g} {base:g}h{(end - at) * wide:.6g}v{-high:g}h{-(end - at) * wide:.6g}z"
                runs.setdefault(state, []).append(bar)
                base = round(base - high, 1)
        at = end
    edge = f'<path class="grid" d="M{left:g} {top + _BAR:g}h{_WIDTH:g}"/>'
    parts = []
    for state, bars in sorted(runs.items()):
        path = "".join(bars)
        parts.append(f'<path class="f{state}" d="{path}"/>')
        if state:
            parts.append(f'<path fill="url(#KEY-h{state})" d="{path}"/>')
    return [edge, *parts]


def _pattern(index: int) -> str:
    box = 'width="6" height="6" patternUnits="userSpaceOnUse"'
    return f'<pattern id="KEY-h{index}" {box}><path class="cut" d="{_HATCHES[index]}"/></pattern>'


def _legend(chart: StateMap) -> str:
    parts, at = [], 12.0
    for index, name in enumerate((*chart.states, chart.rest)):
        box = f'x="{at:g}" y="30" width="12" height="12"'
        if index == len(chart.states):
            parts.append(f'<rect class="edge" {box}/>')
        else:
            parts.append(f'<rect class="f{index}" {box}/>')
            parts += [f'<rect fill="url(#KEY-h{index})" {box}/>'] if index else []
        parts.append(f'<text x="{at + 17:g}" y="40">{safe(name)}</text>')
        at += 17 + margin_of([name], 0) + 6
    return "".join(parts)


def _told(chart: StateMap) -> str:
    parts = []
    for label, cells in chart.rows[:ROWS]:
        shares = [sum(cell[state] for cell in cells) for state in range(len(chart.states))]
        named = [f"{name} {percent(part, len(cells))}" for name, part in zip(chart.states, shares, strict=True) if part]
        rest = len(cells) - sum(shares)
        if rest > 1e-9 * max(1, len(cells)):
            named.append(f"{chart.rest} {percent(rest, len(cells))}")
        parts.append(f"{label}: {', '.join(named) or 'no cells'}.")
    if hidden := len(chart.rows) - ROWS > 0 and len(chart.rows) - ROWS:
        parts.append(f"{count(hidden)} more rows are not drawn.")
    return f"{chart.start} to {chart.end}. {' '.join(parts)}"
