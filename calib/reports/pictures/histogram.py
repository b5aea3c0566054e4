"""Histograms of several columns, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calib.reports.numbers import count, number
from calib.reports.pictures.frame import Frame, text

_COLUMNS, _WIDE, _HIGH = 3, 240.0, 108.0
_PLOT_WIDE, _PLOT_HIGH = 210.0, 52.0


@dataclass(frozen=True, slots=True)
class ColumnHistogram:
    """One column's distribution in equal bins.

    Parameters
    ----------
    name, unit
        Name and unit of the column.
    low, high
        Lower edge of the first and upper edge of the last bin.
    amounts
        Number of values in each bin.
    median
        The median, which is marked; None for no mark.
    """

    name: str
    unit: str
    low: float
    high: float
    amounts: tuple[int, ...]
    median: float | None = None


def histograms_svg(title: str, columns: Sequence[ColumnHistogram]) -> str:
    """Return the panels as an SVG document, three per row."""
    body = []
    for place, column in enumerate(columns):
        down, across = divmod(place, _COLUMNS)
        body.append(_panel(column, 12 + across * _WIDE, 34 + down * _HIGH))
    told = " ".join(_told(column) for column in columns)
    rows = -(-len(columns) // _COLUMNS)
    return Frame(title, told, _COLUMNS * _WIDE + 12, 40 + rows * _HIGH, body).svg()


def _panel(column: ColumnHistogram, left: float, top: float) -> str:
    wide, most = _PLOT_WIDE / max(1, len(column.amounts)), max(column.amounts, default=0)
    base = top + 22 + _PLOT_HIGH
    bars = "".join(
        f"M{left + at * wide:.5g} {base:g}h{wide - 1:.4g}v{-_height(amount, most):g}h{-(wide - 1):.4g}z"
        for at, amount in enumerate(column.amounts)
        if amount
    )
    parts = [
        text(left, top + 12, f"{column.name}, {column.unit}"),
        f'<path class="f0" d="{bars}"/>',
        f'<path class="grid" d="M{left:g} {base:g}h{_PLOT_WIDE:g}"/>',
        text(left, base + 13, number(column.low), kind="small"),
        text(left + _PLOT_WIDE, base + 13, number(column.high), anchor="end", kind="small"),
    ]
    if column.median is not None and column.high > column.low:
        share = (column.median / 2 - column.low / 2) / (column.high / 2 - column.low / 2)
        at = left + share * _PLOT_WIDE
        parts.append(f'<path class="limit" d="M{at:.5g} {base:g}V{top + 20:g}"/>')
        parts.append(
            text(left + _PLOT_WIDE / 2, base + 13, f"| {number(column.median)}", anchor="middle", kind="small")
        )
    return "".join(parts)


def _height(amount: int, most: int) -> float:
    """Return a bar's height, at least one pixel for a bin that is not empty."""
    return max(1.0, round(_PLOT_HIGH * amount / most, 1))


def _told(column: ColumnHistogram) -> str:
    middle = "" if column.median is None else f", median {number(column.median)}"
    amounts = ", ".join(map(count, column.amounts))
    span = f"{number(column.low)} to {number(column.high)}"
    return f"{column.name} ({column.unit}): {span}{middle}; values in equal bins: {amounts}."
