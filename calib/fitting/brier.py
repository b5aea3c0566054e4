"""Whether forecast fill probabilities are right: the Brier score under withdrawal, and reliability.

A quote that was withdrawn before the horizon says nothing about whether it would have been filled by then. Counting it
as unfilled gives .249 for a true .210. It is left out, and the others weigh more for it (Graf et al. 1999).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from calib.fitting.arrays import Bools, Floats
from calib.fitting.estimate import finite
from calib.fitting.survival import kaplan_meier

MIN_RESTING: Final = 0.05
"""With a smaller probability of resting to the horizon the weights are too large: null."""
DECILES: Final = 10


@dataclass(frozen=True, slots=True)
class BrierScore:
    """A Brier score at one horizon.

    Parameters
    ----------
    horizon_s
        The horizon, s.
    brier
        The model's; None where too few rest to the horizon.
    marginal
        That of the same Kaplan-Meier probability for every quote.
    skill
        1 - brier / marginal: positive is better than knowing nothing of the quote.
    n
        Quotes with a weight.
    """

    horizon_s: float
    brier: float | None
    marginal: float | None
    skill: float | None
    n: int

    def as_json(self) -> dict[str, Any]:
        return {
            "horizon_s": self.horizon_s,
            "n": self.n,
            "brier": finite(self.brier),
            "marginal": finite(self.marginal),
            "skill": finite(self.skill),
        }


def withdrawal_weights(times: Floats, filled: Bools, withdrawn: Bools, horizon_s: float) -> Floats | None:
    """Each quote's weight: 1/G(t-) for a fill by the horizon, 1/G(h) for one resting past it, 0 withdrawn before.

    G is the Kaplan-Meier curve of withdrawal, where fills of the same time come first. None where G(h) is below .05.

    Parameters
    ----------
    times, filled, withdrawn
        Life of each quote, s, and how it ended; neither is censored at the end of the data.
    """
    resting = kaplan_meier(times, withdrawn, events_first=False)
    at_horizon = float(resting.at(np.array([horizon_s]))[0])
    if at_horizon < MIN_RESTING:
        return None
    hit = filled & (times <= horizon_s)
    past = times > horizon_s
    with np.errstate(divide="ignore"):
        before = 1 / resting.at(times, before=True)
    return np.where(hit, before, np.where(past, 1 / at_horizon, 0.0))


def brier_score(
    predicted: Floats, times: Floats, filled: Bools, withdrawn: Bools, horizon_s: float, marginal: float | None = None
) -> BrierScore:
    """Score forecasts of ``P(filled by horizon_s)``.

    Parameters
    ----------
    marginal
        The probability that knows nothing of the quote; None: the Kaplan-Meier one of the same quotes.
    """
    weights = withdrawal_weights(times, filled, withdrawn, horizon_s)
    if weights is None or not len(times):
        return BrierScore(horizon_s, None, None, None, 0)
    hit = (filled & (times <= horizon_s)).astype(float)
    if marginal is None:
        marginal = 1 - float(kaplan_meier(times, filled).at(np.array([horizon_s]))[0])
    ours = float((weights * (hit - predicted) ** 2).sum()) / len(times)
    theirs = float((weights * (hit - marginal) ** 2).sum()) / len(times)
    return BrierScore(horizon_s, ours, theirs, 1 - ours / theirs if theirs > 0 else None, int((weights > 0).sum()))


def reliability(predicted: Floats, times: Floats, filled: Bools, horizon_s: float) -> list[dict[str, Any]]:
    """Deciles of the forecast, each with its mean and the Kaplan-Meier share filled by the horizon."""
    rows = []
    for part in np.array_split(np.argsort(predicted, kind="stable"), DECILES):
        if len(part):
            curve = kaplan_meier(times[part], filled[part])
            reach = float(times[part].max())
            observed = 1 - float(curve.at(np.array([horizon_s]))[0]) if reach >= horizon_s else None
            rows.append(
                {
                    "horizon_s": horizon_s,
                    "n": len(part),
                    "predicted": float(predicted[part].mean()),
                    "observed": observed,
                }
            )
    return rows
