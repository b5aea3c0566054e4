"""Quantity ahead of our quotes consumed per second."""

from __future__ import annotations

from calib.features.absorb_rate import AbsorbRate
from calib.features.live.base import LiveFeature, Smoothing


class QueueAbsorbRate(LiveFeature):
    """Quantity ahead of our quotes consumed per second."""

    __slots__ = ("_absorb",)

    name = "queue_absorb_rate"
    unit = "base units per s"
    definition = "EMA of max(0, previous ahead - ahead) / dt of one quote"
    fed_by = "`record_queue`"

    def __init__(self, smoothing: Smoothing) -> None:
        self._absorb = AbsorbRate(smoothing.alpha, smoothing.half_life_s)

    def on_queue(self, quote_id: str, ahead_qty: float, own_qty: float, now_ns: int) -> None:
        self._absorb.update(quote_id, ahead_qty, now_ns)

    def on_quote_gone(self, quote_id: str) -> None:
        self._absorb.forget(quote_id)

    def get(self) -> float | None:
        return self._absorb.get()
