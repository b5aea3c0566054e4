"""Whether a fit may be used: what must hold, and what is said where it does not."""

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
    "nothing_to_fit": "no maker fill of a quote, and so no rate",
    "no_quotes": "no quote of ours in the range",
    "no_mids": "no mid while quotes rested: record the book",
    "mids_too_coarse": "the mids are further apart than a tenth of a quote's life: record the book",
    "all_run_over": "every fill came when the mid had already passed the quote",
    "clocks_disagree": "fills lie outside the life of their quotes, or the clocks of book and fills differ",
    "repeated_quote_ids": "quote ids repeat within the symbol, so that fills cannot be told apart",
    "k_not_identified": "the fills' mean distance lies at an end of the distances: no k maximises the likelihood",
    "too_few_fills": f"fewer than {MIN_FILLS} fills",
    "too_few_clusters": f"exposure in fewer than {MIN_CLUSTERS} minutes",
    "too_few_bins": f"fewer than {MIN_BINS} ranges of distance expect {MIN_EXPECTED:g} fills",
    "k_interval_touches_0": "the interval of k holds 0",
    "k_interval_too_wide": f"the interval of k is wider than {MAX_HALF_WIDTH:g} of k on each side",
    "no_sigma": "no volatility: too few mids on the grid of seconds",
    "upper_bound": "made from public trades, which fill more often than quotes of ours: an upper bound",
    "too_few_test_days": f"fewer than {MIN_TEST_DAYS} days that an earlier fit could be judged on",
}
"""Reasons for which there is no verdict, and what each means."""
FAILING: Final = {
    "curvature": "a delta^2 term improves the fit: the log rate is not a line over distance",
    "not_monotone": "the rate rises with distance between bins",
    "extrapolated": "the half-spread lies outside the distances that were quoted",
    "no_gain_over_constant": "the fit foretells fills no better than a constant rate",
    "no_gain_over_in_use": "the fit foretells fills no better than the published file now in use",
    "fills_not_foretold": f"fewer than {MIN_HIT_SHARE:.0%} of the days' fills lay in their interval",
    "drift": "the fits of the days differ by more than their errors",
}
"""Reasons against a fit, and what each means."""
REASONS: Final = LACKING | FAILING


@dataclass(frozen=True, slots=True)
class FitVerdict:
    """``USE``, ``DO_NOT_USE`` or ``NOT_ENOUGH_DATA`` with its reasons, keys of `REASONS`."""

    verdict: str
    reasons: tuple[str, ...]


def quality(
    fit: IntensityFit, checks: Checks, fills: float, clusters: int, quotes: Sequence[Recommendation], *, has_sigma: bool
) -> list[str]:
    """The reasons for which there is no recommendation."""
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
    """The verdict: lacking data first, then what fails."""
    found = list(dict.fromkeys(reasons))
    if walk is None or len(walk.days) < MIN_TEST_DAYS:
        found.append("too_few_test_days")
    if walk is not None and len(walk.days) >= MIN_TEST_DAYS:
        found += _walked(walk)
    if any(reason in LACKING for reason in found):
        return FitVerdict(NOT_ENOUGH_DATA, tuple(found))
    return FitVerdict(DO_NOT_USE if found else USE, tuple(found))


def _walked(walk: WalkForward) -> list[str]:
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
