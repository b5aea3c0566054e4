"""The result of one canary check and the rules behind it; no clock, no file."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from calib.experiments.canary.measure import Measures
from calib.experiments.states import State
from calib.limits import Limit, check_limits

if TYPE_CHECKING:
    from calib.experiments.canary.baseline import Baseline
    from calib.experiments.canary.fetch_test import FetchTest
    from calib.experiments.canary.settings import CanarySettings

Finding = tuple[State, str]


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one canary check."""

    state: State
    phase: str
    why: str
    measures: Measures
    covered_s: float
    needed_s: float
    ready: bool
    """Whether the step has covered its minimum time and passes its gates, so that the canary may advance."""
    test: dict[str, Any] | None = None
    """The sequential test: p, alpha, blocks, effect; None in shadow and after a rollback."""
    advanced: bool = False
    """Whether this check advanced to the next step."""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "state": str(self.state)}


def shadow_failures(found: Measures, settings: CanarySettings) -> list[str]:
    """Return a text for each shadow criterion that is not met; a missing figure does not meet its criterion."""
    limits = {
        Limit("hit_ratio", ">=", settings.shadow_min_hit_ratio): ("hit ratio", ""),
        Limit("fetch_md_p95_ms", "<=", settings.shadow_max_fetch_ms): ("fetch_md p95", " ms"),
        Limit("fetch_md_gain_ms", ">=", settings.shadow_min_gain_ms): ("improvement of fetch_md p95", " ms"),
        Limit("tick_total_p95_ms", "<=", settings.shadow_max_tick_ms): ("tick_total p95", " ms"),
        Limit("deadline_miss_rate", "<", settings.shadow_max_deadline_miss_rate): ("deadline misses", ""),
    }
    values = {limit.name: getattr(found, limit.name) for limit in limits}
    failed = []
    for result in check_limits(limits, values, missing_fails=True):
        name, unit = limits[result.limit]
        shown = "unknown" if result.value is None else f"{result.value:.4g}{unit}"
        if not result.passed:
            failed.append(f"{name} {shown}, must be {result.limit.sign} {result.limit.limit:g}{unit}")
    return failed


def judge_figures(found: Measures, settings: CanarySettings, now: float) -> Finding | None:
    """Evaluate the number of ticks and the hit ratio of a step; None if only ``fetch_md`` remains to be evaluated."""
    if found.ticks < settings.min_ticks or found.newest is None or now - found.newest > settings.max_gap_s:
        return State.NODATA, f"{found.ticks} ticks in the window, {settings.min_ticks} are needed, none older"
    if found.hit_ratio is None or found.fetch_ratio is None:
        return State.NODATA, "no symbol has enough ticks with a fetch_md time"
    if found.hit_ratio < settings.min_hit_ratio:
        return State.VIOLATING, f"hit_ratio {found.hit_ratio:.3f} < {settings.min_hit_ratio:g}"
    return None


def judge_threshold(found: Measures, baseline: Baseline, limit: float) -> Finding:
    """Compare the rise of ``fetch_md`` over the baseline with a limit; 0.15 is +15 %."""
    if found.fetch_ratio is not None and found.fetch_ratio > 1 + limit:
        return State.VIOLATING, _rise(found, baseline)
    return State.OK, "hit ratio and fetch_md within their gates"


def judge_sequential(test: FetchTest) -> Finding:
    """Evaluate the sequential test against the symbols without the cache."""
    effect = test.effect_ratio
    if effect is None:
        return State.INCONCLUSIVE, "no complete block yet with symbols that use the cache and symbols that do not"
    said = f"fetch_md p95 {100 * effect:+.1f} % against the symbols without the cache"
    limit = round(100 * math.expm1(test.log_margin), 6)
    if test.rejected:
        return State.VIOLATING, f"{said}, more than {limit:+g} % (p {test.p_value:.2g}, {test.count} blocks)"
    if test.total > 0:
        return State.INCONCLUSIVE, f"{said}, not yet shown to be more than {limit:+g} % ({test.count} blocks)"
    return State.OK, f"hit ratio within its gate, {said}"


def judge_without_control(found: Measures, baseline: Baseline, settings: CanarySettings) -> Finding:
    """Compare with the baseline when every symbol uses the cache.

    A rise is only inconclusive: the whole market may be slower, and no symbol without the cache is left to show it.
    """
    state, why = judge_threshold(found, baseline, settings.max_fetch_increase)
    if state is State.VIOLATING:
        return State.INCONCLUSIVE, f"{why}; no symbol is left without the cache to compare with"
    return state, why


def _rise(found: Measures, baseline: Baseline) -> str:
    rise = 100 * ((found.fetch_ratio or 1.0) - 1)
    return f"fetch_md p95 {rise:+.1f} % of baseline {baseline.name!r} version {baseline.version}"
