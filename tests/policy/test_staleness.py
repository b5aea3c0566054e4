"""Ages by the policy's limits; in doubt stale."""

from __future__ import annotations

import pytest

from calib.clock import NS_PER_S, VirtualClock
from calib.errors import ConfigError
from calib.policy import StalenessDetector

NOW = 1_735_689_600.0


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock(NOW)


@pytest.mark.parametrize(
    ("data_type", "limit_s"), [("orderbook", 5), ("stream_ticker", 5), ("symbol_info", 3600), ("trading_rules", 1800)]
)
def test_exactly_the_limit_is_fresh_and_past_it_is_stale(clock: VirtualClock, data_type: str, limit_s: float) -> None:
    detector = StalenessDetector(clock)
    assert not detector.is_stale(data_type, NOW - limit_s)
    assert detector.is_stale(data_type, NOW - limit_s - 0.001)


@pytest.mark.parametrize("data_type", ["balance", "order", "position", "trade", "no_such_type", ""])
def test_prohibited_and_unknown_types_are_always_stale(clock: VirtualClock, data_type: str) -> None:
    assert StalenessDetector(clock).is_stale(data_type, NOW)
    assert StalenessDetector(clock).is_stale_since(data_type, clock.monotonic_ns())


def test_analytic_data_has_no_age_limit(clock: VirtualClock) -> None:
    assert not StalenessDetector(clock).is_stale("performance", NOW - 1e8)


def test_a_time_in_the_future_beyond_the_tolerance_is_stale(clock: VirtualClock) -> None:
    detector = StalenessDetector(clock, future_tolerance_s=0.25)
    assert not detector.is_stale("orderbook", NOW + 0.25)
    assert detector.is_stale("orderbook", NOW + 0.26)
    assert detector.is_stale("analytics", NOW + 0.26)


def test_milliseconds_taken_for_seconds_are_stale(clock: VirtualClock) -> None:
    assert StalenessDetector(clock).is_stale("orderbook", NOW * 1000)


@pytest.mark.parametrize("timestamp", [None, float("nan"), float("inf"), -float("inf"), True, "1735689600"])
def test_what_is_not_a_time_is_stale(clock: VirtualClock, timestamp: float | None) -> None:
    assert StalenessDetector(clock).is_stale("orderbook", timestamp)


def test_monotonic_ages_do_not_notice_a_stepped_wall_clock(clock: VirtualClock) -> None:
    detector = StalenessDetector(clock)
    measured = clock.monotonic_ns()
    clock.advance_ns(5 * NS_PER_S)
    clock.step_wall(-3600)
    assert not detector.is_stale_since("orderbook", measured)
    clock.advance_ns(1)
    assert detector.is_stale_since("orderbook", measured)


@pytest.mark.parametrize("monotonic_ns", [None, 1, 2.0, True])
def test_a_monotonic_time_that_cannot_be_is_stale(clock: VirtualClock, monotonic_ns: int | None) -> None:
    assert StalenessDetector(clock).is_stale_since("orderbook", monotonic_ns)


@pytest.mark.parametrize("tolerance", [-0.1, 60.1, float("nan")])
def test_a_tolerance_out_of_range_is_refused(tolerance: float) -> None:
    with pytest.raises(ConfigError, match="0 to 60"):
        StalenessDetector(future_tolerance_s=tolerance)
