"""The gate on B's slippage compared with A's."""

from __future__ import annotations

from dataclasses import dataclass

from calib.config import Setting
from calib.experiments.gates.base import Gate


@dataclass(frozen=True, slots=True)
class SlippageDegradation(Gate):
    """Breached if B's slippage is above A's by more than the margin.

    Parameters
    ----------
    threshold
        Tolerated worsening, bps; the default tolerates none.

    >>> SlippageDegradation(0.5).bound(1.25)
    1.75
    """

    name = "slippage_degradation"
    metric = "slippage_bps"
    kind = "fills"
    channel = "slippage_bps"
    setting = Setting("ab.slippage_margin_bps", "float", 0.0, "Gate slippage_degradation: tolerated worsening, bps", 0)
    threshold: float = setting.default

    @property
    def threshold_text(self) -> str:
        return f"A + {self.threshold:g} bps"

    @property
    def block_margin(self) -> float:
        return self.threshold

    def bound(self, a: float) -> float:
        return a + self.threshold
