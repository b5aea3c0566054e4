"""Charts as self-contained SVG: lines and points over two axes.

For screen readers they contain their numbers (``role="img"``, ``<title>``, ``<desc>``). They follow the light or dark
mode. Series do not differ by colour alone: each has its own marker and dash, shown in the legend. The palette is that
of Okabe and Ito (2008), which is safe for colour-blind readers.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from calib.reports.labels import Label, placed
from calib.reports.markdown import visible
from calib.reports.markdown_html import escaped
from calib.reports.numbers import DIGITS, count, number

_NAMESPACE: Final = "http://www.w3.org/2000/svg"
WIDTH: Final = 640
HEIGHT: Final = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 150, 40, 50
_TOLD: Final = 12
"""Maximum number of points listed in the description; for a longer series it has the extremes and the last point."""

_STYLES: Final = (
    ("#0072b2", "#56b4e9", "", "circle"),
    ("#d55e00", "#e69f00", "6 3", "square"),
    ("#009e73", "#4fd6a9", "2 3", "triangle"),
    ("#a0527e", "#cc79a7", "8 3 2 3", "diamond"),
)
"""Light colour, dark colour, dash and marker, by series."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series of points, in the order of the line that joins them.

    Parameters
    ----------
    name
        Name in the legend and in the description.
    points
        ``(x, y)``, all finite.
    joined
        Whether a line joins them.
    labels
        A short text for each point, drawn if there is room; empty, or one per point.
    ring
        Whether its markers are rings that highlight points of other series.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    joined: bool = True
    labels: tuple[str, ...] = ()
    ring: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A named vertical line at ``x``, such as a limit."""

    x: float
    name: str


@dataclass(frozen=True, slots=True)
class Chart:
    """The data of a chart.

    Parameters
    ----------
    title
        The title, one line.
    x_label, y_label
        Axis labels with units.
    x_text
        Formats a value of x; default: four significant digits.
    y_bounds
        Limits of the y axis, such as (0, 1) for a ratio; None: no limits.

    Raises
    ------
    ValueError
        If there is no point, a point is not finite, only some points have labels, or there are more series than styles.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()
    x_text: Callable[[float], str] = number
    y_bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if any(len(series.labels) not in (0, len(series.points)) for series in self.series):
            raise ValueError("a series must have one label per point, or none")
        points = [point for series in self.series for point in series.points]
        if not points or not all(math.isfinite(value) for point in points for value in point):
            raise ValueError("a chart needs at least one point, and all points must be finite")
        if len(self.series) > len(_STYLES):
            raise ValueError(f"too many series: {len(self.series)}, at most {len(_STYLES)}")


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps ``[low, high]`` to the pixels ``[start, end]``.

    >>> Scale(0.0, 10.0, 100.0, 200.0)(2.5)
    125.0
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return round(self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start), 2)


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round values (1, 2 or 5 times a power of ten) that enclose ``[low, high]``.

    >>> ticks(0.0, 9.3)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-300):
        around = max(abs(low), abs(high))
        half = around / 2 if around > 1e-300 else 0.5
        low, high = low - half, high + half
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [float(f"{place * step:.12g}") for place in range(first, last + 1)]


