"""Walk-forward test: each day is tested with the fit of the days before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from calib.fitting.arrays import Floats, Ints
from calib.fitting.bootstrap import MIN_BLOCKS, percentile_interval, resampled
from calib.fitting.brier import BrierScore
from calib.fitting.checks import dispersion
from calib.fitting.drift import drift
from calib.fitting.estimate import Estimate, finite
from calib.fitting.intensity import IntensityFit, Pieces, fit_intensity, places_of
from calib.fitting.special import normal_quantile

DAY_S: Final = 86_400
MIN_TEST_DAYS: Final = 3
MIN_HIT_SHARE: Final = 0.8
MIN_DRIFT_P: Final = 0.001

Forecast = Callable[[Sequence[int], int], list[BrierScore]]
"""Brier scores of a fill model that is fitted on some days (day numbers) and tested on another."""
Spread = Callable[[IntensityFit], Estimate | None]
"""Computes the half-spread of a fit with its interval."""


@dataclass(frozen=True, slots=True)
class RateInUse:
    """A and k of the published calibration in use.

    It is only compared on whole days after ``since_s``, the end of its data: it was not fitted to those days.
    """

    a_per_s: float
    k_per_bps: float
    since_s: float = -math.inf


@dataclass(frozen=True, slots=True)
class DayTest:
    """The test of one day with the fit of the days before it.

    Parameters
    ----------
    day
        Number of the UTC day.
    fills, foretold
        Observed fills, and predicted fills with their interval.
    hit
        Whether the observed fills are in the interval.
    gains
        Log score per fill, nats, minus that of a constant rate, of yesterday's fit and of the calibration in use; None
        if there is no such model, or no fill.
    half_hit
        Whether the interval of the half-spread includes the day's own estimate; None if there is none.
    brier
        Brier scores of the fill-probability model on that day.
    """

    day: int
    fills: int
    foretold: Estimate
    hit: bool
    gains: dict[str, float | None]
    half_hit: bool | None
    brier: tuple[BrierScore, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "day": str(np.datetime64(self.day, "D")),
            "fills": self.fills,
            "foretold": self.foretold.as_json(),
            "hit": self.hit,
            "gain_nats_per_fill": {key: finite(value) for key, value in self.gains.items()},
            "half_hit": self.half_hit,
            "brier": [score.as_json() for score in self.brier],
        }


@dataclass(frozen=True, slots=True)
class WalkForward:
    """The tests of all days.

    Parameters
    ----------
    days
        The tests, in order.
    gains
        Over all test days with block-bootstrap intervals: ``constant``, ``yesterday``, ``in_use``; None if there is no
        such model.
    hit_share
        Fraction of the days with fills in their interval; None without test days.
    drift
        Q, degrees of freedom and p of the fits of single days; None with fewer than two.
    daily
        A and k of each day, for the report.
    """

    days: tuple[DayTest, ...]
    gains: dict[str, Estimate | None]
    hit_share: float | None
    drift: tuple[float, int, float] | None
    daily: tuple[tuple[int, Estimate, Estimate], ...]

    def as_json(self) -> dict[str, Any]:
        q, df, p = self.drift or (None, None, None)
        return {
            "days": [day.as_json() for day in self.days],
            "gain_nats_per_fill": {key: None if one is None else one.as_json() for key, one in self.gains.items()},
            "hit_share": self.hit_share,
            "drift": {"q": finite(q), "df": df, "p": finite(p)},
            "daily": [
                {"day": str(np.datetime64(day, "D")), "A_per_s": a.as_json(), "k_per_bps": k.as_json()}
                for day, a, k in self.daily
            ],
        }


def walk_forward(
    pieces: Pieces,
    begin_s: Floats,
    *,
    level: float,
    in_use: RateInUse | None = None,
    spread: Spread | None = None,
    forecast: Forecast | None = None,
) -> WalkForward:
    """Test every day with exposure except the first.

    Parameters
    ----------
    begin_s
        Start of each piece, s.
    in_use
        The calibration in use; its gain is None without one.
    """
    days = np.floor(begin_s / DAY_S).astype(np.int64)
    numbers = np.unique(days).tolist()
    own = {day: fit_intensity(_days(pieces, days == day), level=level) for day in numbers}
    tests: list[DayTest] = []
    scores: dict[str, list[tuple[Floats, Floats]]] = {"constant": [], "yesterday": [], "in_use": []}
    for place in range(1, len(numbers)):
        today = numbers[place]
        before, test = _days(pieces, days < today), _days(pieces, days == today)
        fit = fit_intensity(before, level=level)
        if fit is None:
            continue
        fair = in_use if in_use is not None and today * DAY_S >= in_use.since_s else None
        gains, counts = _gains(fit, before, test, own[numbers[place - 1]], fair)
        for key, values in gains.items():
            scores[key].append((values, counts))
        n = float(test.fills.sum())
        foretold = _foretold(fit, before, test, level)
        assert foretold.low is not None
        assert foretold.high is not None
        tests.append(
            DayTest(
                today,
                int(n),
                foretold,
                foretold.low <= n <= foretold.high,
                {key: float(values.sum()) / n if n else None for key, values in gains.items()},
                _half_hit(spread, fit, own[today]),
                () if forecast is None else tuple(forecast(numbers[:place], today)),
            )
        )
    return WalkForward(
        tuple(tests),
        # Yesterday's calibration is nearly this fit: it is only compared over as many days as a verdict needs.
        {
            key: _pooled(parts, level) if key != "in_use" or len(parts) >= MIN_TEST_DAYS else None
            for key, parts in scores.items()
        },
        sum(test.hit for test in tests) / len(tests) if tests else None,
        _drift(own),
        tuple((day, fit.a_per_s, fit.k) for day, fit in own.items() if fit is not None),
    )


def _days(pieces: Pieces, chosen: Any) -> Pieces:
    return Pieces(*(getattr(pieces, name)[chosen] for name in Pieces.__slots__))


def _log_score(pieces: Pieces, log_a: float, k: float, places: Ints, size: int) -> Floats:
    log_rate = log_a - k * pieces.delta_bps
    value = pieces.fills * log_rate - pieces.exposure_s * np.exp(log_rate)
    return np.asarray(np.bincount(places, value, size))


def _gains(
    fit: IntensityFit, before: Pieces, test: Pieces, yesterday: IntensityFit | None, in_use: RateInUse | None
) -> tuple[dict[str, Floats], Floats]:
    """Log score of the fit minus that of each other model, by cluster; and the fills by cluster."""
    places, size = places_of(test.cluster)
    ours = _log_score(test, fit.log_a, fit.k_per_bps, places, size)
    rate = math.log(before.n_fills / float(before.exposure_s.sum()))
    gains = {"constant": ours - _log_score(test, rate, 0.0, places, size)}
    if yesterday is not None:
        gains["yesterday"] = ours - _log_score(test, yesterday.log_a, yesterday.k_per_bps, places, size)
    if in_use is not None:
        gains["in_use"] = ours - _log_score(test, math.log(in_use.a_per_s), in_use.k_per_bps, places, size)
    return gains, np.asarray(np.bincount(places, test.fills, size))


def _foretold(fit: IntensityFit, before: Pieces, test: Pieces, level: float) -> Estimate:
    """Predicted fills with variance phi mu + gradient' V gradient; phi is the dispersion (at least 1)."""
    expected = test.exposure_s * fit.rate(test.delta_bps)
    mu = float(expected.sum())
    gradient = np.array([mu, -float((expected * test.delta_bps).sum())])
    phi = max(1.0, dispersion(before, fit) or 1.0)
    variance = phi * mu + float((np.outer(gradient, gradient) * fit.cov).sum())
    half = normal_quantile(level) * math.sqrt(variance)
    return Estimate(mu, mu - half, mu + half)


def _half_hit(spread: Spread | None, fit: IntensityFit, today: IntensityFit | None) -> bool | None:
    if spread is None or today is None:
        return None
    forecast, own = spread(fit), spread(today)
    if forecast is None or own is None or forecast.low is None or forecast.high is None:
        return None
    return forecast.low <= own.est <= forecast.high


def _pooled(parts: list[tuple[Floats, Floats]], level: float) -> Estimate | None:
    """The gain per fill over all days that have one, with a bootstrap by minutes."""
    if not parts:
        return None
    sums = np.concatenate([np.stack(part) for part in parts], axis=1)
    total = sums.sum(axis=1)
    if total[1] <= 0:
        return None
    est = float(total[0] / total[1])
    if sums.shape[1] < MIN_BLOCKS:
        return Estimate(est, None, None)
    drawn = resampled(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        return Estimate(est, *percentile_interval(drawn[0] / drawn[1], level))


def _drift(own: dict[int, IntensityFit | None]) -> tuple[float, int, float] | None:
    fits = [fit for fit in own.values() if fit is not None]
    return drift([np.array([fit.log_a, fit.k_per_bps]) for fit in fits], [fit.cov for fit in fits])
