"""Scores of fill probabilities: the Brier score with withdrawn quotes, and reliability.

Whether a quote withdrawn before the horizon would have been filled by then is unknown. Counting it as unfilled is
biased (.249 for a true .210). It gets weight 0, and the others are weighted up (Graf et al. 1999).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from calib.fitting.arrays import Bools, Floats
from calib.fitting.estimate import finite
from calib.fitting.survival import kaplan_meier

MIN_RESTING: Final = 0.05
"""With a smaller probability to rest until the horizon the weights are too large: null."""
DECILES: Final = 10


@dataclass(frozen=True, slots=True)
class BrierScore:
    """A Brier score at one horizon.

    Parameters
    ----------
    horizon_s
        The horizon, s.
    brier
        Score of the model; None if too few quotes rest until the horizon.
    marginal
        Score of the Kaplan-Meier probability, which is the same for every quote.
    skill
        1 - brier / marginal: positive means better than without information on the quote.
    n
        Number of quotes with a weight > 0.
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
    """The weight of each quote: 1/G(t-) if filled by the horizon, 1/G(h) if resting past it, 0 if withdrawn before.

    G is the Kaplan-Meier curve of withdrawal, with fills first at equal times. None if G(h) is below .05.

    Parameters
    ----------
    times, filled, withdrawn
        Life of each quote, s, and how it ended; neither if it still rested at the end of the data.
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
        A probability without information on the quote; None: the Kaplan-Meier estimate of the same quotes.
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
    """Deciles of the predicted probability, each with its mean and the Kaplan-Meier fraction filled by the horizon."""
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
