"""Times and ranges as people type them."""

from __future__ import annotations

import pytest

from calib.cli.times import TimeRange, parse_duration, parse_range, parse_time
from calib.errors import BadRange, BadTime

NOW = 1_735_732_800.5  # 2025-01-01T12:00:00.5Z
MIDNIGHT = 1_735_689_600.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01-01T06:00:00Z", MIDNIGHT + 21_600),
        ("2025-01-01T06:00", MIDNIGHT + 21_600),
        ("2025-01-01 06:00:00.25", MIDNIGHT + 21_600.25),
        ("2025-01-01T06:00:00+02:00", MIDNIGHT + 14_400),
        ("20250101", MIDNIGHT),
        ("2025-01-01", MIDNIGHT),
        ("today", MIDNIGHT),
        ("yesterday", MIDNIGHT - 86_400),
        ("now", NOW),
        ("now-6h", NOW - 21_600),
        ("NOW + 30m", NOW + 1800),
        ("1735689600", MIDNIGHT),
        ("1735689600.5", MIDNIGHT + 0.5),
        ("1735689600500", MIDNIGHT + 0.5),
        ("946684800", 946_684_800.0),
    ],
)
def test_times(text: str, expected: float) -> None:
    assert parse_time(text, NOW) == expected


@pytest.mark.parametrize(
    "text", ["", "tomorrowish", "2025-13-01", "now-", "now-6x", "17356896000000000000", "12", "-5"]
)
def test_what_is_no_time_is_said(text: str) -> None:
    with pytest.raises(BadTime) as caught:
        parse_time(text, NOW)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90.0), ("15m", 900.0), ("2d", 172_800.0), ("1d12h", 129_600.0), ("250ms", 0.25)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "h", "2y", "1h and a bit"])
def test_what_is_no_duration_is_said(text: str) -> None:
    with pytest.raises(BadTime):
        parse_duration(text)


def test_ranges() -> None:
    assert parse_range(now=NOW) == TimeRange(None, None)
    assert parse_range(start="2025-01-01", now=NOW) == TimeRange(MIDNIGHT, None)
    assert parse_range(day="20250101", now=NOW) == TimeRange(MIDNIGHT, MIDNIGHT + 86_400)
    assert parse_range(since="2d", now=NOW) == TimeRange(NOW - 172_800, NOW)


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(BadRange, match="not before"):
        parse_range(start="2025-01-02", end="2025-01-01", now=NOW)
    with pytest.raises(BadRange, match="not before"):
        parse_range(start="2025-01-01", end="2025-01-01", now=NOW)


def test_two_ways_of_saying_a_range_are_refused() -> None:
    with pytest.raises(BadRange, match="--since and --day"):
        parse_range(since="2d", day="today", now=NOW)
