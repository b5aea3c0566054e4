"""Fill price against quoted price; positive is bad for us."""

from __future__ import annotations

from calib.features.live.base import AveragedFeature, FillSeen


class SlippageBps(AveragedFeature):
    """Fill price against quoted price; positive is bad for us."""

    __slots__ = ()

    name = "slippage_bps"
    unit = "bps"
    definition = "EMA of s (p - quote_price) / quote_price x 1e4; else the logged `slip_bps`"
    fed_by = "`record_fill`"

    def on_fill(self, fill: FillSeen) -> None:
        if fill.slippage_bps is not None:
            self._mean.update(fill.slippage_bps, fill.now_ns)
