"""The gate on B's tick latency compared with A's."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calib.config import Setting
from calib.experiments.gates.base import Gate


@dataclass(frozen=True, slots=True)
class LatencyRegression(Gate):
    """Breached if B's p95 of ``tick_total_ms`` is above A's by more than the ratio.

    The sequential decision compares the logarithm of each symbol's own p95: the slowest symbol dominates a pooled p95.

    Parameters
    ----------
    threshold
        Tolerated increase: 0.10 is +10 %.

    >>> round(LatencyRegression(0.10).bound(100.0), 9)
    110.0
    """

    name = "latency_regression"
    metric = "tick_total_p95"
    kind = "ticks"
    channel = "log_p95"
    setting = Setting(
        "ab.latency_margin_ratio", "float", 0.10, "Gate latency_regression: tolerated rise of p95; 0.1 is +10 %", 0, 10
    )
    threshold: float = setting.default

    @property
    def threshold_text(self) -> str:
        return f"A + {100 * self.threshold:g} %"

    @property
    def block_margin(self) -> float:
        return math.log1p(self.threshold)

    def bound(self, a: float) -> float:
        return a * (1 + self.threshold)
