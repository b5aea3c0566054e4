"""TTL zones around scheduled events: the nearer the event, the shorter the TTL.

A schedule is a YAML file in ``schedules/`` (or your own) with its zones, nearest first.

If the event time is **missing**, the schedule's period determines the next event; without a period the zone is the last
one (``standard``). If it is **past**, the zone is the nearest one (``warmup``) with the shortest TTL, confirmed or not:
after the start the values change fastest, and the end of the event is unknown.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from calib.clock import Clock, SystemClock
from calib.errors import BadCatalogue, BadContext

if TYPE_CHECKING:
    from pathlib import Path

ZONE_NAMES: Final = ("warmup", "golden", "active", "prematch", "standard")
MATCH: Final = "match"
_SCHEMA: Final = "calib.schedule/1"
_KEYS: Final = {"schema", "name", "confirmed_factor", "period_s", "offset_s", "zones"}


class Zone(NamedTuple):
    """One zone: within ``within_s`` seconds of the event the TTL is ``ttl_s`` seconds."""

    name: str
    within_s: float
    ttl_s: float


class ZoneTtl(NamedTuple):
    """The zone at a time and its TTL, s, including the factor of a confirmation."""

    zone: str
    ttl_s: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """The zones of one kind of event.

    Parameters
    ----------
    name
        Name in messages.
    zones
        Nearest first, each with a greater ``within_s``; the last is infinite.
    confirmed_factor
        Factor of a confirmation on the TTL, >= 1.
    period_s, offset_s
        Period of recurring events on the UTC clock (funding every 8 h), and the time of the first after 1970-01-01
        00:00; None if every event has its own time.
    """

    name: str
    zones: tuple[Zone, ...]
    confirmed_factor: float = 2.0
    period_s: float | None = None
    offset_s: float = 0.0

    @property
    def longest_ttl_s(self) -> float:
        """The longest TTL of the schedule, s."""
        return max(zone.ttl_s for zone in self.zones) * self.confirmed_factor

    def at(self, event_time_s: float | None, now_s: float, confirmed: bool = False) -> ZoneTtl:
        """Return the zone at ``now_s`` and its TTL; both times are Unix seconds. A bound belongs to the nearer zone.

        >>> schedule = load_schedule("match")
        >>> schedule.at(1000.0 + 900, 1000.0), schedule.at(1000.0 + 901, 1000.0, confirmed=True)
        (ZoneTtl(zone='warmup', ttl_s=30.0), ZoneTtl(zone='golden', ttl_s=120.0))
        """
        left_s = self._left_s(event_time_s, now_s)
        if left_s < 0:
            return ZoneTtl(self.zones[0].name, self.zones[0].ttl_s)
        zone = next(zone for zone in self.zones if left_s <= zone.within_s)
        return ZoneTtl(zone.name, zone.ttl_s * self.confirmed_factor if confirmed else zone.ttl_s)

    def _left_s(self, event_time_s: float | None, now_s: float) -> float:
        if event_time_s is not None:
            return event_time_s - now_s
        if self.period_s is None:
            return math.inf
        return -(now_s - self.offset_s) % self.period_s


class GoldenHour:
    """TTL zones with a schedule and a clock.

    Parameters
    ----------
    schedule
        Name of a built-in schedule (``match``, ``funding_and_expiry``), or a `Schedule`.
    clock
        The clock; default: the system clock.

    >>> from calib.clock import VirtualClock
    >>> hour = GoldenHour(clock=VirtualClock(1_000_000.0))
    >>> hour.zone(1_000_000.0 + 3600), hour.zone(None), hour.zone(999_999.0, confirmed=True)
    (ZoneTtl(zone='golden', ttl_s=60.0), ZoneTtl(zone='standard', ttl_s=21600.0), ZoneTtl(zone='warmup', ttl_s=30.0))
    """

    def __init__(self, schedule: str | Schedule = MATCH, *, clock: Clock | None = None) -> None:
        self.schedule = load_schedule(schedule) if isinstance(schedule, str) else schedule
        self._clock: Clock = SystemClock() if clock is None else clock

    def zone(self, event_time: object = None, *, confirmed: bool = False) -> ZoneTtl:
        """Return the zone now, and its TTL in seconds.

        Raises
        ------
        calib.errors.BadContext
            If the event time is invalid; see `event_seconds`.
        """
        return self.schedule.at(event_seconds(event_time), self._clock.time(), confirmed)


def event_seconds(value: object) -> float | None:
    """Return an event time as Unix s, from an aware `datetime`, ISO 8601 text (without an offset: UTC), or Unix s.

    Raises
    ------
    calib.errors.BadContext
        For a naive `datetime` (its time zone is unknown), a number that is not finite, and other types.

    >>> event_seconds("1970-01-01T00:01:00Z"), event_seconds(None)
    (60.0, None)
    """
    match value:
        case None:
            return None
        case dt.datetime():
            if value.tzinfo is None:
                raise BadContext(
                    f"the event time {value.isoformat()} has no time zone", hint="Add one: tzinfo=datetime.UTC"
                )
            return value.timestamp()
        case bool():
            pass
        case int() | float() if math.isfinite(value):
            return float(value)
        case str():
            try:
                parsed = dt.datetime.fromisoformat(value)
            except ValueError:
                pass
            else:
                return (parsed if parsed.tzinfo else parsed.replace(tzinfo=dt.UTC)).timestamp()
    raise BadContext(
        f"{value!r} is not a valid event time",
        hint="Give an aware datetime, ISO 8601 text or Unix seconds",
    )


@cache
def load_schedule(name: str) -> Schedule:
    """Return a built-in schedule.

    Raises
    ------
    calib.errors.BadCatalogue
        If the name is unknown; the message lists the known ones.
    """
    folder = resources.files("calib.smartcache") / "schedules"
    file = folder / f"{name}.yaml"
    if not file.is_file():
        known = sorted(item.name.removesuffix(".yaml") for item in folder.iterdir())
        raise BadCatalogue(f"unknown schedule {name!r}", hint=f"Known: {', '.join(known)}")
    return parse_schedule(yaml.safe_load(file.read_text("utf-8")), str(name))


def read_schedule(path: Path) -> Schedule:
    """Read a schedule from a YAML file.

    Raises
    ------
    calib.errors.BadCatalogue
        If it cannot be read or is not a valid schedule; the message says what is wrong.
    """
    try:
        tree = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadCatalogue(f"cannot be read: {type(error).__name__}", where=str(path)) from error
    return parse_schedule(tree, str(path))


def parse_schedule(tree: Any, where: str) -> Schedule:
    """Return the schedule of a parsed YAML document; see `read_schedule`."""

    def wrong(what: str) -> BadCatalogue:
        return BadCatalogue(what, where=where, hint="docs/how-to/embed-the-smart-cache.md shows a schedule")

    if not isinstance(tree, dict) or tree.get("schema") != _SCHEMA:
        raise wrong(f"schema is not {_SCHEMA!r}")
    if unknown := sorted(map(str, set(tree) - _KEYS)):
        raise wrong(f"unknown keys: {', '.join(unknown)}")
    factor, period_s, offset_s = tree.get("confirmed_factor", 2.0), tree.get("period_s"), tree.get("offset_s", 0.0)
    if not _number(factor, 1) or not _number(offset_s, 0) or not (period_s is None or _number(period_s, 1)):
        raise wrong("confirmed_factor must be at least 1, period_s at least 1 or null, offset_s at least 0")
    rows = tree.get("zones")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        raise wrong("zones is not a list of zones")
    zones = []
    for number, row in enumerate(rows):
        last = number == len(rows) - 1
        if set(row) != ({"name", "ttl_s"} if last else {"name", "within_s", "ttl_s"}):
            raise wrong(f"zone {number + 1} needs name, ttl_s and, except for the last, within_s")
        within_s = math.inf if last else row["within_s"]
        if row["name"] not in ZONE_NAMES or not _number(row["ttl_s"], 1) or not (last or _number(within_s, 0)):
            raise wrong(f"zone {number + 1}: name must be one of {', '.join(ZONE_NAMES)}, ttl_s at least 1")
        zones.append(Zone(row["name"], float(within_s), float(row["ttl_s"])))
    if any(near.within_s >= far.within_s for near, far in itertools.pairwise(zones)):
        raise wrong("within_s must increase from zone to zone")
    if len({zone.name for zone in zones}) != len(zones):
        raise wrong("duplicate zone name")
    return Schedule(
        str(tree.get("name", where)),
        tuple(zones),
        float(factor),
        None if period_s is None else float(period_s),
        float(offset_s),
    )


def _number(value: object, low: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and low <= value < math.inf
