"""An estimate with its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate with its interval at the level of the fit.

    Parameters
    ----------
    est
        The estimate.
    low, high
        Limits of its interval; None if the data do not allow one.
    """

    est: float
    low: float | None
    high: float | None

    @property
    def relative_half_width(self) -> float:
        """Half the width of the interval divided by the estimate; infinite without an interval or at zero.

        >>> Estimate(2.0, 1.0, 2.6).relative_half_width
        0.4
        """
        if self.low is None or self.high is None or not self.est:
            return math.inf
        return (self.high - self.low) / 2 / abs(self.est)

    def as_json(self) -> dict[str, float | None]:
        """The three numbers by name; null if not finite."""
        return {"est": finite(self.est), "low": finite(self.low), "high": finite(self.high)}


def finite(value: float | None) -> float | None:
    """The number, or None if it is NaN or infinite.

    >>> finite(float("inf")) is None
    True
    """
    return None if value is None or not math.isfinite(value) else float(value)
