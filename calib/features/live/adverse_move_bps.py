"""Move of the mid against us from quote to fill; positive is bad for us."""

from __future__ import annotations

from calib.features.live.base import AveragedFeature, FillSeen


class AdverseMoveBps(AveragedFeature):
    """Move of the mid against us from quote to fill; positive is bad for us."""

    __slots__ = ()

    name = "adverse_move_bps"
    unit = "bps"
    definition = "EMA of -s (mid_now - mid_at_quote) / mid_at_quote x 1e4"
    fed_by = "`record_fill` with both mids"

    def on_fill(self, fill: FillSeen) -> None:
        if fill.adverse_move_bps is not None:
            self._mean.update(fill.adverse_move_bps, fill.now_ns)
