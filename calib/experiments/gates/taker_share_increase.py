"""The gate on B's taker share compared with A's."""

from __future__ import annotations

from dataclasses import dataclass

from calib.config import Setting
from calib.experiments.gates.base import Gate


@dataclass(frozen=True, slots=True)
class TakerShareIncrease(Gate):
    """Breached if B's share of taker fills is above A's by more than the margin.

    Parameters
    ----------
    threshold
        Tolerated increase as a fraction of all fills: one percentage point is 0.01, not 1.0.

    >>> round(TakerShareIncrease(0.01).bound(0.20), 9)
    0.21
    """

    name = "taker_share_increase"
    metric = "taker_share"
    kind = "fills"
    channel = "taker_share"
    setting = Setting(
        "ab.taker_margin", "float", 0.01, "Gate taker_share_increase: tolerated increase; 0.01 is 1 p.p.", 0, 0.5
    )
    threshold: float = setting.default

    @property
    def threshold_text(self) -> str:
        return f"A + {100 * self.threshold:g} p.p."

    @property
    def block_margin(self) -> float:
        return self.threshold

    def bound(self, a: float) -> float:
        return a + self.threshold
