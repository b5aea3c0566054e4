"""Goodness of fit of the intensity: bins, dispersion, curvature, waiting times, monotonicity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from calib.fitting.arrays import Floats, chunks, sums_by
from calib.fitting.estimate import Estimate, finite
from calib.fitting.glm import fit_poisson
from calib.fitting.intensity import IntensityFit, Pieces, grouped, places_of
from calib.fitting.special import chi2_tail, ks_exponential, poisson_interval

BINS: Final = 10
FILLS_A_BIN: Final = 6
_FINE: Final = 1 << 14
MIN_EXPECTED: Final = 5.0
"""Minimum expected fills of a bin or merged cluster: with fewer the chi-squared approximations fail."""


@dataclass(frozen=True, slots=True)
class Bin:
    """Fills and exposure of one range of distances.

    Parameters
    ----------
    low_bps, high_bps
        Its range, [low, high); the last one includes its end.
    delta_bps
        Mean distance, weighted by exposure.
    exposure_s, fills, expected
        Time, observed fills, and fills expected by the curve.
    rate
        Fills per second with an exact Poisson interval.
    """

    low_bps: float
    high_bps: float
    delta_bps: float
    exposure_s: float
    fills: float
    expected: float
    rate: Estimate

    def as_json(self) -> dict[str, Any]:
        return {
            "low_bps": self.low_bps,
            "high_bps": self.high_bps,
            "delta_bps": self.delta_bps,
            "exposure_s": self.exposure_s,
            "fills": int(self.fills),
            "expected": self.expected,
            "rate_per_s": self.rate.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Checks:
    """The results of the checks of one fit.

    Parameters
    ----------
    bins
        See `bins`.
    dispersion
        See `dispersion`; None with fewer than three merged clusters.
    curvature_p
        p value of a delta^2 term, likelihood ratio with 1 degree of freedom; None if it cannot be fitted.
    ks_distance, ks_p
        Kolmogorov-Smirnov test of the compensators between fills against the unit exponential.
    monotone
        Whether the bins are compatible with rates that decrease with distance, see `is_monotone`.
    """

    bins: tuple[Bin, ...]
    dispersion: float | None
    curvature_p: float | None
    ks_distance: float | None
    ks_p: float | None
    monotone: bool

    def as_json(self) -> dict[str, Any]:
        """All checks except the bins."""
        return {
            "dispersion": finite(self.dispersion),
            "curvature_p": finite(self.curvature_p),
            "ks_distance": finite(self.ks_distance),
            "ks_p": finite(self.ks_p),
            "monotone": self.monotone,
        }


def bins(pieces: Pieces, fit: IntensityFit, *, level: float, count: int = BINS) -> tuple[Bin, ...]:
    """Bins of distance with equal expected fills, as far as the distances allow.

    A frequent distance gets a bin of its own, so there may be fewer bins.
    """
    delta = pieces.delta_bps
    low, high = float(delta.min()), float(delta.max())
    expected = fit.rate(delta)
    expected *= pieces.exposure_s
    edges = np.array([low, high]) if high <= low else _edges(delta, expected, low, high, count)
    places = np.clip(np.searchsorted(edges, delta, side="right") - 1, 0, len(edges) - 2)
    size = len(edges) - 1
    sums = [sums_by(places, weights, size) for weights in (pieces.exposure_s, pieces.fills, expected)]
    moment = sums_by(places, delta * pieces.exposure_s, size)
    return tuple(
        _bin(float(edges[i]), float(edges[i + 1]), tuple(float(column[i]) for column in (*sums, moment)), level)
        for i in range(size)
        if sums[0][i] > 0
    )


def _edges(delta: Floats, expected: Floats, low: float, high: float, count: int) -> Floats:
    """Edges at equal fractions of the expected fills, from a fine histogram."""
    width = (high - low) / _FINE
    fine = sums_by(np.minimum(((delta - low) / width).astype(np.int64), _FINE - 1), expected, _FINE)
    share = np.cumsum(fine) / fine.sum()
    inner = low + width * (np.searchsorted(share, np.arange(1, count) / count) + 1)
    return np.unique(np.concatenate([[low], inner[inner < high], [high]]))


def _bin(low: float, high: float, sums: tuple[float, ...], level: float) -> Bin:
    exposure, fills, expected, moment = sums
    ends = poisson_interval(fills, level)
    rate = Estimate(fills / exposure, ends[0] / exposure, ends[1] / exposure)
    return Bin(low, high, moment / exposure, exposure, fills, expected, rate)


def dispersion(pieces: Pieces, fit: IntensityFit) -> float | None:
    """``sum (N - mu)^2 / mu / (C - 2)`` over clusters, merged until each expects 5 fills; 1 if Poisson."""
    places, clusters = places_of(pieces.cluster)
    seen = sums_by(places, pieces.fills, clusters)
    expected = sums_by(places, fit.rate(pieces.delta_bps) * pieces.exposure_s, clusters)
    merged: list[tuple[float, float]] = []
    n = mu = 0.0
    for one, other in zip(seen.tolist(), expected.tolist(), strict=True):
        n, mu = n + one, mu + other
        if mu >= MIN_EXPECTED:
            merged.append((n, mu))
            n = mu = 0.0
    if merged and mu:
        merged[-1] = (merged[-1][0] + n, merged[-1][1] + mu)
    if len(merged) < 3:
        return None
    return sum((n - mu) ** 2 / mu for n, mu in merged) / (len(merged) - 2)


def curvature_p(pieces: Pieces) -> float | None:
    """p value of the likelihood ratio of a delta^2 term: small if the log rate is not linear in distance."""
    few = grouped(pieces)
    centre = float((few.delta_bps * few.exposure_s).sum() / few.exposure_s.sum())
    d = few.delta_bps - centre
    spread = float(np.sqrt((d * d * few.exposure_s).sum() / few.exposure_s.sum())) or 1.0
    d = d / spread
    ones = np.ones(len(d))
    line = fit_poisson(np.column_stack([ones, d]), few.fills, few.exposure_s)
    curve = fit_poisson(np.column_stack([ones, d, d * d]), few.fills, few.exposure_s)
    if line is None or curve is None:
        return None
    return chi2_tail(max(0.0, 2 * (curve.log_likelihood - line.log_likelihood)), 1)


def compensators(begin_s: Floats, pieces: Pieces, fit: IntensityFit) -> Floats:
    """The expected number of fills between consecutive fills: unit exponentials if the model holds.

    Parameters
    ----------
    begin_s
        Start of each piece, s; pieces of several quotes may overlap.
    """
    filled = pieces.fills > 0
    moments = np.unique(begin_s[filled] + pieces.exposure_s[filled])
    if not len(moments):
        return np.zeros(0)
    origin = float(begin_s.min())
    size = len(moments) + 1
    slope, offset = np.zeros(size), np.zeros(size)
    for part in chunks(len(pieces)):
        rates = fit.rate(pieces.delta_bps[part])
        for sign, times in ((1.0, begin_s[part]), (-1.0, begin_s[part] + pieces.exposure_s[part])):
            # From the first fill after `times` on, the piece adds rate (t - times).
            first = np.searchsorted(moments, times, side="left")
            slope += sums_by(first, sign * rates, size)
            offset += sums_by(first, sign * rates * (times - origin), size)
    total = np.cumsum(slope[:-1]) * (moments - origin) - np.cumsum(offset[:-1])
    return np.diff(total, prepend=0.0)


def pooled_rates(rates: Floats, weights: Floats) -> Floats:
    """The decreasing rates closest to the given ones: pool adjacent violators.

    >>> import numpy as np
    >>> pooled_rates(np.array([3.0, 1.0, 2.0]), np.array([1.0, 1.0, 1.0])).tolist()
    [3.0, 1.5, 1.5]
    """
    blocks: list[list[float]] = []
    for rate, weight in zip(rates.tolist(), weights.tolist(), strict=True):
        blocks.append([rate, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] < blocks[-1][0]:
            value, heavy, width = blocks.pop()
            before = blocks[-1]
            total = before[1] + heavy
            blocks[-1] = [(before[0] * before[1] + value * heavy) / total, total, before[2] + width]
    return np.array([value for value, _, width in blocks for _ in range(int(width))])


def is_monotone(found: tuple[Bin, ...]) -> bool:
    """Whether the bins are compatible with decreasing rates: each pooled rate is in its bin's exact interval."""
    if not found:
        return True
    pooled = pooled_rates(np.array([one.rate.est for one in found]), np.array([one.exposure_s for one in found]))
    return all(
        one.rate.low is not None and one.rate.high is not None and one.rate.low <= value <= one.rate.high
        for one, value in zip(found, pooled.tolist(), strict=True)
    )


def check_fit(begin_s: Floats, pieces: Pieces, fit: IntensityFit, *, level: float) -> Checks:
    """Run all checks of one fit."""
    count = int(min(BINS, max(3, pieces.n_fills // FILLS_A_BIN)))
    found = bins(pieces, fit, level=level, count=count)
    waits = compensators(begin_s, pieces, fit)
    distance, p = ks_exponential(waits.tolist()) if len(waits) else (None, None)
    return Checks(found, dispersion(pieces, fit), curvature_p(pieces), distance, p, is_monotone(found))
