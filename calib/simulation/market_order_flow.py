"""The market's own trades: orders whose reach makes the fill rate of quotes ``A exp(-k delta)``."""

from __future__ import annotations

from typing import NamedTuple

from calib.simulation.instruments import Instrument
from calib.simulation.named_rng import NamedRng


class MarketOrder(NamedTuple):
    """An order that takes everything before ``limit`` ticks, and ``share`` (0 to 1) of the level at the limit."""

    aggressor: int
    limit: int
    share: float


class MarketOrderFlow:
    """Market orders of one instrument.

    On each side they arrive at rate A, and their reach from the mid is exponential with mean 1 / k. Orders that reach
    a quote at distance delta then arrive at rate ``A exp(-k delta)``: the intensity of Avellaneda and Stoikov (2008),
    which here follows from orders that are matched with a queue instead of being imposed on fills.

    Parameters
    ----------
    instrument, rng
        The instrument, and random numbers for its orders only.
    """

    __slots__ = ("_instrument", "_mean_h", "_rng")

    def __init__(self, instrument: Instrument, rng: NamedRng) -> None:
        self._instrument = instrument
        self._rng = rng
        self._mean_h = instrument.half_ticks_per_bps / instrument.decay_per_bps

    def orders(self, mid_h: int, elapsed_s: float) -> list[MarketOrder]:
        """The orders of the next ``elapsed_s`` seconds (short against 1 / A: at most one per side), buys first."""
        found = []
        for aggressor in (+1, -1):
            if self._rng.happens(self._instrument.intensity_per_s * elapsed_s):
                reach_h = aggressor * int(self._rng.exponential(self._mean_h))
                limit = (mid_h + reach_h) // 2 if aggressor > 0 else -((-mid_h - reach_h) // 2)
                found.append(MarketOrder(aggressor, limit, self._rng.uniform()))
        return found

    def impact_half_ticks(self, order: MarketOrder) -> int:
        """The move of the mid caused by an order: takers are informed."""
        mean_h = self._instrument.impact_bps * self._instrument.half_ticks_per_bps
        return order.aggressor * int(self._rng.exponential(mean_h))
