"""The market's own trades: orders that reach so far into the book that quotes are filled at ``A exp(-k delta)``."""

from __future__ import annotations

from typing import NamedTuple

from calib.simulation.instruments import Instrument
from calib.simulation.named_rng import NamedRng


class MarketOrder(NamedTuple):
    """An order that takes everything up to ``limit`` ticks, and ``share`` (0 to 1) of the level at the limit."""

    aggressor: int
    limit: int
    share: float


class MarketOrderFlow:
    """Market orders of one instrument.

    On each side they arrive with rate A, and reach an exponential distance with mean 1 / k from the mid. The rate of
    those that reach past a quote at distance delta is then ``A exp(-k delta)``: Avellaneda and Stoikov's intensity
    (2008), here not put in at the fill but brought about by orders that meet a queue.

    Parameters
    ----------
    instrument, chance
        Whose orders, and their own stream of draws.
    """

    __slots__ = ("_chance", "_instrument", "_mean_h")

    def __init__(self, instrument: Instrument, chance: NamedRng) -> None:
        self._instrument = instrument
        self._chance = chance
        self._mean_h = instrument.half_ticks_per_bps / instrument.decay_per_bps

    def orders(self, mid_h: int, elapsed_s: float) -> list[MarketOrder]:
        """The orders of the next ``elapsed_s`` seconds (short against 1 / A: one a side at most), buys first."""
        found = []
        for aggressor in (+1, -1):
            if self._chance.happens(self._instrument.intensity_per_s * elapsed_s):
                reach_h = aggressor * int(self._chance.exponential(self._mean_h))
                limit = (mid_h + reach_h) // 2 if aggressor > 0 else -((-mid_h - reach_h) // 2)
                found.append(MarketOrder(aggressor, limit, self._chance.uniform()))
        return found

    def impact_half_ticks(self, order: MarketOrder) -> int:
        """How far the mid moves with an order: takers are informed."""
        mean_h = self._instrument.impact_bps * self._instrument.half_ticks_per_bps
        return order.aggressor * int(self._chance.exponential(mean_h))
