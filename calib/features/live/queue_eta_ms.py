"""Expected time until a queued quote is filled."""

from __future__ import annotations

from calib.features.live.base import LiveFeature, Smoothing
from calib.features.live.queue_absorb_rate import QueueAbsorbRate
from calib.features.queue_eta import QueueETA


class QueueEtaMs(LiveFeature):
    """Expected time until a queued quote is filled."""

    __slots__ = ("_eta", "_rate")

    name = "queue_eta_ms"
    unit = "ms"
    definition = "EMA of 1000 (ahead + own) / absorb rate; not updated at rate 0"
    fed_by = "`record_queue`"

    def __init__(self, smoothing: Smoothing) -> None:
        self._eta = QueueETA(smoothing.alpha, smoothing.half_life_s)
        self._rate = smoothing.earlier[QueueAbsorbRate.name]

    def on_queue(self, quote_id: str, ahead_qty: float, own_qty: float, now_ns: int) -> None:
        self._eta.update(ahead_qty, own_qty, self._rate.get(), now_ns)

    def get(self) -> float | None:
        return self._eta.get()
