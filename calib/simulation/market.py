"""The market: a random walk of the mid in half ticks with volatility regimes, and a spread around it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

from calib.simulation.instruments import Instrument
from calib.simulation.named_rng import NamedRng


@dataclass(frozen=True, slots=True)
class Regime:
    """A volatility regime.

    Parameters
    ----------
    name
        ``calm``, ``busy`` or ``storm``.
    vol_factor
        Multiple of the instrument's volatility in the calm regime.
    spread_factor
        Multiple of its usual spread.
    mean_s
        Mean duration, s; durations are geometric in the steps of the market.
    after
        Names of the possible next regimes; a repeated name is proportionally more likely.
    """

    name: str
    vol_factor: float
    spread_factor: float
    mean_s: float
    after: tuple[str, ...]


REGIMES: Final = {
    regime.name: regime
    for regime in (
        Regime("calm", 1.0, 1.0, 600.0, ("busy", "busy", "busy", "storm")),
        Regime("busy", 1.8, 1.3, 240.0, ("calm", "calm", "calm", "storm")),
        Regime("storm", 4.0, 2.2, 60.0, ("busy", "busy", "calm")),
    )
}


class Book(NamedTuple):
    """The best prices in whole ticks; the mid in half ticks."""

    bid: int
    ask: int
    update_id: int

    @property
    def mid_h(self) -> int:
        """The mid in half ticks."""
        return self.bid + self.ask


class Market:
    """The market of one instrument, advanced step by step.

    In each step of dt seconds the mid moves by ``round(sigma sqrt(dt) z)`` half ticks, z standard normal. The variance
    of a step is ``sigma^2 dt + 1/12`` half ticks squared (Sheppard's correction, accurate for standard deviations
    above 0.7 half ticks).

    Parameters
    ----------
    instrument
        The instrument.
    rng
        Random numbers for this market only.
    step_s
        Length of a step, s, > 0.
    """

    __slots__ = ("_instrument", "_mid_h", "_rng", "_sd", "_step_s", "_update_id", "book", "regime")

    def __init__(self, instrument: Instrument, rng: NamedRng, step_s: float) -> None:
        self._instrument = instrument
        self._rng = rng
        self._step_s = step_s
        calm = instrument.vol_bps * instrument.half_ticks_per_bps * math.sqrt(step_s)
        self._sd = {name: calm * regime.vol_factor for name, regime in REGIMES.items()}
        self.regime = REGIMES["calm"]
        self._mid_h = 2 * instrument.start_ticks
        self._update_id = 1_000_000
        self.book = self._quote()

    def step(self) -> Book:
        """Advance the market by one step and return its best prices."""
        if self._rng.happens(self._step_s / self.regime.mean_s):
            after = self.regime.after
            self.regime = REGIMES[after[self._rng.below(len(after))]]
        self._mid_h = self._bounded(self._mid_h + round(self._sd[self.regime.name] * self._rng.normal()))
        self._update_id += 1 + self._rng.below(round(40 * self._step_s) + 1)
        self.book = self._quote()
        return self.book

    def move_mid(self, half_ticks: int) -> None:
        """Move the mid permanently, as a trade does; the spread does not change."""
        self._mid_h = self._bounded(self._mid_h + half_ticks)
        self._update_id += 1
        self.book = self._quote()

    def _bounded(self, mid_h: int) -> int:
        """Clamp the mid to between half and twice the initial price, so that no path reaches a price of 0."""
        start = self._instrument.start_ticks
        return min(max(mid_h, start), 4 * start)

    def _quote(self) -> Book:
        usual = self._instrument.spread_bps * self._instrument.half_ticks_per_bps / 2
        spread = max(1, round(usual * self.regime.spread_factor))
        spread += (spread ^ self._mid_h) & 1  # bid and ask are whole ticks only if spread and mid have equal parity
        return Book((self._mid_h - spread) // 2, (self._mid_h + spread) // 2, self._update_id)
