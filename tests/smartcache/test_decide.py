"""The pure decision: every boundary, and that the short way of a hit agrees with it."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.clock import NS_PER_S
from calib.smartcache import CachedEntry, DecisionSettings, Moment, ReadContext, VixStatus, decide, load_schedule
from calib.smartcache.decide import STRATEGIES, quiet_until_ns
from calib.smartcache.xfetch import draw_window_s, early_refresh

RULES = DecisionSettings(load_schedule("match"))
NO_DRAW = 1.0


def entry(ttl_s: float = 30.0, delta_s: float = 0.001, zone: str = "warmup") -> CachedEntry:
    return CachedEntry("v", 0, ttl_s, delta_s, zone, 1, quiet_until_ns(0, ttl_s, delta_s, RULES))


def at(age_s: float, context: ReadContext | None = None, draw: float = NO_DRAW, **options: Any) -> tuple[str, str]:
    moment = Moment(round(age_s * NS_PER_S), 0.0, draw)
    found = decide(entry(**options), moment, ReadContext() if context is None else context, RULES)
    return found.strategy, found.reason


def test_by_age() -> None:
    found = [at(age_s)[0] for age_s in (0, 29.999999999, 30, 59.999999999, 60, 1e6)]
    assert found == ["serve_fresh", "serve_fresh", "serve_stale", "serve_stale", "compute", "compute"]


def test_by_context() -> None:
    assert decide(None, Moment(0, 0.0, 1.0), ReadContext(), RULES)[:3] == ("compute", "standard", 21600.0)
    assert at(1, ReadContext(force_refresh=True)) == ("compute", "forced")
    assert at(1, ReadContext(vix=VixStatus.PANIC)) == ("bypass", "panic")
    assert at(1, ReadContext(vix=VixStatus.PANIC, force_refresh=True)) == ("bypass", "panic")
    assert at(61, ReadContext(vix=VixStatus.WARNING), ttl_s=3600) == ("serve_stale", "stale")
    assert at(121, ReadContext(vix=VixStatus.WARNING), ttl_s=3600) == ("compute", "too_stale")
    assert at(61, ttl_s=3600) == ("serve_fresh", "fresh")
    assert at(11, ReadContext(ttl_cap_s=10)) == ("serve_stale", "stale")
    assert at(31, ReadContext(event_time_s=100, timed=True), ttl_s=3600) == ("serve_stale", "stale")
    assert at(31, ReadContext(event_time_s=100, confirmed=True, timed=True), ttl_s=3600) == ("serve_fresh", "fresh")


def test_a_confirmation_never_lengthens_the_life_of_what_is_cached() -> None:
    assert at(31, ReadContext(event_time_s=100, confirmed=True, timed=True)) == ("serve_stale", "stale")


def test_the_policys_limit_holds_for_stale_serves_too() -> None:
    rules = DecisionSettings(load_schedule("match"), max_ttl_s=900.0)  # trading rules: 1800 s
    for age_s, strategy in ((899.9, "serve_fresh"), (1799.9, "serve_stale"), (1800.0, "compute")):
        found = decide(entry(21600.0), Moment(round(age_s * NS_PER_S), 0.0, 1.0), ReadContext(), rules)
        assert found.strategy == strategy


@given(left_s=st.floats(0, 100), delta_s=st.floats(0.001, 10), beta=st.floats(0.1, 5))
def test_xfetch_probability_is_exponential(left_s: float, delta_s: float, beta: float) -> None:
    """A draw u refreshes where u <= exp(-left / (beta delta)): the published probability."""
    bound = math.exp(-left_s / (beta * delta_s))
    if bound * 0.999 > 1e-300:
        assert early_refresh(left_s, delta_s, beta, bound * 0.999)
    if 1e-300 < bound * 1.001 < 1:
        assert not early_refresh(left_s, delta_s, beta, bound * 1.001)


def test_xfetch_draws_the_greatest_and_the_least_number() -> None:
    assert not early_refresh(1.0, 1.0, 1.0, 1.0)
    assert early_refresh(700.0, 1.0, 1.0, 5e-324)
    assert not early_refresh(1.0, 1.0, 0.0, 1e-300)  # beta 0 is off


def test_the_delta_has_a_floor() -> None:
    assert at(29.9995, draw=math.exp(-1), delta_s=1e-12) == ("serve_fresh", "early")
    assert at(29.99, draw=math.exp(-1), delta_s=1e-12) == ("serve_fresh", "fresh")


@settings(max_examples=300)
@given(
    age_s=st.floats(0, 100),
    ttl_s=st.floats(1, 50),
    delta_s=st.floats(0, 5),
    draw=st.floats(1e-17, 1.0),
)
def test_the_short_way_of_a_hit_agrees_with_the_decision(
    age_s: float, ttl_s: float, delta_s: float, draw: float
) -> None:
    """Before ``quiet_until_ns`` the decision is a fresh serve without a refresh, whatever is drawn above e^-40."""
    one = entry(ttl_s, delta_s)
    now_ns = round(age_s * NS_PER_S)
    found = decide(one, Moment(now_ns, 0.0, draw), ReadContext(), RULES)
    assert found.strategy in STRATEGIES
    if now_ns < one.quiet_until_ns:
        assert (found.strategy, found.refresh) == ("serve_fresh", False)
    elif found.strategy == "serve_fresh" and found.refresh:
        assert ttl_s - age_s <= draw_window_s(max(delta_s, RULES.delta_floor_s), RULES.beta) + 1e-6


@pytest.mark.parametrize(("beta", "computes"), [(0.0, 100.7), (0.5, 7.2), (1.0, 2.6), (2.0, 1.7)])
def test_xfetch_alone_against_the_published_simulation(beta: float, computes: float) -> None:
    """Without a lock, TTL = 100 delta, 100 reads a delta: computes started at an expiry before the first one ends.

    It is a few and not one: XFetch needs the single flight beside it.
    """
    rng = random.Random(1)
    started = 0
    for _ in range(300):
        first_ends: float | None = None
        now = 100.0 - 15 * beta  # before that a refresh has a probability below e^-15 a read
        while first_ends is None or now < first_ends:
            if now >= 100.0 or (beta and early_refresh(100.0 - now, 1.0, beta, 1.0 - rng.random())):
                started += 1
                first_ends = now + 1.0 if first_ends is None else first_ends
            now += 0.01
    assert started / 300 == pytest.approx(computes, rel=0.12)
