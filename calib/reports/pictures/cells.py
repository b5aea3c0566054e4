"""A matrix of values between -1 and 1 with counts; colour, sign and number show the same value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from calib.reports.numbers import NONE, count, number
from calib.reports.pictures.frame import Frame, margin_of, text

_WIDE, _HIGH, _TOP = 76.0, 34.0, 34.0
_FAINTEST: Final = 0.08


def cells_svg(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Mapping[tuple[str, str], tuple[float | None, int]],
) -> str:
    """Return the matrix as an SVG document.

    Parameters
    ----------
    rows, columns
        Their names.
    values
        ``(value, n)`` by row and column; the value may be None.
    """
    left = margin_of(rows)
    slant = margin_of(columns) * 0.5 + 10
    body = [
        f'<g transform="rotate(-30 {left + at * _WIDE + 26:g} {_TOP + slant - 6:g})">'
        f"{text(left + at * _WIDE + 26, _TOP + slant - 6, name)}</g>"
        for at, name in enumerate(columns)
    ]
    for down, row in enumerate(rows):
        top = _TOP + slant + down * _HIGH
        body.append(text(left - 6, top + 20, row, anchor="end"))
        body += [_cell(*values[row, name], left + at * _WIDE, top) for at, name in enumerate(columns)]
    told = " ".join(
        f"{row} with {name}: {number(values[row, name][0], 2)} (n {count(values[row, name][1])})."
        for row in rows
        for name in columns
    )
    wide = left + len(columns) * _WIDE + margin_of(columns[-1:]) * 0.87
    return Frame(title, told, wide, _TOP + slant + len(rows) * _HIGH + 10, body).svg()


def _cell(value: float | None, n: int, left: float, top: float) -> str:
    box = f'x="{left:g}" y="{top:g}" width="{_WIDE - 2:g}" height="{_HIGH - 2:g}"'
    shown = NONE if value is None else f"{value:+.2f}".replace("-0.00", "0.00").replace("+0.00", "0.00")
    # Low opacity keeps the number in the cell readable in light and dark mode.
    strength = 0 if value is None else max(_FAINTEST, round(0.4 * abs(value), 2))
    parts = [f'<rect class="f{int(value is not None and value < 0)}" fill-opacity="{strength:g}" {box}/>']
    parts.append(text(left + _WIDE / 2 - 1, top + 14, shown, anchor="middle"))
    parts.append(text(left + _WIDE / 2 - 1, top + 27, f"n {count(n)}", anchor="middle", kind="small"))
    return "".join(parts)
