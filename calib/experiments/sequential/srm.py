"""Sample-ratio mismatch: are the units split as they were meant to be?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

SRM_ALPHA: Final = 0.001
_WEIGHT: Final = 100.0


def _log_beta(one: float, other: float) -> float:
    return math.lgamma(one) + math.lgamma(other) - math.lgamma(one + other)


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
    def log_e(self) -> float:
        """``log`` of the mixture likelihood ratio against the expected share; it may be looked at after every unit.

        A Beta prior with the expected mean and the weight of 100 units stands for "another share"
        (Lindon and Malek 2022: Anytime-valid inference for multinomial count data, NeurIPS 35).

        >>> SampleRatio(50, 50, 0.5).log_e < 0 < SampleRatio(80, 20, 0.5).log_e
        True
        """
        if not 0 < self.expected_b < 1:
            return 0.0
        prior_b, prior_a = _WEIGHT * self.expected_b, _WEIGHT * (1 - self.expected_b)
        mixed = _log_beta(prior_a + self.a, prior_b + self.b) - _log_beta(prior_a, prior_b)
        return mixed - self.a * math.log(1 - self.expected_b) - self.b * math.log(self.expected_b)

    @property
    def anytime_p(self) -> float:
        """``min(1, 1 / E)``."""
        return math.exp(-max(0.0, self.log_e))

    @property
    def shown(self) -> bool:
        """Whether the sequential form of the check is below 0.001: enough to act on."""
        return self.log_e >= -math.log(SRM_ALPHA)

    @property
    def b_lacks(self) -> bool:
        """Whether B has fewer units than expected."""
        return self.b < (self.a + self.b) * self.expected_b

    @property
    def mismatch(self) -> bool:
        """Whether p is below 0.001: the split is not what was asked, and no comparison can be trusted."""
        p = self.p_value
        return p is not None and p < SRM_ALPHA
