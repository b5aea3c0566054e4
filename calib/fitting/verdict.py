"""The verdict on a fit: the conditions for its use, and the reasons if they do not hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from calib.fitting.checks import MIN_EXPECTED, Checks
from calib.fitting.intensity import MIN_CLUSTERS, IntensityFit
from calib.fitting.recommend import Recommendation
from calib.fitting.walk_forward import MIN_DRIFT_P, MIN_HIT_SHARE, MIN_TEST_DAYS, WalkForward

USE: Final = "USE"
DO_NOT_USE: Final = "DO_NOT_USE"
NOT_ENOUGH_DATA: Final = "NOT_ENOUGH_DATA"
MIN_FILLS: Final = 50
MIN_BINS: Final = 3
MAX_HALF_WIDTH: Final = 0.5
MIN_CURVATURE_P: Final = 0.01

LACKING: Final = {
    "nothing_to_fit": "no maker fills of quotes, so there is no rate",
    "no_quotes": "no quotes of ours in the range",
    "no_mids": "no mids while quotes rested: record the book",
    "mids_too_coarse": "the mids are further apart than a tenth of a quote's life: record the book",
    "all_run_over": "every fill happened after the mid had passed the quote",
    "clocks_disagree": "fills are outside the life of their quotes, or the clocks of book and fills differ",
    "repeated_quote_ids": "quote ids repeat within the symbol, so fills cannot be assigned to quotes",
    "k_not_identified": "the mean distance of the fills is at an end of the distances: no k maximises the likelihood",
    "too_few_fills": f"fewer than {MIN_FILLS} fills",
    "too_few_clusters": f"exposure in fewer than {MIN_CLUSTERS} minutes",
    "too_few_bins": f"fewer than {MIN_BINS} ranges of distance expect {MIN_EXPECTED:g} fills",
    "k_interval_touches_0": "the interval of k includes 0",
    "k_interval_too_wide": f"the interval of k is wider than {MAX_HALF_WIDTH:g} of k on each side",
    "no_sigma": "no volatility: too few mids on the one-second grid",
    "upper_bound": "an upper bound, estimated from public trades, which fill more often than our quotes",
    "too_few_test_days": f"fewer than {MIN_TEST_DAYS} days on which an earlier fit could be tested",
}
"""Reasons why there is no verdict, with their meaning."""
FAILING: Final = {
    "curvature": "a delta^2 term improves the fit: the log rate is not linear in distance",
    "not_monotone": "the rate increases with distance between bins",
    "extrapolated": "the half-spread is outside the range of quoted distances",
    "no_gain_over_constant": "the fit predicts fills no better than a constant rate",
    "no_gain_over_in_use": "the fit predicts fills no better than the published calibration in use",
    "fills_not_foretold": f"fewer than {MIN_HIT_SHARE:.0%} of the days had fills within the predicted interval",
    "drift": "the fits of single days differ by more than their errors",
}
"""Reasons against the use of a fit, with their meaning."""
REASONS: Final = LACKING | FAILING


@dataclass(frozen=True, slots=True)
class FitVerdict:
    """``USE``, ``DO_NOT_USE`` or ``NOT_ENOUGH_DATA`` with its reasons, keys of `REASONS`."""

    verdict: str
    reasons: tuple[str, ...]


def quality(
    fit: IntensityFit, checks: Checks, fills: float, clusters: int, quotes: Sequence[Recommendation], *, has_sigma: bool
) -> list[str]:
    """The reasons why a fit cannot be recommended."""
    low = fit.k.low
    tests = {
        "too_few_fills": fills < MIN_FILLS,
        "too_few_clusters": clusters < MIN_CLUSTERS,
        "too_few_bins": sum(one.expected >= MIN_EXPECTED for one in checks.bins) < MIN_BINS,
        "k_interval_touches_0": low is None or low <= 0,
        "k_interval_too_wide": fit.k.relative_half_width > MAX_HALF_WIDTH,
        "no_sigma": not has_sigma,
        "k_not_identified": any(not one.identified for one in quotes),
        "curvature": checks.curvature_p is not None and checks.curvature_p < MIN_CURVATURE_P,
        "not_monotone": not checks.monotone,
        "extrapolated": any(not _quoted(one.half.est, checks) for one in quotes),
    }
    return [reason for reason, failed in tests.items() if failed]


def _quoted(half_bps: float, checks: Checks) -> bool:
    return bool(checks.bins) and checks.bins[0].low_bps <= half_bps <= checks.bins[-1].high_bps


def judge(reasons: Sequence[str], walk: WalkForward | None) -> FitVerdict:
    """The verdict: missing data first, then failed conditions."""
    found = list(dict.fromkeys(reasons))
    if walk is None or len(walk.days) < MIN_TEST_DAYS:
        found.append("too_few_test_days")
    if walk is not None and len(walk.days) >= MIN_TEST_DAYS:
        found += _walk_forward_failures(walk)
    if any(reason in LACKING for reason in found):
        return FitVerdict(NOT_ENOUGH_DATA, tuple(found))
    return FitVerdict(DO_NOT_USE if found else USE, tuple(found))


def _walk_forward_failures(walk: WalkForward) -> list[str]:
    found = []
    for key in ("constant", "in_use"):
        gain = walk.gains[key]
        if (gain is None and key == "constant") or (gain is not None and (gain.low is None or gain.low <= 0)):
            found.append(f"no_gain_over_{key}")
    if walk.hit_share is not None and walk.hit_share < MIN_HIT_SHARE:
        found.append("fills_not_foretold")
    if walk.drift is not None and walk.drift[2] <= MIN_DRIFT_P:
        found.append("drift")
    return found
