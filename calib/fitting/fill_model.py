"""The probability of a fill within a time, from what is known when the quote is opened.

Piecewise-exponential survival: the hazard is constant within bands of the quote's age, times the exponential of the
covariates' linear predictor. This is a Poisson regression with the time in each band as exposure (Holford 1980).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from calib.fitting.arrays import Bools, Floats
from calib.fitting.glm import PoissonFit, fit_poisson

BANDS_S: Final = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Starts of the bands, s; the last one is unbounded."""
COVARIATES: Final = ("delta_bps", "log1p_queue", "spread_bps", "imbalance", "side")
HORIZONS_S: Final = (1.0, 5.0, 30.0)


@dataclass(frozen=True, slots=True)
class FillModel:
    """A fitted model.

    Parameters
    ----------
    names
        Bands with exposure and fills, then covariates that vary.
    bands
        Indices of the bands in `BANDS_S`.
    columns
        Indices of the covariates in `COVARIATES`.
    centre
        Mean of each covariate used: the rates of the bands are at these values.
    fit
        The regression.
    """

    names: tuple[str, ...]
    bands: tuple[int, ...]
    columns: tuple[int, ...]
    centre: Floats
    fit: PoissonFit

    def terms(self) -> list[dict[str, Any]]:
        """Each term's estimate and standard error."""
        errors = np.sqrt(np.diag(self.fit.cov))
        return [
            {"name": name, "est": float(value), "se": float(error)}
            for name, value, error in zip(self.names, self.fit.coef, errors, strict=True)
        ]

    def probability(self, covariates: Floats, horizon_s: float) -> Floats:
        """P(filled within the horizon if left resting), for each row of `COVARIATES`."""
        used = len(self.bands)
        score = np.zeros(len(covariates))
        for column, centre, value in zip(self.columns, self.centre, self.fit.coef[used:], strict=True):
            score += (covariates[:, column] - centre) * value
        total = sum(
            _time_in(BANDS_S, place, horizon_s) * math.exp(value)
            for place, value in zip(self.bands, self.fit.coef[:used].tolist(), strict=True)
        )
        return np.asarray(-np.expm1(-total * np.exp(np.minimum(score, 600.0))))


def _time_in(bands: tuple[float, ...], place: int, life_s: float) -> float:
    end = bands[place + 1] if place + 1 < len(bands) else math.inf
    return max(0.0, min(life_s, end) - bands[place])


def _pieces(life_s: Floats, filled: Bools) -> tuple[Floats, Floats]:
    """Time and fills of each quote (row) in each band (column)."""
    begins = np.array(BANDS_S)
    ends = np.append(begins[1:], np.inf)
    time = np.clip(np.minimum(life_s[:, None], ends) - begins, 0.0, None)
    last = np.clip(np.searchsorted(begins, life_s, side="left") - 1, 0, len(begins) - 1)
    fills = np.zeros_like(time)
    fills[np.flatnonzero(filled), last[filled]] = 1.0
    return time, fills


def fit_fill_model(covariates: Floats, life_s: Floats, filled: Bools) -> FillModel | None:
    """Fit the model; None if the likelihood has no maximum.

    Parameters
    ----------
    covariates
        One row per quote, with the columns `COVARIATES`, all finite.
    life_s
        Time to the fill or the end, greater than zero.
    filled
        Whether it ended with a fill; every other end is censored.
    """
    time, fills = _pieces(life_s, filled)
    # A band without fills has rate zero, whose logarithm is infinite; its time has no effect on the other bands.
    bands = [place for place in range(len(BANDS_S)) if fills[:, place].any()]
    if not bands:
        return None
    spread = covariates.std(axis=0)
    columns = [place for place in range(covariates.shape[1]) if spread[place] > 1e-9]
    centre = covariates[:, columns].mean(axis=0)
    rows = [(place, np.flatnonzero(time[:, place] > 0)) for place in bands]
    size = sum(len(chosen) for _, chosen in rows)
    design = np.zeros((size, len(bands) + len(columns)))
    begin = 0
    for column, (_, chosen) in enumerate(rows):
        part = slice(begin, begin + len(chosen))
        design[part, column] = 1.0
        design[part, len(bands) :] = covariates[chosen][:, columns] - centre
        begin += len(chosen)
    counts = np.concatenate([fills[chosen, place] for place, chosen in rows])
    exposure = np.concatenate([time[chosen, place] for place, chosen in rows])
    fit = fit_poisson(design, counts, exposure)
    if fit is None:
        return None
    names = (*(_band_name(place) for place in bands), *(COVARIATES[place] for place in columns))
    return FillModel(names, tuple(bands), tuple(columns), centre, fit)


def _band_name(place: int) -> str:
    end = f"{BANDS_S[place + 1]:g}" if place + 1 < len(BANDS_S) else "inf"
    return f"band_{BANDS_S[place]:g}_{end}s"
