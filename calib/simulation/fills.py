"""When a resting quote is filled: the intensity ``A exp(-k delta)``, and the queue ahead of us."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from calib.simulation import portable
from calib.simulation.chance import Chance
from calib.simulation.instruments import Instrument

US_PER_S: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Queue:
    """What stands before us at our price when we join.

    Parameters
    ----------
    lots
        Quantity ahead, lots.
    weight
        Factor on our intensity, 0.5 (longest queue) to 1.5 (nobody ahead); its mean over all queues is 1, so that A
        and k remain those of the average quote.
    """

    lots: int
    weight: float


def join_queue(chance: Chance, instrument: Instrument) -> Queue:
    """A queue of uniformly distributed length, from nobody to 40 of our own quotes ahead."""
    share = chance.below(1_001) / 1_000
    return Queue(lots=round(share * 40 * instrument.quote_lots), weight=1.5 - share)


class Intensity:
    """The fill intensity of one instrument: ``A exp(-k max(delta, 0))`` per second (Avellaneda and Stoikov, 2008).

    >>> from calib.simulation.instruments import instrument
    >>> btc = instrument("BTCUSDT")
    >>> at_mid, far = Intensity(btc).per_s(0), Intensity(btc).per_s(round(2 * btc.half_ticks_per_bps))
    >>> at_mid, round(far / at_mid, 4)  # exp(-0.55 * 2)
    (0.022, 0.3329)
    """

    __slots__ = ("_a", "_k_per_half_tick", "_known")

    def __init__(self, instrument: Instrument) -> None:
        self._a = instrument.intensity_per_s
        self._k_per_half_tick = instrument.decay_per_bps / instrument.half_ticks_per_bps
        self._known: dict[int, float] = {}

    def per_s(self, delta_h: int) -> float:
        """Fills per second of a quote ``delta_h`` half ticks away from the mid, at any distance within the mid: A."""
        delta_h = max(delta_h, 0)
        rate = self._known.get(delta_h)
        if rate is None:
            rate = self._known[delta_h] = self._a * portable.exp(-self._k_per_half_tick * delta_h)
        return rate

    def time_to_fill_us(self, chance: Chance, rate_per_s: float, window_us: int) -> int | None:
        """Microseconds to the fill, or None where it does not come within the window.

        The time to an event of a constant rate is exponential: ``t = -log(1 - u) / rate``. Since
        ``1 - exp(-x) <= x``, most draws are settled without the logarithm.
        """
        u = chance.uniform()
        if u >= rate_per_s * window_us / US_PER_S:
            return None
        after_us = int(-portable.log(1.0 - u) / rate_per_s * US_PER_S)
        return after_us if after_us < window_us else None
