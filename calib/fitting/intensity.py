"""Fill intensity over distance, ``lambda(delta) = A exp(-k delta)``, by Poisson likelihood with exposure.

The log-likelihood is ``sum over fills (log A - k delta) - sum over pieces E A exp(-k delta)``: a Poisson regression
with a log link and offset log E. For a given k the best A is N / sum E exp(-k delta); k solves
``mean delta of fills = sum E delta exp(-k delta) / sum E exp(-k delta)``, whose right side decreases in k.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from calib.fitting.arrays import Floats, Ints, chunks, sums_by
from calib.fitting.estimate import Estimate
from calib.fitting.glm import sandwiched
from calib.fitting.roots import bracket, root
from calib.fitting.special import chi2_quantile, normal_quantile

MIN_CLUSTERS: Final = 30
"""Minimum number of clusters of the sandwich estimate: with 3 a 95 % interval covers only 80 to 85 %."""
FEW_FILLS: Final = 30
"""With fewer fills the interval of k is that of the profile likelihood."""
GROUPS: Final = 1 << 16
"""Number of groups of neighbouring distances in `grouped`."""

_FIRST_GROUPS: Final = 1 << 12

IntervalKind = Literal["fisher", "sandwich", "profile"]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Pieces of exposure: time at one distance.

    Parameters
    ----------
    delta_bps
        Distance from the mid, bps; positive is passive.
    exposure_s
        Duration, s, greater than zero.
    fills
        Fills at the end of each piece: 0 or 1, or their number if pieces were merged.
    cluster
        Number of the calendar minute; fills within one may be correlated.
    """

    delta_bps: Floats
    exposure_s: Floats
    fills: Floats
    cluster: Ints

    def __post_init__(self) -> None:
        if not len(self.delta_bps) == len(self.exposure_s) == len(self.fills) == len(self.cluster):
            raise ValueError("the columns of the pieces have different lengths")

    def __len__(self) -> int:
        return len(self.delta_bps)

    @property
    def n_fills(self) -> float:
        return float(self.fills.sum())

    @property
    def n_clusters(self) -> int:
        """Number of clusters with exposure."""
        return int(places_of(self.cluster)[1])


@dataclass(frozen=True, slots=True)
class IntensityFit:
    """The maximum likelihood estimates of A and k.

    Parameters
    ----------
    log_a, k_per_bps
        The fit; A in 1/s.
    cov
        Covariance of (log A, k): Fisher's, or the sandwich estimate where that is larger.
    fisher
        Covariance of (log A, k) by the Fisher information.
    interval
        The kind of the interval of k.
    a_per_s, k
        Estimates with intervals.
    log_likelihood
        Up to an additive constant.
    """

    log_a: float
    k_per_bps: float
    cov: Floats
    fisher: Floats
    interval: IntervalKind
    a_per_s: Estimate
    k: Estimate
    log_likelihood: float

    def rate(self, delta_bps: Floats) -> Floats:
        """Fills per second at these distances."""
        return np.asarray(np.exp(self.log_a - self.k_per_bps * delta_bps))


def fit_intensity(pieces: Pieces, *, level: float = 0.95) -> IntensityFit | None:
    """Fit A and k.

    Parameters
    ----------
    level
        Confidence level of the intervals.

    Returns
    -------
    IntensityFit or None
        None if no k maximises the likelihood: a maximum exists only if the mean distance of the fills is strictly
        between the smallest and the largest distance.

    Examples
    --------
    100 seconds at 1 bps with 30 fills, 200 seconds at 2 bps with 10 fills: k = log 6, A = 1.8.

    >>> import numpy as np
    >>> pieces = Pieces(np.array([1.0, 2.0]), np.array([100.0, 200.0]), np.array([30.0, 10.0]), np.array([0, 1]))
    >>> fit = fit_intensity(pieces)
    >>> round(fit.k_per_bps, 9) == round(math.log(6), 9), round(fit.a_per_s.est, 9)
    (True, 1.8)
    """
    n = pieces.n_fills
    if n <= 0:
        return None
    mean = float((pieces.fills * pieces.delta_bps).sum()) / n
    k = _best_k(pieces, mean)
    if k is None:
        return None
    tilted = _tilted(pieces.delta_bps, pieces.exposure_s, k)
    log_a = math.log(n) - tilted.log_sum
    fisher = _fisher(n, tilted)
    cov, kind = _widest(pieces, log_a, k, fisher)
    z = normal_quantile(level)
    se_a, se_k = math.sqrt(cov[0, 0]), math.sqrt(cov[1, 1])
    k_low, k_high = k - z * se_k, k + z * se_k
    if n < FEW_FILLS:
        kind = "profile"
        k_low, k_high = profile_interval(pieces, k, math.sqrt(fisher[1, 1]), level)
    return IntensityFit(
        log_a,
        k,
        cov,
        fisher,
        kind,
        Estimate(math.exp(log_a), math.exp(log_a - z * se_a), math.exp(log_a + z * se_a)),
        Estimate(k, k_low, k_high),
        n * log_a - k * n * mean - n,
    )


