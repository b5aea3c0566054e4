"""The fill-probability model of one symbol and side: covariates at the opening, fit and scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np

from calib.fitting.arrays import Bools, Floats, Ints
from calib.fitting.brier import BrierScore, brier_score, reliability
from calib.fitting.fill_model import HORIZONS_S, fit_fill_model
from calib.fitting.survival import kaplan_meier
from calib.recorded.tops import Tops

MAX_QUOTES: Final = 50_000
"""If there are more quotes, every n-th is used: the design matrix would not fit into memory, and errors are small."""
TRAINING_SHARE: Final = 0.7
"""With a single day the model is fitted on this first fraction of it and scored on the rest."""


@dataclass(frozen=True, slots=True)
class QuoteTable:
    """Quotes with a known end.

    Parameters
    ----------
    covariates
        Columns `calib.fitting.fill_model.COVARIATES`.
    open_s, life_s
        Time of the opening, and time to the first fill or the end, s.
    filled, withdrawn
        How it ended; neither if it still rested at the end of the data.
    day
        Number of the UTC day of the opening.
    """

    covariates: Floats
    open_s: Floats
    life_s: Floats
    filled: Bools
    withdrawn: Bools
    day: Ints

    def take(self, chosen: Any) -> QuoteTable:
        return QuoteTable(*(getattr(self, field.name)[chosen] for field in fields(QuoteTable)))

    def __len__(self) -> int:
        return len(self.life_s)

    def thinned(self) -> QuoteTable:
        return self.take(slice(None, None, -(-len(self) // MAX_QUOTES) or 1))


def covariates_at_open(
    open_s: Floats, sign: Floats, delta_bps: Floats, queue: Floats, own: Floats, tops: Tops | None, clock: str
) -> Floats:
    """The covariates at the opening of quotes; an unknown value is replaced by the mean of the known ones."""
    if tops is None or not len(tops.ts):
        spread = imbalance = np.full(len(open_s), np.nan)
    else:
        bid, ask, bid_qty, ask_qty = tops.at(open_s, clock)
        spread = (ask - bid) / (bid + ask) * 2e4
        imbalance = sign * (bid_qty - ask_qty) / (bid_qty + ask_qty)
    columns = [delta_bps, np.log1p(queue / own), spread, imbalance, sign]
    return np.column_stack([_completed(column) for column in columns])


def _completed(column: Floats) -> Floats:
    known = np.isfinite(column)
    return np.where(known, column, column[known].mean() if known.any() else 0.0)


def scores(train: QuoteTable, test: QuoteTable) -> tuple[list[BrierScore], list[dict[str, Any]]]:
    """Brier scores and reliability at every horizon, for a model fitted on one table and tested on another."""
    train, test = train.thinned(), test.thinned()
    model = fit_fill_model(train.covariates, train.life_s, train.filled) if len(train) else None
    if model is None or not len(test):
        return [], []
    curve = kaplan_meier(train.life_s, train.filled)
    found, rows = [], []
    for horizon in HORIZONS_S:
        predicted = model.probability(test.covariates, horizon)
        marginal = 1 - float(curve.at(np.array([horizon]))[0])
        found.append(brier_score(predicted, test.life_s, test.filled, test.withdrawn, horizon, marginal))
        rows += reliability(predicted, test.life_s, test.filled, horizon)
    return found, rows


def out_of_sample(table: QuoteTable) -> tuple[list[BrierScore], list[dict[str, Any]]]:
    """Scores of the last day by a model of the days before; with one day, of its last part by its first."""
    if not len(table):
        return [], []
    last = int(table.day.max())
    if (table.day < last).any():
        return scores(table.take(table.day < last), table.take(table.day == last))
    cut = float(np.quantile(table.open_s, TRAINING_SHARE))
    return scores(table.take(table.open_s <= cut), table.take(table.open_s > cut))


def by_day(table: QuoteTable, train_days: Sequence[int], test_day: int) -> list[BrierScore]:
    """Brier scores of one day for a model of the days before."""
    return scores(table.take(np.isin(table.day, list(train_days))), table.take(table.day == test_day))[0]


def model_json(table: QuoteTable) -> dict[str, Any] | None:
    """The model over all quotes, with its out-of-sample scores; None if it cannot be fitted."""
    thin = table.thinned()
    model = fit_fill_model(thin.covariates, thin.life_s, thin.filled) if len(thin) else None
    if model is None:
        return None
    found, rows = out_of_sample(table)
    return {"terms": model.terms(), "brier": [score.as_json() for score in found], "reliability": rows}
