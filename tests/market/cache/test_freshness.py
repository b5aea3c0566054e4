"""The rules as a pure function, and that the fast paths' bounds are the same rules."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.market import MDCacheConfig, TrustLevel, UseCase
from calib.market.cache.entry_table import bounds_of
from calib.market.cache.freshness import Facts, Limits, ReadAction, Request, decide, last_resort

MS = 1_000_000
LIMITS = Limits.of(MDCacheConfig())


def action(use_case: UseCase, age_ms: float, trust: TrustLevel = TrustLevel.LIVE, limits: Limits = LIMITS) -> str:
    return decide(Facts(round(age_ms * MS), trust, 50, 7), Request(use_case, 50), limits).action.value


@pytest.mark.parametrize(
    ("use_case", "trust", "ages"),
    [
        # age in ms of the last fresh, first stale, last stale and first missing moment
        (UseCase.GENERAL, TrustLevel.LIVE, (100, 101, 5000, 5001)),
        (UseCase.GENERAL, TrustLevel.REST, (100, 101, 5000, 5001)),
        (UseCase.ANALYTICS, TrustLevel.SUSPECT, (100, 101, 5000, 5001)),
        (UseCase.PRICING, TrustLevel.LIVE, (60, 61, 5000, 5001)),
        (UseCase.PRICING, TrustLevel.SUSPECT, (None, 0, 5000, 5001)),
        (UseCase.PRICING, TrustLevel.REST, (None, None, None, 0)),
        (UseCase.GUARDS, TrustLevel.LIVE, (50, None, None, 51)),
        (UseCase.GUARDS, TrustLevel.SUSPECT, (None, None, None, 0)),
        (UseCase.GUARDS, TrustLevel.REST, (None, None, None, 0)),
    ],
)
def test_the_table_of_the_contract(use_case: UseCase, trust: TrustLevel, ages: tuple[float | None, ...]) -> None:
    for age_ms, expected in zip(ages, ("fresh", "stale", "stale", "wait"), strict=True):
        if age_ms is not None:
            assert action(use_case, age_ms, trust) == expected


def test_policy_comes_before_every_bound() -> None:
    """Bounds of 10 s, as no configuration allows: 5 s remain the end for everybody."""
    wide = 10_000 * MS
    limits = Limits(wide, wide, wide, wide, wide, True, False, True, False, wide)
    for use_case in UseCase:
        assert action(use_case, 5000, limits=limits) == "fresh"
        assert action(use_case, 5000.001, limits=limits) == "wait"


def test_integrity_comes_before_speed_and_tells_what_it_found() -> None:
    facts = Facts(0, TrustLevel.LIVE, 20, 7)
    decision = decide(facts, Request(UseCase.GENERAL, 50, expected_update_id=9), LIMITS)
    assert (decision.action, decision.depth_miss, decision.sequence_gap, decision.invalidate) == (
        ReadAction.WAIT, True, True, "ws_gap"
    )  # fmt: skip
    unknown = decide(Facts(0, TrustLevel.LIVE, 20, None), Request(UseCase.GENERAL, 5, expected_update_id=9), LIMITS)
    assert (unknown.action, unknown.sequence_gap, unknown.invalidate) == (ReadAction.WAIT, True, None)


@given(
    st.sampled_from(UseCase), st.sampled_from(TrustLevel), st.integers(0, 6000), st.booleans(), st.booleans(),
    st.sampled_from([10, 60, 100, 1000, 5000]), st.sampled_from([1000, 5000]),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_the_bounds_of_the_fast_paths_are_the_decisions(
    use_case: UseCase, trust: TrustLevel, age_ms: int, stale_ok: bool, skip: bool, ttl_ms: int, hard_ms: int
) -> None:
    hard_ms = max(hard_ms, ttl_ms)
    limits = Limits.of(MDCacheConfig(ttl_ms=ttl_ms, hard_ttl_ms=hard_ms, stale_ok=stale_ok, skip_pricing_on_stale=skip))
    bounds = bounds_of(limits, trust)
    decided = decide(Facts(age_ms * MS, trust, 50, 7), Request(use_case, 50), limits).action
    fresh = age_ms * MS <= bounds.fresh_ns[use_case.value]
    stale = not fresh and age_ms * MS <= bounds.stale_ns[use_case.value]
    assert (decided is ReadAction.FRESH) == fresh
    assert (decided is ReadAction.STALE) == stale


def test_the_last_resort_is_chosen_and_never_breaks_policy_or_integrity() -> None:
    chosen = Limits.of(MDCacheConfig(guard_on_timeout="stale_last_resort"))
    guard = Request(UseCase.GUARDS, 20)
    old = Facts(4000 * MS, TrustLevel.LIVE, 20, 7)
    assert last_resort(old, guard, chosen)
    assert not last_resort(old, guard, LIMITS)
    assert not last_resort(None, guard, chosen)
    assert not last_resort(Facts(5001 * MS, TrustLevel.LIVE, 20, 7), guard, chosen)
    assert not last_resort(Facts(0, TrustLevel.REST, 20, 7), guard, chosen)
    assert not last_resort(Facts(0, TrustLevel.SUSPECT, 20, 7), guard, chosen)
    assert not last_resort(Facts(0, TrustLevel.LIVE, 19, 7), guard, chosen)
    assert not last_resort(old, Request(UseCase.GUARDS, 20, expected_update_id=9), chosen)
