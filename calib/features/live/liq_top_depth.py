"""Sum of the quantities at the best bid and ask."""

from __future__ import annotations

from calib.features.live.base import AveragedFeature


class LiqTopDepth(AveragedFeature):
    """Sum of the quantities at the best bid and ask."""

    __slots__ = ()

    name = "liq_top_depth"
    unit = "base units"
    definition = "EMA of best bid quantity + best ask quantity"
    fed_by = "`record_book`"

    def on_book(self, mid: float, top_qty: float, now_ns: int) -> None:
        self._mean.update(top_qty, now_ns)
