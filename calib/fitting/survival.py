"""Waiting times of quotes: Kaplan-Meier if left resting, Aalen-Johansen as traded.

These answer two questions. "If left resting" treats a withdrawn quote as censored; "as traded" treats withdrawal as a
competing event. They are never mixed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from calib.fitting.arrays import Bools, Floats, Ints
from calib.fitting.special import normal_quantile

Transform = Literal["log-log", "log", "plain"]


@dataclass(frozen=True, slots=True)
class SurvivalCurve:
    """A Kaplan-Meier curve: a step function that changes at the event times.

    Parameters
    ----------
    times, survival
        S(t) from each time on; 1 before the first.
    greenwood
        ``sum d / (n (n - d))`` up to each time; infinite once nothing is at risk.
    at_risk, events
        Number at risk and number of events at each time.
    """

    times: Floats
    survival: Floats
    greenwood: Floats
    at_risk: Floats
    events: Floats

    def at(self, moments: Floats, *, before: bool = False) -> Floats:
        """S at each time; with ``before`` just before it."""
        place = np.searchsorted(self.times, moments, side="left" if before else "right")
        return np.asarray(np.concatenate([[1.0], self.survival])[place])

    def standard_error(self) -> Floats:
        """Greenwood's standard error at each step; 0 if S is 0."""
        return np.where(self.survival > 0, self.survival * np.sqrt(np.where(self.survival > 0, self.greenwood, 0)), 0)

    def interval(self, level: float = 0.95, transform: Transform = "log-log") -> tuple[Floats, Floats]:
        """Limits of the interval of S at each step; NaN if S is 0 or 1."""
        s, z = self.survival, normal_quantile(level)
        inside = (s > 0) & (s < 1)
        safe = np.where(inside, s, 0.5)
        spread = np.sqrt(np.where(inside, self.greenwood, 0.0))
        if transform == "plain":
            low, high = safe - z * safe * spread, safe + z * safe * spread
        elif transform == "log":
            low, high = safe * np.exp(-z * spread), safe * np.exp(z * spread)
        else:
            logs = np.log(safe)
            factor = np.exp(z * spread / -logs)
            low, high = safe**factor, safe ** (1 / factor)
        low, high = np.clip(low, 0, 1), np.clip(high, 0, 1)
        return np.where(inside, low, np.nan), np.where(inside, high, np.nan)

    def interval_at(self, moment: float, level: float = 0.95) -> tuple[float | None, float | None]:
        """The log-log interval of S at a time; None if S is 0 or 1."""
        place = int(np.searchsorted(self.times, moment, side="right")) - 1
        if place < 0:
            return None, None
        low, high = (float(end[place]) for end in self.interval(level))
        return (None, None) if math.isnan(low) else (low, high)

    def quantile(self, p: float) -> float | None:
        """The first time at which S is at most 1 - p; None if there is none."""
        reached = np.flatnonzero(self.survival <= 1 - p + 1e-12)
        return float(self.times[reached[0]]) if len(reached) else None

    def quantile_interval(self, p: float, level: float = 0.95) -> tuple[float | None, float | None]:
        """Brookmeyer and Crowley (1982): the times at which 1 - p is in the log-log interval of S."""
        low, high = self.interval(level)
        # At S = 0 there is no interval; use [0, 0].
        low, high = (np.where(self.survival <= 0, 0.0, end) for end in (low, high))
        ends = []
        for bound in (low, high):
            reached = np.flatnonzero(bound <= 1 - p + 1e-12)
            ends.append(float(self.times[reached[0]]) if len(reached) else None)
        return ends[0], ends[1]


def kaplan_meier(times: Floats, events: Bools, *, events_first: bool = True) -> SurvivalCurve:
    """Compute the product-limit estimate.

    Parameters
    ----------
    times
        Time to the event or to the end of observation.
    events
        Whether it ended with the event.
    events_first
        Whether events come before censored observations at equal times; False for the curve of withdrawals, because
        fills come first at equal times.

    >>> import numpy as np
    >>> curve = kaplan_meier(np.array([1.0, 2.0, 2.0, 3.0]), np.array([True, True, False, False]))
    >>> curve.times.tolist(), curve.survival.tolist()
    ([1.0, 2.0], [0.75, 0.5])
    """
    ordered = np.sort(times)
    moments, counts = np.unique(times[events], return_counts=True)
    at_risk = len(times) - np.searchsorted(ordered, moments, side="left")
    if not events_first:
        others = np.sort(times[~events])
        at_risk = at_risk - (
            np.searchsorted(others, moments, side="right") - np.searchsorted(others, moments, side="left")
        )
    d, n = counts.astype(float), at_risk.astype(float)
    with np.errstate(divide="ignore"):
        greenwood = np.cumsum(d / (n * (n - d)))
    return SurvivalCurve(moments, np.cumprod(1 - d / n), greenwood, n, d)


@dataclass(frozen=True, slots=True)
class Incidence:
    """Cumulative incidence of one cause: the fraction that ended by it up to each time.

    Parameters
    ----------
    times, share
        Steps at the times of all causes.
    standard_error
        Standard error of the fraction, by the delta method (Marubini and Valsecchi 1995).
    """

    times: Floats
    share: Floats
    standard_error: Floats

    def at(self, moment: float) -> tuple[float, float]:
        """The fraction and its standard error at a time; 0 before the first step."""
        place = int(np.searchsorted(self.times, moment, side="right")) - 1
        return (0.0, 0.0) if place < 0 else (float(self.share[place]), float(self.standard_error[place]))


def aalen_johansen(times: Floats, causes: Ints, cause: int) -> Incidence:
    """Compute the cumulative incidence of a cause; cause 0 is censored, every other number ends the wait.

    >>> import numpy as np
    >>> found = aalen_johansen(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 3, 1, 0]), 1)
    >>> found.share.tolist()
    [0.25, 0.25, 0.5]
    """
    curve = kaplan_meier(times, causes != 0)
    before = np.concatenate([[1.0], curve.survival[:-1]])
    mine = np.zeros(len(curve.times))
    moments, counts = np.unique(times[causes == cause], return_counts=True)
    mine[np.searchsorted(curve.times, moments)] = counts
    n, d = curve.at_risk, curve.events
    share = np.cumsum(before * mine / n)
    with np.errstate(divide="ignore", invalid="ignore"):
        # Var I(t) = sum over s <= t of [(I(t) - I(s))^2 d / (n (n - d)) + S^2 d1 (n - d1) / n^3
        #                                - 2 (I(t) - I(s)) S d1 / n^2]
        g = np.where(n > d, d / (n * (n - d)), 0.0)
        h = before**2 * mine * (n - mine) / n**3
        c = before * mine / n**2
    squares = share**2 * np.cumsum(g) - 2 * share * np.cumsum(g * share) + np.cumsum(g * share**2)
    crossed = share * np.cumsum(c) - np.cumsum(c * share)
    variance = squares + np.cumsum(h) - 2 * crossed
    return Incidence(curve.times, share, np.sqrt(np.maximum(variance, 0.0)))
