"""B's ticks take longer than A's."""

from __future__ import annotations

import math
from dataclasses import dataclass

from calib.experiments.gates.base import Gate


@dataclass(frozen=True, slots=True)
class LatencyRegression(Gate):
    """Breached where B's p95 of ``tick_total_ms`` is above A's by more than the ratio.

    The sound decision compares the logarithm of each symbol's own p95: a pooled p95 is ruled by the slowest symbol.

    Parameters
    ----------
    margin_ratio
        Tolerated increase: 0.10 is +10 %.

    >>> round(LatencyRegression(0.10).bound(100.0), 9)
    110.0
    """

    margin_ratio: float = 0.10

    name = "latency_regression"
    metric = "tick_total_p95"
    kind = "ticks"
    channel = "log_p95"

    @property
    def sound_margin(self) -> float:
        return math.log1p(self.margin_ratio)

    def bound(self, a: float) -> float:
        return a * (1 + self.margin_ratio)
