"""The statistics of one symbol, together under one lock."""

from __future__ import annotations

import threading
from typing import Any

from calib.features.absorb_rate import AbsorbRate
from calib.features.average import average
from calib.features.decayed_ratio import DecayedRatio
from calib.features.queue_eta import QueueETA
from calib.features.rolling_quantile import RollingQuantile
from calib.features.snapshot import FeatureSnapshot
from calib.features.volatility import RollingVolatility
from calib.metrics.histogram import Histogram


class SymbolFeatures:
    """Every statistic that `FeatureCollector` keeps of one symbol.

    The collector checks the numbers and holds ``lock`` around each call; nothing here locks or checks again.
    """

    __slots__ = (
        "absorb",
        "adverse",
        "depth",
        "eta",
        "fill_rate",
        "fills_maker",
        "fills_taker",
        "latency",
        "latency_p95",
        "lock",
        "pnl_dev",
        "slippage",
        "taker",
        "tick_ms",
        "ticks",
        "volatility",
    )

    def __init__(self, alpha: float, half_life_s: float | None, window: int) -> None:
        self.lock = threading.Lock()
        self.volatility = RollingVolatility(alpha, half_life_s)
        self.depth = average(alpha, half_life_s)
        self.latency = RollingQuantile(0.95, window)
        self.latency_p95 = average(alpha, half_life_s)
        self.pnl_dev = average(alpha, half_life_s)
        self.fill_rate = DecayedRatio(alpha)
        self.taker = average(alpha, half_life_s)
        self.absorb = AbsorbRate(alpha, half_life_s)
        self.eta = QueueETA(alpha, half_life_s)
        self.slippage = average(alpha, half_life_s)
        self.adverse = average(alpha, half_life_s)
        self.tick_ms = Histogram()
        self.ticks = 0
        self.fills_maker = 0
        self.fills_taker = 0

    def snapshot(self, symbol: str) -> FeatureSnapshot:
        """All of it at this moment."""
        return FeatureSnapshot(
            symbol,
            vol_realized=self.volatility.get(),
            liq_top_depth=self.depth.get(),
            latency_p95=self.latency_p95.get(),
            pnl_dev=self.pnl_dev.get(),
            fill_rate=self.fill_rate.get(),
            taker_share=self.taker.get(),
            queue_absorb_rate=self.absorb.get(),
            queue_eta_ms=self.eta.get(),
            slippage_bps=self.slippage.get(),
            adverse_move_bps=self.adverse.get(),
            fills_total=self.fills_maker + self.fills_taker,
            fills_maker=self.fills_maker,
            fills_taker=self.fills_taker,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__ if name != "lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.lock = threading.Lock()
        for name, value in state.items():
            setattr(self, name, value)
