"""Net gain of our fills minus the target."""

from __future__ import annotations

from calib.features.live.base import AveragedFeature, FillSeen, Smoothing


class PnlDev(AveragedFeature):
    """Net gain of our fills minus the target."""

    __slots__ = ("_target_bps",)

    name = "pnl_dev"
    unit = "bps"
    definition = "EMA of the fill's net_bps minus `target_bps`"
    fed_by = "`record_fill` with `mid_now`"

    def __init__(self, smoothing: Smoothing) -> None:
        super().__init__(smoothing)
        self._target_bps = smoothing.target_bps

    def on_fill(self, fill: FillSeen) -> None:
        if fill.net_bps is not None:
            self._mean.update(fill.net_bps - self._target_bps, fill.now_ns)
