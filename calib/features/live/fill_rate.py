"""Fills per quote."""

from __future__ import annotations

from calib.features.decayed_ratio import DecayedRatio
from calib.features.live.base import FillSeen, LiveFeature, Smoothing


class FillRate(LiveFeature):
    """Fills per quote."""

    __slots__ = ("_ratio",)

    name = "fill_rate"
    unit = "ratio"
    definition = "decayed fills / decayed quotes, both decayed per quote"
    fed_by = "`record_quote`, `record_fill`"

    def __init__(self, smoothing: Smoothing) -> None:
        self._ratio = DecayedRatio(smoothing.alpha)

    def on_quote(self) -> None:
        self._ratio.tried()

    def on_fill(self, fill: FillSeen) -> None:  # only the event counts, not its values
        self._ratio.hit()

    def get(self) -> float | None:
        return self._ratio.get()
