"""An upper bound of the intensity from public trades: how far they reach from the mid.

Trades have no queue position: a trade counts as a fill at every price that it reaches, more often than a quote of ours
would be filled. The result is an upper bound; our own quotes are the better source.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from calib.fitting.arrays import Floats, Ints, sums_by
from calib.fitting.estimate import Estimate
from calib.fitting.intensity import MIN_CLUSTERS, places_of
from calib.fitting.roots import bracket, root
from calib.fitting.rows import TradeRows
from calib.fitting.special import normal_quantile, poisson_interval
from calib.recorded.mids import Mids

WINDOW_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Reach:
    """Time windows of the public trades on one side.

    Parameters
    ----------
    reach_bps
        Largest distance of a trade from the mid at the start of the window; 0 or less if none went past the mid.
    start_s
        Start of each window.
    window_s
        Length of the windows.
    """

    reach_bps: Floats
    start_s: Floats
    window_s: float

    def rate(self, distance_bps: float) -> float:
        """Rate of windows reached past a distance, per second: -log(1 - c/W) / w, which does not saturate at 1/w."""
        share = float((self.reach_bps > distance_bps).mean()) if len(self.reach_bps) else 0.0
        return -math.log1p(-share) / self.window_s if share < 1 else math.inf

    def rate_interval(self, distance_bps: float, level: float) -> tuple[float, float]:
        """Exact Poisson interval of the rate, from the number of windows."""
        count = float((self.reach_bps > distance_bps).sum())
        low, high = poisson_interval(count, level)
        total = len(self.reach_bps) * self.window_s
        return low / total, high / total


def reach_of(
    trades: TradeRows,
    time_s: Floats,
    mids: Mids,
    side: str,
    start_s: float,
    end_s: float,
    max_age_s: float,
    window_s: float = WINDOW_S,
) -> Reach:
    """The largest reach in each window of trades that would meet our quotes of that side.

    A buy of ours meets trades with a selling aggressor. Windows without a mid at their start are excluded.
    """
    first, last = math.ceil(start_s / window_s), math.floor(end_s / window_s)
    starts: Floats = np.arange(first, last, dtype=np.float64) * window_s
    level = mids.at(starts, max_age_s)
    sign = 1.0 if side == "buy" else -1.0
    mine = trades.sign == -sign
    place = np.floor((time_s[mine] - starts[0]) / window_s).astype(np.int64) if len(starts) else np.zeros(0, np.int64)
    inside = (place >= 0) & (place < len(starts))
    depth = np.full(len(starts), -np.inf)
    if inside.any():
        at = place[inside]
        distance = sign * (level[at] - trades.price[mine][inside]) / level[at] * 1e4
        np.maximum.at(depth, at, np.where(np.isnan(distance), -np.inf, distance))
    known = ~np.isnan(level)
    return Reach(depth[known], starts[known], window_s)


@dataclass(frozen=True, slots=True)
class TapeFit:
    """A and k from public trades, with intervals clustered by minute; n is the number of windows that were reached."""

    a_per_s: Estimate
    k: Estimate
    cov: Floats
    n: int
    clusters: int


def fit_tape(reaches: list[Reach], *, level: float, cluster_s: float = 60.0) -> TapeFit | None:
    """Fit by the likelihood of the largest reach: P(reach <= x) = exp(-w A e^(-k x)) for x >= 0.

    Least squares on cumulative counts would have correlated errors, hence wrong intervals, and c / (W w) saturates (A
    of 1.02 for a true 2.0). None if k is not identified.
    """
    reach = np.concatenate([one.reach_bps for one in reaches])
    start = np.concatenate([one.start_s for one in reaches])
    w = reaches[0].window_s
    hit = reach > 0
    x = reach[hit]
    n, total = len(x), len(reach)
    if n < 2 or float(x.max()) <= 0:
        return None

    def a_of(k: float) -> float:
        return n / (w * (float(np.exp(-k * x).sum()) + total - n))

    def slope(k: float) -> float:
        return n / k - float(x.sum()) + w * a_of(k) * float((x * np.exp(-k * x)).sum())

    low = 1e-6 / float(x.mean())
    far = bracket(slope, low, 1 / float(x.mean()))
    if far is None or slope(low) <= 0:
        return None
    k = root(slope, low, far)
    a = a_of(k)
    return _with_intervals(reach, start, a, k, w, level, cluster_s)


def _with_intervals(
    reach: Floats, start: Floats, a: float, k: float, w: float, level: float, cluster_s: float
) -> TapeFit | None:
    hit = reach > 0
    x = np.where(hit, reach, 0.0)
    decay = a * w * np.exp(-k * x)
    scores = np.stack([hit - decay, np.where(hit, 1 / k - x + decay * x, 0.0)])
    information = np.array(
        [
            [float(decay.sum()), -float((decay * x).sum())],
            [-float((decay * x).sum()), float((hit / k**2 + decay * x * x * hit).sum())],
        ]
    )
    cov = np.linalg.inv(information)
    places, clusters = _clusters(start, cluster_s)
    if clusters >= MIN_CLUSTERS:
        sums = np.stack([sums_by(places, score, clusters) for score in scores])
        middle = np.array([[float((one * other).sum()) for other in sums] for one in sums])
        robust = cov @ middle @ cov * clusters / (clusters - 1)
        cov = robust if np.all(np.diag(robust) >= np.diag(cov)) else cov
    z = normal_quantile(level)
    se_a, se_k = math.sqrt(cov[0, 0]), math.sqrt(cov[1, 1])
    return TapeFit(
        Estimate(a, a * math.exp(-z * se_a), a * math.exp(z * se_a)),
        Estimate(k, k - z * se_k, k + z * se_k),
        cov,
        int(hit.sum()),
        clusters,
    )


def _clusters(start: Floats, cluster_s: float) -> tuple[Ints, int]:
    return places_of(np.floor(start / cluster_s).astype(np.int64))
