"""Simulated durations: lognormal, in whole microseconds, with bursts in which all are longer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.simulation import portable_math
from calib.simulation.named_rng import NamedRng


@dataclass(frozen=True, slots=True)
class LogNormal:
    """A lognormal duration ``median exp(sigma z)`` with q-quantile ``median exp(sigma z_q)``.

    Parameters
    ----------
    median_us
        Microseconds, > 0.
    sigma
        Standard deviation of the logarithm, >= 0.
    cap_us
        Upper bound of a draw: the caller has a timeout.
    """

    median_us: int
    sigma: float
    cap_us: int = 2_000_000

    def draw(self, rng: NamedRng, factor: float = 1.0) -> int:
        """Draw a duration in microseconds, multiplied by ``factor``."""
        return min(self.cap_us, round(self.median_us * factor * portable_math.exp(self.sigma * rng.normal())))


CACHE_READ: Final = LogNormal(180, 0.4)
"""A read of market data from the bot's own cache."""
VENUE_READ: Final = LogNormal(36_000, 0.25)
"""A request of market data from the venue (REST), with its reply."""
FILL_REPORT: Final = LogNormal(9_000, 0.5, cap_us=400_000)
"""From the venue's match to the bot's receipt of the fill report."""
STAGES: Final = {
    "features": LogNormal(700, 0.35),
    "strategy": LogNormal(2_100, 0.35),
    "risk": LogNormal(450, 0.3),
    "quote": LogNormal(50_000, 0.35),
}
"""The stages after ``fetch_md``, in order; ``quote`` is sending the order and receiving its acknowledgement."""


class Bursts:
    """Periods in which all durations are longer, as if a machine or the network were overloaded.

    They start as a Poisson process and their lengths are exponential.

    Parameters
    ----------
    every_s, mean_s
        Mean time between the end of one and the start of the next, and mean length, s.
    factor
        Factor on every duration in a burst.
    """

    __slots__ = ("_end_us", "_factor", "_mean_us", "_next_us", "_rng", "_wait_us")

    def __init__(
        self, rng: NamedRng, start_us: int, *, every_s: float = 420.0, mean_s: float = 6.0, factor: float = 2.2
    ) -> None:
        self._rng = rng
        self._wait_us, self._mean_us, self._factor = every_s * 1e6, mean_s * 1e6, factor
        self._end_us = start_us
        self._next_us = start_us + round(rng.exponential(self._wait_us))

    def factor(self, now_us: int) -> float:
        """The factor at ``now_us``; call with non-decreasing times."""
        while now_us >= self._next_us:
            self._end_us = self._next_us + round(self._rng.exponential(self._mean_us))
            self._next_us = self._end_us + round(self._rng.exponential(self._wait_us))
        return self._factor if now_us < self._end_us else 1.0
