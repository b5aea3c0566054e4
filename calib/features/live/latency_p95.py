"""95th percentile of the tick duration."""

from __future__ import annotations

from calib.features.live.base import AveragedFeature, Smoothing
from calib.features.rolling_quantile import RollingQuantile


class LatencyP95(AveragedFeature):
    """95th percentile of the tick duration."""

    __slots__ = ("_window",)

    name = "latency_p95"
    unit = "ms"
    definition = "EMA of the 95th percentile (linear) of the last `window` tick totals"
    fed_by = "`record_tick`"

    def __init__(self, smoothing: Smoothing) -> None:
        super().__init__(smoothing)
        self._window = RollingQuantile(0.95, smoothing.window)

    def on_tick(self, total_ms: float, now_ns: int) -> None:
        self._window.update(total_ms)
        p95 = self._window.get()
        assert p95 is not None  # a value was just added
        self._mean.update(p95, now_ns)
