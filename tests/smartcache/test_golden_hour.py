"""TTL zones: the boundaries, what is past or missing, schedules as data."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from calib.clock import VirtualClock
from calib.errors import BadCatalogue, BadContext
from calib.smartcache import GoldenHour, load_schedule, read_schedule
from calib.smartcache.golden_hour import parse_schedule

NOW = 1_735_689_600.0  # 2025-01-01T00:00:00Z


@pytest.mark.parametrize(
    ("left_s", "zone", "ttl_s"),
    [
        (0, "warmup", 30),
        (900, "warmup", 30),
        (900.001, "golden", 60),
        (3600, "golden", 60),
        (3600.001, "active", 900),
        (21_600, "active", 900),
        (21_600.001, "prematch", 3600),
        (86_400, "prematch", 3600),
        (86_400.001, "standard", 21_600),
        (1e9, "standard", 21_600),
    ],
)
def test_boundaries(left_s: float, zone: str, ttl_s: float) -> None:
    hour = GoldenHour(clock=VirtualClock(NOW))
    assert hour.zone(NOW + left_s) == (zone, ttl_s)
    assert hour.zone(NOW + left_s, confirmed=True) == (zone, 2 * ttl_s)


def test_a_past_event_is_warmup_at_its_shortest_and_a_missing_one_standard() -> None:
    hour = GoldenHour(clock=VirtualClock(NOW))
    assert hour.zone(NOW - 0.001) == ("warmup", 30)
    assert hour.zone(NOW - 1e6, confirmed=True) == ("warmup", 30)
    assert hour.zone(None) == ("standard", 21_600)
    assert hour.zone(None, confirmed=True) == ("standard", 43_200)


@pytest.mark.parametrize(
    "value",
    [
        "2025-01-01T01:00:00Z",
        "2025-01-01T02:00:00+01:00",
        "2025-01-01T01:00:00",
        NOW + 3600,
        int(NOW) + 3600,
        dt.datetime(2025, 1, 1, 1, tzinfo=dt.UTC),
        dt.datetime(2025, 1, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=1))),
    ],
)
def test_forms_of_a_time(value: object) -> None:
    assert GoldenHour(clock=VirtualClock(NOW)).zone(value) == ("golden", 60)


@pytest.mark.parametrize(
    "value",
    [dt.datetime(2025, 1, 1), "soon", float("nan"), True, [1]],  # noqa: DTZ001  # naive on purpose
)
def test_what_is_not_a_time_says_so(value: object) -> None:
    with pytest.raises(BadContext, match=r"no time zone|not a valid event time"):
        GoldenHour().zone(value)


@pytest.mark.parametrize(
    ("clock_s", "zone", "ttl_s"),
    [
        (0, "warmup", 5),  # 00:00: the funding is now
        (1, "standard", 900),
        (28_800 - 14_400, "prematch", 300),
        (28_800 - 3600, "active", 60),
        (28_800 - 300, "golden", 15),
        (28_800 - 60, "warmup", 5),
        (28_800, "warmup", 5),
        (57_600 - 61, "golden", 15),
    ],
)
def test_funding_comes_every_eight_hours_without_being_told(clock_s: float, zone: str, ttl_s: float) -> None:
    assert GoldenHour("funding_and_expiry", clock=VirtualClock(NOW + clock_s)).zone() == (zone, ttl_s)


def test_an_expiry_is_given_as_the_event_time() -> None:
    hour = GoldenHour("funding_and_expiry", clock=VirtualClock(NOW + 3600))
    assert hour.zone(NOW + 3600 + 200) == ("golden", 15)


def tree(**changes: Any) -> dict[str, Any]:
    zones = [{"name": "golden", "within_s": 60, "ttl_s": 5}, {"name": "standard", "ttl_s": 50}]
    return {"schema": "calib.schedule/1", "name": "mine", "zones": zones} | changes


def test_a_schedule_of_your_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "schema: calib.schedule/1\nname: mine\nconfirmed_factor: 3\nzones:\n"
        "  - {name: golden, within_s: 60, ttl_s: 5}\n  - {name: standard, ttl_s: 50}\n",
        "utf-8",
    )
    hour = GoldenHour(read_schedule(file), clock=VirtualClock(NOW))
    assert hour.zone(NOW + 60, confirmed=True) == ("golden", 15)
    assert hour.schedule.longest_ttl_s == 150


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ([], "schema is not"),
        (tree(schema="other"), "schema is not"),
        (tree(zone=1), "unknown keys: zone"),
        (tree(zones=[]), "not a list of zones"),
        (tree(zones=[{"name": "golden", "ttl_s": 5}, {"name": "standard", "ttl_s": 5}]), "zone 1 needs"),
        (tree(zones=[{"name": "mine", "ttl_s": 5}]), "name must be one of warmup"),
        (tree(zones=[{"name": "standard", "ttl_s": 0}]), "ttl_s at least 1"),
        (tree(zones=[{"name": "standard", "ttl_s": True}]), "ttl_s at least 1"),
        (tree(confirmed_factor=0.5), "confirmed_factor must be at least 1"),
        (tree(period_s=-1), "period_s at least 1"),
        (
            tree(
                zones=[
                    {"name": "warmup", "within_s": 60, "ttl_s": 5},
                    {"name": "golden", "within_s": 60, "ttl_s": 5},
                    {"name": "standard", "ttl_s": 5},
                ]
            ),
            "must increase",
        ),
    ],
)
def test_a_broken_schedule_says_what_is_wrong(broken: Any, words: str) -> None:
    with pytest.raises(BadCatalogue, match=words) as error:
        parse_schedule(broken, "mine.yaml")
    assert "mine.yaml" in str(error.value)


def test_an_unknown_schedule_lists_the_known_ones() -> None:
    with pytest.raises(BadCatalogue, match="funding_and_expiry, match"):
        load_schedule("cricket")


def test_a_file_that_is_missing_or_not_yaml(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    for text in (None, "a: [", b"\xff"):
        if isinstance(text, str):
            file.write_text(text, "utf-8")
        elif text is not None:
            file.write_bytes(text)
        with pytest.raises(BadCatalogue, match=r"s\.yaml: cannot be read"):
            read_schedule(file)