def profile_interval(pieces: Pieces, k: float, se: float, level: float) -> tuple[float, float]:
    """The range of k whose profile likelihood is within the chi-squared quantile of the maximum."""
    few = grouped(pieces)
    n, total = few.n_fills, float((few.fills * few.delta_bps).sum())

    def profile(value: float) -> float:
        return -n * _tilted(few.delta_bps, few.exposure_s, value).log_sum - value * total

    best, allowed = profile(k), chi2_quantile(level, 1) / 2

    def margin(value: float) -> float:
        return allowed - (best - profile(value))

    ends = []
    for sign in (-1.0, 1.0):
        beyond = bracket(margin, k, sign * 2 * se)
        ends.append(sign * math.inf if beyond is None else root(margin, k, beyond, tolerance=1e-10))
    return ends[0], ends[1]


def grouped(pieces: Pieces, groups: int = GROUPS) -> Pieces:
    """The same exposure and fills with at most ``groups`` distances, each the exposure-weighted mean of its group.

    Groups are ranges of equal width; if there are outliers, for example a quote with a wrong price, they are groups of
    equal numbers of neighbours instead, which requires sorting. If there are no more pieces than groups nothing
    changes.
    """
    rows = len(pieces)
    if rows <= groups:
        return pieces
    if _compact(pieces.delta_bps):
        return _by_width(pieces, groups)
    order = np.argsort(pieces.delta_bps, kind="stable")
    begins = np.arange(0, rows, -(-rows // groups))
    exposure = pieces.exposure_s[order]
    delta = np.add.reduceat(pieces.delta_bps[order] * exposure, begins)
    total = np.add.reduceat(exposure, begins)
    fills = np.add.reduceat(pieces.fills[order], begins)
    return Pieces(delta / total, total, fills, np.zeros(len(begins), np.int64))


def _compact(delta: Floats) -> bool:
    """Whether the central 90 % of the distances span at least a twentieth of their range."""
    sample = delta[:: max(1, len(delta) // 4096)]
    low, high = np.quantile(sample, [0.05, 0.95])
    return bool(delta.max() - delta.min() <= 20 * (high - low))


def _by_width(pieces: Pieces, groups: int) -> Pieces:
    low, high = float(pieces.delta_bps.min()), float(pieces.delta_bps.max())
    scale = groups / (high - low)
    total, moment, fills = np.zeros(groups), np.zeros(groups), np.zeros(groups)
    for part in chunks(len(pieces)):
        delta, exposure = pieces.delta_bps[part], pieces.exposure_s[part]
        place = np.minimum(((delta - low) * scale).astype(np.int64), groups - 1)
        total += sums_by(place, exposure, groups)
        moment += sums_by(place, exposure * delta, groups)
        fills += sums_by(place, pieces.fills[part], groups)
    held = total > 0
    return Pieces(moment[held] / total[held], total[held], fills[held], np.zeros(int(held.sum()), np.int64))


def places_of(cluster: Ints) -> tuple[Ints, int]:
    """The index of each row's cluster among the clusters that occur, and their number; usually without sorting."""
    if not len(cluster):
        return cluster, 0
    first = int(cluster.min())
    width = int(cluster.max()) - first + 1
    if width > max(1 << 20, 4 * len(cluster)):
        found, places = np.unique(cluster, return_inverse=True)
        return places, len(found)
    occurs = np.zeros(width, bool)
    occurs[cluster - first] = True
    return (np.cumsum(occurs) - 1)[cluster - first], int(occurs.sum())


@dataclass(frozen=True, slots=True)
class _Tilted:
    """The logarithm of ``sum E exp(-k d)``, and the mean and variance of d under these weights."""

    log_sum: float
    mean: float
    variance: float


def _tilted(delta: Floats, exposure: Floats, k: float) -> _Tilted:
    # Factor out the largest exponent against overflow, and subtract the mean distance against cancellation in the
    # variance.
    base = float(delta.min() if k >= 0 else delta.max())
    total = first = second = 0.0
    shift = _mean(delta, exposure)
    for part in chunks(len(delta)):
        weights = np.exp(-k * (delta[part] - base))
        weights *= exposure[part]
        centred = delta[part] - shift
        total += float(weights.sum())
        weights *= centred
        first += float(weights.sum())
        weights *= centred
        second += float(weights.sum())
    mean = first / total
    return _Tilted(math.log(total) - k * base, shift + mean, max(0.0, second / total - mean * mean))


def _mean(delta: Floats, exposure: Floats) -> float:
    return sum(float((delta[part] * exposure[part]).sum()) for part in chunks(len(delta))) / float(exposure.sum())


def _best_k(pieces: Pieces, mean: float) -> float | None:
    delta, exposure = pieces.delta_bps, pieces.exposure_s
    low_d, high_d = float(delta.min()), float(delta.max())
    if not low_d < mean < high_d or mean - low_d <= 1e-12 * (high_d - low_d):
        return None
    # A first value from grouped pieces, then Newton steps over all pieces.
    few = _by_width(pieces, _FIRST_GROUPS) if len(pieces) > GROUPS else pieces
    first = _bisected(few, mean)
    return None if first is None else _newton(delta, exposure, mean, first)


def _bisected(pieces: Pieces, mean: float) -> float | None:
    """k to a relative accuracy of 1e-3: the tilted mean decreases in k."""
    delta, exposure = pieces.delta_bps, pieces.exposure_s

    def excess(k: float) -> float:
        return _tilted(delta, exposure, k).mean - mean

    scale = 1 / (float(delta.max()) - float(delta.min()) or 1.0)
    at_zero = excess(0.0)
    if at_zero == 0:
        return 0.0
    sign = 1.0 if at_zero > 0 else -1.0
    far = bracket(lambda k: sign * excess(k), 0.0, sign * scale)
    return None if far is None else root(excess, 0.0, far, tolerance=1e-3)


def _newton(delta: Floats, exposure: Floats, mean: float, k: float) -> float:
    for _ in range(50):
        tilted = _tilted(delta, exposure, k)
        if tilted.variance <= 0:
            break
        step = (tilted.mean - mean) / tilted.variance
        k += step
        if abs(step) <= 1e-12 * max(abs(k), 1e-12):
            break
    return k


def _fisher(n: float, tilted: _Tilted) -> Floats:
    """Inverse information of (log A, k): [[n, -n m], [-n m, n (v + m^2)]] with the tilted mean m and variance v."""
    m, v = tilted.mean, tilted.variance
    return np.array([[(v + m * m) / v, m / v], [m / v, 1 / v]]) / n


def _widest(pieces: Pieces, log_a: float, k: float, fisher: Floats) -> tuple[Floats, IntervalKind]:
    """For each of A and k the larger of the Fisher and sandwich variances; the latter only with enough clusters."""
    places, clusters = places_of(pieces.cluster)
    if clusters < MIN_CLUSTERS:
        return fisher, "fisher"
    scores = np.zeros((2, clusters))
    for part in chunks(len(pieces)):
        delta, place = pieces.delta_bps[part], places[part]
        residual = pieces.fills[part] - pieces.exposure_s[part] * np.exp(log_a - k * delta)
        scores[0] += sums_by(place, residual, clusters)
        scores[1] -= sums_by(place, delta * residual, clusters)
    robust = sandwiched(fisher, scores)
    ratio = np.sqrt(np.maximum(np.diag(robust) / np.diag(fisher), 1.0))
    if not (ratio > 1).any():
        return fisher, "fisher"
    # The correlation is that of the sandwich estimate if both of its variances are larger.
    wider = robust if (ratio > 1).all() else fisher
    correlation = wider[0, 1] / math.sqrt(wider[0, 0] * wider[1, 1])
    se = np.sqrt(np.diag(fisher)) * ratio
    return np.array([[se[0] ** 2, correlation * se[0] * se[1]], [correlation * se[0] * se[1], se[1] ** 2]]), "sandwich"
