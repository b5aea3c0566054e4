"""The levels behind the best prices: on a grid, a few of them changed in each step."""

from __future__ import annotations

from typing import Final, NamedTuple

from calib.simulation.instruments import Instrument
from calib.simulation.market import Book
from calib.simulation.named_rng import NamedRng

LEVELS: Final = 25
"""Levels per side."""
TOUCHED: Final = 3
"""Number of levels whose quantity changes at random in each step."""


class Changes(NamedTuple):
    """The levels changed by a step: price in ticks -> quantity in lots, 0 for removed levels; bids and asks."""

    bids: dict[int, int]
    asks: dict[int, int]


class Depth:
    """The book of one instrument in whole ticks and lots.

    Levels are at the best price and behind it at multiples of a grid (a quarter of the usual spread), so that a move of
    the best price changes a few levels and not the whole side, as on a real venue.

    Parameters
    ----------
    instrument, rng
        The instrument, and random numbers for its book only.
    """

    __slots__ = ("_grid", "_mean_lots", "_rng", "asks", "bids")

    def __init__(self, instrument: Instrument, rng: NamedRng) -> None:
        spread_ticks = instrument.spread_bps * instrument.half_ticks_per_bps / 2
        self._grid = max(1, round(spread_ticks / 4))
        self._mean_lots = 12 * instrument.quote_lots
        self._rng = rng
        self.bids: dict[int, int] = {}
        self.asks: dict[int, int] = {}

    def step(self, best: Book) -> Changes:
        """Move the levels with the best prices; returns the changes."""
        return Changes(self._side(self.bids, best.bid, -1), self._side(self.asks, best.ask, +1))

    def take(self, aggressor: int, limit: int, share: float) -> Changes:
        """Apply a market order: ``aggressor`` +1 buys the asks up to ``limit`` ticks, -1 sells to the bids down to it.

        Levels before the limit are removed; the level at the limit loses that fraction (below 1), rounded down.
        """
        levels = self.asks if aggressor > 0 else self.bids
        changed: dict[int, int] = {}
        for price in sorted(levels, reverse=aggressor < 0):
            if (limit - price) * aggressor < 0:
                break
            left = levels[price] - int(levels[price] * share) if price == limit else 0
            changed[price] = left
            if left:
                levels[price] = left
            else:
                del levels[price]
        return Changes({}, changed) if aggressor > 0 else Changes(changed, {})

    def _side(self, levels: dict[int, int], best: int, away: int) -> dict[int, int]:
        """Set the best level and the grid levels behind it. ``away`` is -1 for bids, +1 for asks."""
        first = (best // self._grid + (away > 0)) * self._grid
        if away < 0 and first == best:
            first -= self._grid
        wanted = [best, *(first + away * self._grid * n for n in range(LEVELS - 1))]
        kept = set(wanted)
        changed = dict.fromkeys([price for price in levels if price not in kept], 0)
        for price in changed:
            del levels[price]
        fresh = [price for price in wanted if price not in levels]
        for price in fresh + [wanted[self._rng.below(LEVELS)] for _ in range(TOUCHED)]:
            levels[price] = changed[price] = self._lots()
        return changed

    def _lots(self) -> int:
        return max(1, round(self._rng.exponential(self._mean_lots)))
