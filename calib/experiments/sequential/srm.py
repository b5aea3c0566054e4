"""Sample-ratio mismatch: whether the units are split as assigned."""

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
    """Number of (symbol, block) units with data in each arm, and the expected share."""

    a: int
    b: int
    expected_b: float
    """Expected share of the units in B, in [0, 1]."""

    @property
    def chi_square(self) -> float | None:
        """``sum (observed - expected)^2 / expected``, one degree of freedom; None if an arm has no expected units."""
        n = self.a + self.b
        if n == 0 or not 0 < self.expected_b < 1:
            return None
        expected_b = n * self.expected_b
        expected_a = n - expected_b
        return (self.a - expected_a) ** 2 / expected_a + (self.b - expected_b) ** 2 / expected_b

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
        """Log of the mixture likelihood ratio against the expected share; valid after every unit.

        The alternative is a Beta prior with the expected mean and the weight of 100 units
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
    def significant(self) -> bool:
        """Whether the anytime-valid p is at most 0.001: a mismatch that may cause a rollback."""
        return self.log_e >= -math.log(SRM_ALPHA)

    @property
    def b_underrepresented(self) -> bool:
        """Whether B has fewer units than expected."""
        return self.b < (self.a + self.b) * self.expected_b

    @property
    def mismatch(self) -> bool:
        """Whether p is below 0.001: the units are not split as assigned, so no comparison is valid."""
        p = self.p_value
        return p is not None and p < SRM_ALPHA
