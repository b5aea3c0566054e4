"""The clock: two readings that are never mixed."""

from __future__ import annotations

import pytest

from calib.clock import Clock, SystemClock, VirtualClock


def test_both_clocks_satisfy_the_protocol() -> None:
    assert isinstance(SystemClock(), Clock)
    assert isinstance(VirtualClock(), Clock)


def test_system_clock_monotonic_never_goes_back() -> None:
    clock = SystemClock()
    readings = [clock.monotonic_ns() for _ in range(1000)]
    assert readings == sorted(readings)


def test_virtual_clock_stands_still_until_moved() -> None:
    clock = VirtualClock(100.0)
    assert (clock.time(), clock.monotonic_ns()) == (100.0, 0)
    clock.advance_ns(1)
    assert clock.monotonic_ns() == 1


def test_virtual_clock_adds_up_a_day_of_microseconds_exactly() -> None:
    clock = VirtualClock(1_735_689_600.0)
    for _ in range(86_400):
        clock.advance_ns(1_000_000_000)
    assert clock.time() == 1_735_776_000.0
    assert clock.monotonic_ns() == 86_400_000_000_000


def test_virtual_clock_refuses_to_go_back() -> None:
    with pytest.raises(ValueError, match="cannot advance a clock by -1 ns: expected at least 0"):
        VirtualClock().advance_ns(-1)


def test_virtual_clock_reaches_a_moment_once() -> None:
    clock = VirtualClock(100.0)
    for ns in (5_000_000_000, 5_000_000_000, 3):  # there already, and past it
        clock.reach_ns(ns)
        assert (clock.time(), clock.monotonic_ns()) == (105.0, 5_000_000_000)


def test_wall_step_leaves_ages_alone() -> None:
    clock = VirtualClock(1000.0)
    clock.step_wall(-500)
    assert (clock.time(), clock.monotonic_ns()) == (500.0, 0)
