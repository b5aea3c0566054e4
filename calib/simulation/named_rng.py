"""Random numbers of the simulation: seeded by names, equal on every machine and for every PYTHONHASHSEED."""

from __future__ import annotations

import hashlib
import math
import random

from calib.simulation import portable_math


class NamedRng:
    """A stream of random numbers that is identified by a name.

    Parameters
    ----------
    names
        The parts of the name, e.g. the seed, the symbol and the hour. Equal names give equal streams, different names
        independent ones (the seed is their SHA-256).

    Only `random.Random.random` and integer seeds are used: Python guarantees these sequences across versions, but not
    those of its other distributions (and numpy guarantees none of its ``Generator``).

    >>> NamedRng(1, "BTCUSDT").uniform() == NamedRng(1, "BTCUSDT").uniform()
    True
    """

    __slots__ = ("_spare", "uniform")

    def __init__(self, *names: str | int) -> None:
        text = "\x1f".join(str(name) for name in names)
        seed = int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest(), "big")
        self.uniform = random.Random(seed).random
        """A float in [0, 1)."""
        self._spare: float | None = None

    def happens(self, probability: float) -> bool:
        """Return True with that probability."""
        return self.uniform() < probability

    def below(self, n: int) -> int:
        """A uniform integer in [0, n)."""
        return int(self.uniform() * n)

    def between(self, low: int, high: int) -> int:
        """A uniform integer in [low, high]."""
        return low + self.below(high - low + 1)

    def normal(self) -> float:
        """A standard normal draw (Marsaglia and Bray's polar method, 1964)."""
        if self._spare is not None:
            z, self._spare = self._spare, None
            return z
        while True:
            a = 2.0 * self.uniform() - 1.0
            b = 2.0 * self.uniform() - 1.0
            square = a * a + b * b
            if 0.0 < square < 1.0:
                scale = math.sqrt(-2.0 * portable_math.log(square) / square)
                self._spare = b * scale
                return a * scale

    def exponential(self, mean: float) -> float:
        """An exponential draw with that mean."""
        return -mean * portable_math.log(1.0 - self.uniform())
