"""Realised volatility of the mid."""

from __future__ import annotations

from calib.features.live.base import LiveFeature, Smoothing
from calib.features.volatility import RollingVolatility


class VolRealized(LiveFeature):
    """Realised volatility of the mid."""

    __slots__ = ("_volatility",)

    name = "vol_realized"
    unit = "bps per sqrt(s)"
    definition = "1e4 sqrt(EMA(r²) / EMA(dt)), r the log return of the mid"
    fed_by = "`record_book`"

    def __init__(self, smoothing: Smoothing) -> None:
        self._volatility = RollingVolatility(smoothing.alpha, smoothing.half_life_s)

    def on_book(self, mid: float, top_qty: float, now_ns: int) -> None:  # every handler of the event has all arguments
        self._volatility.update(mid, now_ns)

    def get(self) -> float | None:
        return self._volatility.get()
