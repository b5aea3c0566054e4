"""How long things take: lognormal durations in whole microseconds, and bursts in which all of them take longer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.simulation import portable_math
from calib.simulation.named_rng import NamedRng


@dataclass(frozen=True, slots=True)
class LogNormal:
    """A duration with a median and a spread: ``median exp(sigma z)``, its q-quantile ``median exp(sigma z_q)``.

    Parameters
    ----------
    median_us
        Microseconds, > 0.
    sigma
        Standard deviation of the logarithm, >= 0.
    cap_us
        No draw is longer: the caller has a timeout.
    """

    median_us: int
    sigma: float
    cap_us: int = 2_000_000

    def draw(self, chance: NamedRng, factor: float = 1.0) -> int:
        """One duration, microseconds, ``factor`` times as long as usual."""
        return min(self.cap_us, round(self.median_us * factor * portable_math.exp(self.sigma * chance.normal())))


CACHE_READ: Final = LogNormal(180, 0.4)
"""Market data read from the bot's own cache."""
VENUE_READ: Final = LogNormal(36_000, 0.25)
"""Market data asked of the venue (REST), there and back."""
FILL_REPORT: Final = LogNormal(9_000, 0.5, cap_us=400_000)
"""From the venue's match to our receipt of the fill."""
STAGES: Final = {
    "features": LogNormal(700, 0.35),
    "strategy": LogNormal(2_100, 0.35),
    "risk": LogNormal(450, 0.3),
    "quote": LogNormal(50_000, 0.35),
}
"""The stages after ``fetch_md``, in their order; ``quote`` is the order's way to the venue and its acknowledgement."""


class Bursts:
    """Spells in which everything is slow, as when a machine or the network is overloaded.

    They begin as a Poisson process and last an exponential time.

    Parameters
    ----------
    every_s, mean_s
        Mean time from the end of one to the next, and its mean length, s.
    factor
        Factor on every duration within.
    """

    __slots__ = ("_chance", "_end_us", "_factor", "_mean_us", "_next_us", "_wait_us")

    def __init__(
        self, chance: NamedRng, start_us: int, *, every_s: float = 420.0, mean_s: float = 6.0, factor: float = 2.2
    ) -> None:
        self._chance = chance
        self._wait_us, self._mean_us, self._factor = every_s * 1e6, mean_s * 1e6, factor
        self._end_us = start_us
        self._next_us = start_us + round(chance.exponential(self._wait_us))

    def factor(self, now_us: int) -> float:
        """The factor at ``now_us``; times must not go back."""
        while now_us >= self._next_us:
            self._end_us = self._next_us + round(self._chance.exponential(self._mean_us))
            self._next_us = self._end_us + round(self._chance.exponential(self._wait_us))
        return self._factor if now_us < self._end_us else 1.0
