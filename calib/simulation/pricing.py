"""The bot's quote prices: a distance from the mid that changes now and then, skewed against its inventory."""

from __future__ import annotations

from typing import Final

from calib.simulation.instruments import Instrument
from calib.simulation.market import Book
from calib.simulation.named_rng import NamedRng

DISTANCE_STEPS: Final = (0, 0, 1, 1, 2, 4)
"""Additional distance in steps of about one basis point; a repeated value is proportionally more likely."""
MEAN_HOLD_TICKS: Final = 20
"""Mean number of ticks for which a distance is kept: long enough for fills, short enough to use every distance."""
SKEW_BPS: Final = 1.5
"""Skew of both quotes at the inventory limit."""


class Pricer:
    """Quote prices of one symbol. Varied distances are needed to identify A and k.

    Parameters
    ----------
    instrument, rng
        The symbol, and the bot's random numbers.
    """

    __slots__ = ("_distance_step", "_rng", "_skew", "_step")

    def __init__(self, instrument: Instrument, rng: NamedRng) -> None:
        ticks_per_bps = instrument.half_ticks_per_bps / 2
        self._step = max(1, round(ticks_per_bps))
        self._skew = max(1, round(SKEW_BPS * ticks_per_bps))
        self._rng = rng
        self._distance_step = 0

    def prices(self, seen: Book, inventory_share: float, *, too_close: bool) -> dict[int, int]:
        """Price in ticks by side (+1, -1); never crosses the other side of the book.

        Parameters
        ----------
        seen
            The book that the decision is based on.
        inventory_share
            Inventory divided by its limit, -1 to 1: if positive (long), both prices are lowered.
        too_close
            A bad release: the quotes are at half the intended distance.
        """
        if self._rng.happens(1 / MEAN_HOLD_TICKS):
            self._distance_step = DISTANCE_STEPS[self._rng.below(len(DISTANCE_STEPS))]
        half_spread = (seen.ask - seen.bid) // 2
        distance = 0 if too_close else half_spread + self._distance_step * self._step
        skew = round(inventory_share * self._skew)
        buy = (seen.mid_h - 2 * distance) // 2 - skew
        sell = -((-seen.mid_h - 2 * distance) // 2) - skew
        return {+1: min(buy, seen.ask - 1), -1: max(sell, seen.bid + 1)}
