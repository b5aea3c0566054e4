"""Where the bot quotes: a distance from the mid it saw that changes in spells, leant against its inventory."""

from __future__ import annotations

from typing import Final

from calib.simulation.instruments import Instrument
from calib.simulation.market import Book
from calib.simulation.named_rng import NamedRng

RUNGS: Final = (0, 0, 1, 1, 2, 4)
"""Steps of about one basis point that may be added to half the spread; each as likely as its number of entries."""
SPELL_TICKS: Final = 20
"""For how many ticks a distance is kept, on average: long enough for a quote to live, short enough to try them all."""
LEAN_BPS: Final = 1.5
"""Shift of both quotes at the inventory limit."""


class Pricer:
    """Quote prices of one symbol. Different distances are what makes A and k identifiable.

    Parameters
    ----------
    instrument, chance
        The symbol and the bot's stream of draws.
    """

    __slots__ = ("_chance", "_lean", "_rung", "_step")

    def __init__(self, instrument: Instrument, chance: NamedRng) -> None:
        ticks_per_bps = instrument.half_ticks_per_bps / 2
        self._step = max(1, round(ticks_per_bps))
        self._lean = max(1, round(LEAN_BPS * ticks_per_bps))
        self._chance = chance
        self._rung = 0

    def prices(self, seen: Book, inventory_share: float, *, too_close: bool) -> dict[int, int]:
        """Price in ticks by side (+1, -1); never through the other side of the book that was seen.

        Parameters
        ----------
        seen
            The book the bot decides on.
        inventory_share
            Inventory over its limit, -1 to 1: positive means long, and both prices go down.
        too_close
            A bad release: half the distance it should be.
        """
        if self._chance.happens(1 / SPELL_TICKS):
            self._rung = RUNGS[self._chance.below(len(RUNGS))]
        half_spread = (seen.ask - seen.bid) // 2
        distance = 0 if too_close else half_spread + self._rung * self._step
        lean = round(inventory_share * self._lean)
        buy = (seen.mid_h - 2 * distance) // 2 - lean
        sell = -((-seen.mid_h - 2 * distance) // 2) - lean
        return {+1: min(buy, seen.ask - 1), -1: max(sell, seen.bid + 1)}
