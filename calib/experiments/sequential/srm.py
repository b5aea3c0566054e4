"""Sample-ratio mismatch: are the units split as they were meant to be?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

SRM_ALPHA: Final = 0.001


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Counted (symbol, block) units with data against what the assignment expects."""

    a: int
    b: int
    expected_b: float
    """Share of the assigned units that are in B."""

    @property
    def chi_square(self) -> float | None:
        """``sum (observed - expected)^2 / expected`` with one degree of freedom; None where nothing is expected."""
        n = self.a + self.b
        if n == 0 or not 0 < self.expected_b < 1:
            return None
        due_b = n * self.expected_b
        due_a = n - due_b
        return (self.a - due_a) ** 2 / due_a + (self.b - due_b) ** 2 / due_b

    @property
    def p_value(self) -> float | None:
        """Upper tail of the chi-square distribution with one degree of freedom: ``erfc(sqrt(x / 2))``.

        >>> round(SampleRatio(60, 40, 0.5).p_value, 5)  # chi-square 4
        0.0455
        """
        statistic = self.chi_square
        return None if statistic is None else math.erfc(math.sqrt(statistic / 2))

    @property
    def mismatch(self) -> bool:
        """Whether p is below 0.001: the split is not what was asked, and no comparison can be trusted."""
        p = self.p_value
        return p is not None and p < SRM_ALPHA
