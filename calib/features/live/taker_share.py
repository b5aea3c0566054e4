"""Taker share of our fills."""

from __future__ import annotations

from calib.features.live.base import AveragedFeature, FillSeen


class TakerShareFeature(AveragedFeature):
    """Taker share of our fills."""

    __slots__ = ()

    name = "taker_share"
    unit = "ratio"
    definition = "EMA over fills of 1 if taker"
    fed_by = "`record_fill`"

    def on_fill(self, fill: FillSeen) -> None:
        self._mean.update(1.0 if fill.is_taker else 0.0, fill.now_ns)
