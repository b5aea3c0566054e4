"""The ratio of two counts that decay together."""

from __future__ import annotations

from calib.features.base import Statistic, check_alpha


class DecayedRatio(Statistic):
    """Hits per attempt, both decaying by ``1 - alpha`` with each attempt.

    Attempt: ``hits <- (1 - a) hits`` and ``tries <- (1 - a) tries + 1``. Hit: ``hits <- hits + 1``. Two separate
    averages that decay on different events would not form a ratio; these two counts do.

    Parameters
    ----------
    alpha
        Fraction that decays with each attempt, in (0, 1].

    >>> rate = DecayedRatio(alpha=0.5)
    >>> rate.hit()  # a hit before any attempt: no denominator yet
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
        """Count an attempt."""
        self._hits *= self._keep
        self._tries = self._tries * self._keep + 1.0

    def hit(self) -> None:
        """Count a hit."""
        self._hits += 1.0

    def get(self) -> float | None:
        return self._hits / self._tries if self._tries else None