def svg(chart: Chart) -> str:
    """Return the chart as an SVG document; equal charts yield equal bytes."""
    points = [point for series in chart.series for point in series.points]
    xs = [x for x, _ in points] + [mark.x for mark in chart.marks]
    x_ticks, y_ticks = ticks(min(xs), max(xs)), ticks(min(y for _, y in points), max(y for _, y in points))
    if chart.y_bounds is not None:
        y_ticks = [value for value in y_ticks if chart.y_bounds[0] <= value <= chart.y_bounds[1]]
    x_labels = _labels(x_ticks) if chart.x_text is number else [chart.x_text(value) for value in x_ticks]
    x = Scale(x_ticks[0], x_ticks[-1], _LEFT, WIDTH - _RIGHT)
    y = Scale(y_ticks[0], y_ticks[-1], HEIGHT - _BOTTOM, _TOP)
    # A page may contain several charts, so their ids must differ.
    key = f"c{zlib.crc32((chart.title + description(chart)).encode()):08x}"
    body = [
        *(_grid_x(x(value), label) for value, label in zip(x_ticks, x_labels, strict=True)),
        *(_grid_y(y(value), label) for value, label in zip(y_ticks, _labels(y_ticks), strict=True)),
        _text((_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 10, chart.x_label, "middle"),
        f'<g transform="rotate(-90 16 {HEIGHT / 2:g})">{_text(16, HEIGHT / 2, chart.y_label, "middle")}</g>',
        _text(WIDTH / 2, 20, chart.title, "middle", "title"),
        *(_mark(x(mark.x), mark.name) for mark in chart.marks),
        *(_series(index, series, x, y) for index, series in enumerate(chart.series)),
        *(_text(label.x, label.y, label.text, "start", "label") for label in _labelled(chart, x, y)),
    ]
    size = f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    return "\n".join(
        [
            f'<svg xmlns="{_NAMESPACE}" {size} role="img" aria-labelledby="{key}-t {key}-d" id="{key}">',
            f'<title id="{key}-t">{_safe(chart.title)}</title>',
            f'<desc id="{key}-d">{_safe(description(chart))}</desc>',
            f"<style>{_css(key)}</style>",
            *body,
            "</svg>\n",
        ]
    )


def description(chart: Chart) -> str:
    """Return the chart as text, with its numbers."""
    parts = [f"{chart.y_label} over {chart.x_label}."]
    for series in chart.series:
        if not series.points:
            parts.append(f"{series.name}: no points.")
        elif len(series.points) <= _TOLD:
            labels = series.labels or ("",) * len(series.points)
            named = zip(labels, series.points, strict=True)
            told = "; ".join(f"{_of(label)}{number(y)} at {chart.x_text(x)}" for label, (x, y) in named)
            parts.append(f"{series.name}: {told}.")
        else:
            low, high = min(series.points, key=lambda p: p[1]), max(series.points, key=lambda p: p[1])
            extremes = (("lowest", low), ("highest", high), ("last", series.points[-1]))
            told = "; ".join(f"{word} {number(y)} at {chart.x_text(x)}" for word, (x, y) in extremes)
            parts.append(f"{series.name}: {count(len(series.points))} points; {told}.")
    parts += [f"Marked: {mark.name} at {chart.x_text(mark.x)}." for mark in chart.marks]
    return " ".join(parts)


def _of(label: str) -> str:
    return f"{label}: " if label else ""


def _labels(values: Sequence[float]) -> list[str]:
    """Return the tick labels, with enough digits to differ."""
    for digits in range(DIGITS, 13):
        labels = [number(value, digits) for value in values]
        if len(set(labels)) == len(labels):
            break
    return labels


def _css(key: str) -> str:
    def rules(place: int) -> str:
        return "".join(f"#{key} .s{index}{{color:{style[place]}}}" for index, style in enumerate(_STYLES))

    return (
        f"#{key}{{color:#222;background:#fff;font:12px system-ui,sans-serif}}#{key} text{{fill:#222}}"
        f"#{key} .title{{font-weight:600}}#{key} .label{{font-size:11px}}"
        f"#{key} .grid{{stroke:currentColor;opacity:.15}}#{key} .mark{{stroke:currentColor;stroke-dasharray:1 4}}"
        f"#{key} .line,#{key} .ring{{fill:none;stroke:currentColor;stroke-width:2}}"
        f"#{key} .point{{fill:currentColor}}{rules(0)}"
        f"@media(prefers-color-scheme:dark){{#{key}{{color:#ddd;background:#111}}#{key} text{{fill:#ddd}}{rules(1)}}}"
    )


def _grid_x(at: float, label: str) -> str:
    line = f'<line class="grid" x1="{at:g}" x2="{at:g}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
    return line + _text(at, HEIGHT - _BOTTOM + 16, label, "middle")


def _grid_y(at: float, label: str) -> str:
    line = f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{at:g}" y2="{at:g}"/>'
    return line + _text(_LEFT - 6, at + 4, label, "end")


def _mark(at: float, name: str) -> str:
    line = f'<line class="mark" x1="{at:g}" x2="{at:g}" y1="{_TOP}" y2="{HEIGHT - _BOTTOM}"/>'
    return line + _text(at + 4, _TOP + 10, name, "start")


def _series(index: int, series: Series, x: Scale, y: Scale) -> str:
    _, _, dash, marker = _STYLES[index]
    places = [(x(one), y(other)) for one, other in series.points]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    parts = []
    if series.joined and len(places) > 1:
        path = " ".join(f"{one:g},{other:g}" for one, other in places)
        parts.append(f'<polyline class="line"{dashed} points="{path}"/>')
    shape = "ring" if series.ring else marker
    # Markers on every point of a long line would hide it; one at the end identifies the series.
    marked = places if len(places) <= 3 * _TOLD or not series.joined else places[-1:]
    parts += [_marker(shape, *place) for place in marked]
    return f'<g class="s{index}">{"".join(parts)}{_legend(index, series, shape, dashed)}</g>'


def _legend(index: int, series: Series, shape: str, dashed: str) -> str:
    """Return the series' legend entry, right of the plot."""
    at_x, at_y = WIDTH - _RIGHT + 14, _TOP + 10 + 20 * index
    line = f'<line class="line"{dashed} x1="{at_x}" x2="{at_x + 20}" y1="{at_y}" y2="{at_y}"/>' if series.joined else ""
    return line + _marker(shape, at_x + 10, at_y) + _text(at_x + 26, at_y + 4, series.name, "start")


def _labelled(chart: Chart, x: Scale, y: Scale) -> list[Label]:
    points = [(x(one), y(other)) for series in chart.series for one, other in series.points]
    wanted = [
        (x(one), y(other), text)
        for series in chart.series
        for (one, other), text in zip(series.points, series.labels, strict=False)
    ]
    return placed(wanted, points, (_LEFT, _TOP - 10, WIDTH - _RIGHT, HEIGHT - _BOTTOM))


def _marker(shape: str, at_x: float, at_y: float) -> str:
    if shape == "circle":
        return f'<circle class="point" cx="{at_x:g}" cy="{at_y:g}" r="4"/>'
    if shape == "ring":
        return f'<circle class="ring" cx="{at_x:g}" cy="{at_y:g}" r="8"/>'
    corners: dict[str, Sequence[tuple[int, int]]] = {
        "square": ((-4, -4), (4, -4), (4, 4), (-4, 4)),
        "triangle": ((0, -5), (5, 4), (-5, 4)),
        "diamond": ((0, -5), (5, 0), (0, 5), (-5, 0)),
    }
    path = " ".join(f"{at_x + one:g},{at_y + other:g}" for one, other in corners[shape])
    return f'<polygon class="point" points="{path}"/>'


def _text(at_x: float, at_y: float, text: str, anchor: str, kind: str = "") -> str:
    named = f' class="{kind}"' if kind else ""
    return f'<text{named} x="{at_x:g}" y="{at_y:g}" text-anchor="{anchor}">{_safe(text)}</text>'


def _safe(text: str) -> str:
    return escaped(visible(text))
