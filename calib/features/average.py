"""The choice between averages by event and by time."""

from __future__ import annotations

from typing import TypeAlias

from calib.features.ema import EMA
from calib.features.time_ema import TimeEMA

Average: TypeAlias = EMA | TimeEMA


def average(alpha: float = 0.1, half_life_s: float | None = None) -> Average:
    """Return an `EMA` with ``alpha``, or a `TimeEMA` if a half-life in seconds is given.

    >>> type(average(0.2)).__name__, type(average(0.2, half_life_s=60)).__name__
    ('EMA', 'TimeEMA')
    """
    return EMA(alpha) if half_life_s is None else TimeEMA(half_life_s)
