"""An estimate with its interval, as every figure of a fit is given."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure with its interval at the level of the fit.

    Parameters
    ----------
    est
        The figure.
    low, high
        Ends of its interval; None where the data give none.
    """

    est: float
    low: float | None
    high: float | None

    @property
    def relative_half_width(self) -> float:
        """Half the interval over the estimate's size; infinite without an interval or at zero.

        >>> Estimate(2.0, 1.0, 2.6).relative_half_width
        0.4
        """
        if self.low is None or self.high is None or not self.est:
            return math.inf
        return (self.high - self.low) / 2 / abs(self.est)

    def as_json(self) -> dict[str, float | None]:
        """The three numbers by name; what is not finite is null."""
        return {"est": finite(self.est), "low": finite(self.low), "high": finite(self.high)}


def finite(value: float | None) -> float | None:
    """The number, or None where it is NaN or infinite.

    >>> finite(float("inf")) is None
    True
    """
    return None if value is None or not math.isfinite(value) else float(value)
