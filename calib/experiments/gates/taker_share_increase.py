"""B crosses more often than A."""

from __future__ import annotations

from dataclasses import dataclass

from calib.experiments.gates.base import Gate


@dataclass(frozen=True, slots=True)
class TakerShareIncrease(Gate):
    """Breached where B's share of taker fills is above A's by more than the margin.

    Parameters
    ----------
    margin
        Tolerated increase as a fraction of all fills: one percentage point is 0.01, not 1.0.

    >>> round(TakerShareIncrease(0.01).bound(0.20), 9)
    0.21
    """

    margin: float = 0.01

    name = "taker_share_increase"
    metric = "taker_share"
    kind = "fills"
    channel = "taker_share"

    @property
    def sound_margin(self) -> float:
        return self.margin

    def bound(self, a: float) -> float:
        return a + self.margin
