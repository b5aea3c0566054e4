"""Ratio of two counts that fade together."""

from __future__ import annotations

from calib.features.base import Statistic, check_alpha


class DecayedRatio(Statistic):
    """Hits per try, both fading by ``1 - alpha`` with each try.

    A try: ``hits <- (1 - a) hits`` and ``tries <- (1 - a) tries + 1``. A hit: ``hits <- hits + 1``. Two averages
    updated by events of different kinds would not be a ratio of anything; this is.

    Parameters
    ----------
    alpha
        Share that fades with each try, in (0, 1].

    >>> rate = DecayedRatio(alpha=0.5)
    >>> rate.hit()  # a hit before any try has no denominator
    >>> rate.get() is None
    True
    >>> rate.tried(); rate.tried(); rate.hit()
    >>> rate.get()  # hits 1 -> 0.5 -> 0.25 -> 1.25; tries 1 -> 1.5
    0.8333333333333334
    """

    __slots__ = ("_hits", "_keep", "_tries", "alpha")

    def __init__(self, alpha: float = 0.1) -> None:
        self.alpha = check_alpha(alpha)
        self._keep = 1.0 - self.alpha
        self._hits = 0.0
        self._tries = 0.0

    def tried(self) -> None:
        """One more try."""
        self._hits *= self._keep
        self._tries = self._tries * self._keep + 1.0

    def hit(self) -> None:
        """One more hit."""
        self._hits += 1.0

    def get(self) -> float | None:
        return self._hits / self._tries if self._tries else None
