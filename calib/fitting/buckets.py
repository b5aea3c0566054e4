"""Groups of fills: by symbol, side, hour, latency, and the state of the cache when they were quoted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from calib.fitting.arrays import Bools, Floats, Ints
from calib.fitting.rows import FillRows, TickRows

LATENCY_EDGES_MS: Final = (10.0, 30.0, 100.0, 300.0)
AGE_EDGES_MS: Final = (20.0, 60.0, 200.0)
TICK_SLACK_S: Final = 0.002
"""Tolerance between the end of a tick and its quote, s: the two times come from separate clock readings."""


@dataclass(frozen=True, slots=True)
class Dimension:
    """One way to group fills.

    Parameters
    ----------
    name
        ``symbol``, ``side``, ``hour``, ``latency_ms``, ``used_stale``, ``cache_age_ms``.
    labels
        Names of its buckets.
    code
        The bucket of each fill; -1 if it is unknown.
    """

    name: str
    labels: tuple[str, ...]
    code: Ints

    def members(self, place: int) -> Bools:
        """Which fills are in that bucket."""
        return np.asarray(self.code == place)


def dimensions(
    symbol: Sequence[str], sign: Floats, time_s: Floats, latency_ms: Floats, used_stale: Floats, age_ms: Floats
) -> list[Dimension]:
    """All dimensions for these fills."""
    names = sorted(set(symbol))
    places = {name: place for place, name in enumerate(names)}
    hours = (np.floor(time_s / 3600) % 24).astype(np.int64)
    return [
        Dimension("symbol", tuple(names), np.array([places[name] for name in symbol], np.int64)),
        Dimension("side", ("buy", "sell"), np.where(sign > 0, 0, 1)),
        Dimension("hour", tuple(f"{hour:02d}" for hour in range(24)), hours),
        _binned("latency_ms", latency_ms, LATENCY_EDGES_MS),
        Dimension("used_stale", ("false", "true"), np.where(np.isnan(used_stale), -1, used_stale > 0.5).astype(int)),
        _binned("cache_age_ms", age_ms, AGE_EDGES_MS),
    ]


def _binned(name: str, values: Floats, edges: tuple[float, ...]) -> Dimension:
    """Buckets [low, high); the last one is unbounded."""
    ends = ["0", *(f"{edge:g}" for edge in edges)]
    labels = (*(f"{low}-{high}" for low, high in pairwise(ends)), f"{ends[-1]}+")
    code = np.searchsorted(np.array(edges), values, side="right")
    return Dimension(name, labels, np.where(np.isnan(values), -1, code).astype(np.int64))


def cache_state(fills: FillRows, ticks: TickRows) -> tuple[Floats, Floats]:
    """``used_stale`` and ``cache_age_ms`` of each fill: from the fill, else from the tick that quoted it.

    That tick is the last one with ``ts <= ts_quote <= ts + tick_total_ms / 1000 + 2 ms``. With a sample rate of 10 nine
    out of ten ticks are not logged, so most fills have none: the fields of the fill are the better source.
    """
    place = np.searchsorted(ticks.ts, fills.ts_quote, side="right") - 1
    held = np.maximum(place, 0)
    columns = []
    for stamped, logged in ((fills.used_stale, ticks.used_stale), (fills.cache_age_ms, ticks.cache_age_ms)):
        if len(ticks):
            ends = ticks.ts[held] + ticks.tick_total_ms[held] / 1000 + TICK_SLACK_S
            found = (place >= 0) & (fills.ts_quote <= ends)
            columns.append(np.where(np.isnan(stamped) & found, logged[held], stamped))
        else:
            columns.append(stamped)
    return columns[0], columns[1]
