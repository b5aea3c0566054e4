"""One dot per row with its interval and a limit, to compare symbols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from calib.reports.numbers import count, number
from calib.reports.pictures.frame import Frame, margin_of, text
from calib.reports.svg import Scale, ticks

ROWS: Final = 40
_WIDE, _ROW, _TOP = 460.0, 18.0, 38.0


@dataclass(frozen=True, slots=True)
class Dot:
    """A value with the ends of its interval; None without an interval."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None


def dots_svg(title: str, unit: str, dots: Sequence[Dot], limit: float | None = 0.0) -> str:
    """Return the first 40 dots as an SVG document, in the given order.

    Raises
    ------
    ValueError
        If there is no dot.
    """
    if not dots:
        raise ValueError("a picture of dots needs at least one dot")
    shown = dots[:ROWS]
    ends = [end for dot in shown for end in (dot.value, dot.low, dot.high) if end is not None]
    marks = ticks(min([*ends, *_limits(limit)]), max([*ends, *_limits(limit)]))
    left, bottom = margin_of([dot.label for dot in shown], 60), _TOP + _ROW * len(shown)
    x = Scale(marks[0], marks[-1], left + 8, left + _WIDE)
    body = [f'<path class="grid" d="M{x(mark):g} {_TOP - 4:g}V{bottom:g}"/>' for mark in marks]
    body += [text(x(mark), bottom + 14, number(mark), anchor="middle", kind="small") for mark in marks]
    body += [f'<path class="limit" d="M{x(at):g} {_TOP - 4:g}V{bottom:g}"/>' for at in _limits(limit)]
    for place, dot in enumerate(shown):
        body.append(_dot(dot, x, _TOP + _ROW * place + 9, left))
    hidden = len(dots) - len(shown)
    more = f"; the first {ROWS} rows, {count(hidden)} more are not drawn" if hidden else ""
    body.append(text(left, bottom + 30, f"{unit}{more}", kind="small"))
    told = f"{unit}. {' '.join(map(_told, shown))}{more}"
    return Frame(title, told, left + _WIDE + 90, bottom + 38, body).svg()


def _limits(limit: float | None) -> list[float]:
    return [] if limit is None else [limit]


def _dot(dot: Dot, x: Scale, level: float, left: float) -> str:
    parts = [text(left - 2, level + 4, dot.label, anchor="end")]
    if dot.low is not None and dot.high is not None:
        low, high = x(dot.low), x(dot.high)
        parts.append(
            f'<path class="line l0" d="M{low:g} {level:g}H{high:g}M{low:g} {level - 4:g}v8M{high:g} {level - 4:g}v8"/>'
        )
    parts.append(f'<circle class="f0" cx="{x(dot.value):g}" cy="{level:g}" r="4"/>')
    parts.append(text(left + _WIDE + 12, level + 4, number(dot.value), kind="small"))
    return "".join(parts)


def _told(dot: Dot) -> str:
    span = "" if dot.low is None or dot.high is None else f" ({number(dot.low)} to {number(dot.high)})"
    return f"{dot.label}: {number(dot.value)}{span}."
