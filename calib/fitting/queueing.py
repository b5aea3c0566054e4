"""Waiting times until a fill, by the queue ahead."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from calib.fitting.arrays import Bools, Floats, Ints
from calib.fitting.estimate import finite
from calib.fitting.exposure import HIT, OPEN, RUN_OVER, WITHDRAWN
from calib.fitting.survival import aalen_johansen, kaplan_meier

TIMES_S: Final = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
MIN_QUOTES: Final = 30
"""Smaller buckets are merged with a neighbour."""


@dataclass(frozen=True, slots=True)
class Waits:
    """The quotes of one symbol and side.

    Parameters
    ----------
    life_s
        Time from opening to the first fill or the end.
    cause
        `HIT`, `RUN_OVER`, `WITHDRAWN` or `OPEN`.
    queue, own
        Quantity ahead at the opening (NaN if unknown) and quantity of the quote.
    """

    life_s: Floats
    cause: Ints
    queue: Floats
    own: Floats


def queue_table(waits: Waits, absorb_per_s: float | None, *, level: float) -> list[dict[str, Any]]:
    """One entry per bucket of queue ahead divided by own quantity.

    Parameters
    ----------
    absorb_per_s
        Quantity traded on that side of the book per second, for the formula (ahead + own) / rate; None if unknown.
    """
    return [_entry(name, waits, chosen, absorb_per_s, level) for name, chosen in _buckets(waits)]


def _buckets(waits: Waits) -> Iterator[tuple[str, Bools]]:
    """Buckets: 0, quartiles of queue / own, unknown; neighbours with fewer than 30 quotes are merged."""
    ratio = waits.queue / waits.own
    known, empty = ~np.isnan(ratio), ratio == 0
    some = known & ~empty
    parts: list[tuple[str, Bools]] = [("0", empty)]
    if some.any():
        edges = np.unique(np.quantile(ratio[some], [0.0, 0.25, 0.5, 0.75, 1.0]))
        inner = edges[1:-1] if len(edges) > 2 else edges[:0]
        code = np.searchsorted(inner, ratio, side="right")
        bounds = [0.0, *inner.tolist(), float("inf")]
        parts += [
            (f"{bounds[place]:.3g}-{bounds[place + 1]:.3g}", some & (code == place)) for place in range(len(inner) + 1)
        ]
    yield from _merged([part for part in parts if part[1].any()])
    if not known.all():
        yield "unknown", ~known


def _merged(parts: list[tuple[str, Bools]]) -> list[tuple[str, Bools]]:
    merged: list[tuple[str, Bools]] = []
    for name, chosen in parts:
        if merged and (merged[-1][1].sum() < MIN_QUOTES or chosen.sum() < MIN_QUOTES):
            first, before = merged[-1]
            merged[-1] = (f"{first.split('-')[0]}-{name.split('-')[-1]}", before | chosen)
        else:
            merged.append((name, chosen))
    return merged


def _entry(name: str, waits: Waits, chosen: Bools, absorb_per_s: float | None, level: float) -> dict[str, Any]:
    life, cause = waits.life_s[chosen], waits.cause[chosen]
    filled = (cause == HIT) | (cause == RUN_OVER)
    curve = kaplan_meier(life, filled)
    reach = float(life.max()) if len(life) else 0.0
    moments = [moment for moment in TIMES_S if moment <= reach]
    left = []
    for moment in moments:
        low, high = curve.interval_at(moment, level)
        survival = float(curve.at(np.array([moment]))[0])
        left.append(
            {
                "t_s": moment,
                "p": 1 - survival,
                "low": None if high is None else 1 - high,
                "high": None if low is None else 1 - low,
            }
        )
    causes = {"hit": HIT, "run_over": RUN_OVER, "withdrawn": WITHDRAWN}
    shares = {key: aalen_johansen(life, cause, number) for key, number in causes.items()}
    traded = []
    for moment in moments:
        row: dict[str, Any] = {"t_s": moment}
        for key, found in shares.items():
            row[key], row[f"{key}_se"] = found.at(moment)
        traded.append(row)
    p = 0.5 if curve.quantile(0.5) is not None else 0.25
    seconds = curve.quantile(p)
    low, high = curve.quantile_interval(p, level)
    queue = waits.queue[chosen]
    formula = None
    if absorb_per_s and not np.isnan(queue).any():
        formula = float(np.median(queue + waits.own[chosen])) / absorb_per_s * 1000
    return {
        "bucket": name,
        "n": int(chosen.sum()),
        "fills": int(filled.sum()),
        "if_left": left,
        "as_traded": traded,
        "eta_ms": {
            "quantile": p if seconds is not None else None,
            "est": None if seconds is None else seconds * 1000,
            "low": None if low is None or seconds is None else low * 1000,
            "high": None if high is None or seconds is None else high * 1000,
            "formula": finite(formula),
            "ratio": None if not formula or seconds is None or p != 0.5 else seconds * 1000 / formula,
        },
    }


def refused(cause: Ints) -> Bools:
    """Quotes whose end is unknown."""
    return ~np.isin(cause, (OPEN, HIT, RUN_OVER, WITHDRAWN))
