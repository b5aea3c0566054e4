"""A waterfall chart: the amount left after each step."""

from __future__ import annotations

from collections.abc import Sequence

from calib.reports.numbers import count, percent
from calib.reports.pictures.frame import Frame, margin_of, text

_WIDE, _ROW, _TOP = 420.0, 24.0, 36.0


def waterfall_svg(title: str, total: int, steps: Sequence[tuple[str, int]], whole: str, rest: str) -> str:
    """Return the steps as an SVG document.

    Parameters
    ----------
    total
        The initial amount, named `whole`; the final amount is named `rest`.
    steps
        ``(name, amount removed)``, in order.

    >>> "kept: 7" in waterfall_svg("Filters", 10, [("low_ticks", 3)], "all", "kept")
    True
    """
    left_over = total - sum(amount for _, amount in steps)
    rows = [(whole, 0, total, 0)]
    at = total
    for name, amount in steps:
        at -= amount
        rows.append((name, at, amount, 1))
    rows.append((rest, 0, left_over, 2))
    margin = margin_of([name for name, *_ in rows])
    unit = _WIDE / max(1, total)
    body = []
    for place, (name, begin, amount, kind) in enumerate(rows):
        top = _TOP + place * _ROW
        sign = "-" if kind == 1 and amount else ""
        body.append(text(margin - 6, top + 13, name, anchor="end"))
        wide = max(amount * unit, 1.0 if amount else 0.0)
        box = f'x="{margin + begin * unit:.5g}" y="{top:g}" width="{wide:.5g}" height="18"'
        body.append(f'<rect class="f{kind}" {box}/>')
        body.append(
            text(margin + (begin + amount) * unit + 6, top + 13, f"{sign}{count(amount)}, {percent(amount, total)}")
        )
    told = "; ".join(f"{name}: {'-' if kind == 1 and amount else ''}{count(amount)}" for name, _, amount, kind in rows)
    return Frame(title, f"{told}.", margin + _WIDE + 140, _TOP + len(rows) * _ROW + 8, body).svg()
