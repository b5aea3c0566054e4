"""B slips more than A."""

from __future__ import annotations

from dataclasses import dataclass

from calib.experiments.gates.base import Gate


@dataclass(frozen=True, slots=True)
class SlippageDegradation(Gate):
    """Breached where B's slippage is above A's by more than the margin.

    Parameters
    ----------
    margin_bps
        Tolerated worsening, bps; the seed rule tolerates none.

    >>> SlippageDegradation(0.5).bound(1.25)
    1.75
    """

    margin_bps: float = 0.0

    name = "slippage_degradation"
    metric = "slippage_bps"
    kind = "fills"
    channel = "slippage_bps"

    @property
    def sound_margin(self) -> float:
        return self.margin_bps

    def bound(self, a: float) -> float:
        return a + self.margin_bps
