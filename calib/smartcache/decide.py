"""What a read gets: a pure decision from the entry, the time, the context and the settings. Nothing here does I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from calib.clock import NS_PER_S
from calib.smartcache.entry import STALE_FACTOR, CachedEntry
from calib.smartcache.volatility import VixStatus
from calib.smartcache.xfetch import draw_window_s, early_refresh

if TYPE_CHECKING:
    from calib.smartcache.golden_hour import Schedule

BYPASS: Final = "bypass"
COMPUTE: Final = "compute"
SERVE_FRESH: Final = "serve_fresh"
SERVE_STALE: Final = "serve_stale"
STRATEGIES: Final = (BYPASS, COMPUTE, SERVE_FRESH, SERVE_STALE)


class Moment(NamedTuple):
    """The time of a read: monotonic nanoseconds, Unix seconds, and a number drawn from (0, 1] for XFetch."""

    monotonic_ns: int
    wall_s: float
    draw: float


@dataclass(frozen=True, slots=True)
class ReadContext:
    """What a read says about itself.

    Parameters
    ----------
    event_time_s
        Unix seconds of the event; None: unknown.
    confirmed
        Whether the event's facts are confirmed (line-up, published rate).
    ttl_cap_s
        TTL at most, s; None: the zone's.
    vix
        Volatility of the markets that the value depends on.
    force_refresh
        Whether cached values are refused.
    timed
        Whether the read knows the time of its event: then the zone's TTL now bounds what the entry was given.
    """

    event_time_s: float | None = None
    confirmed: bool = False
    ttl_cap_s: float | None = None
    vix: VixStatus = VixStatus.NORMAL
    force_refresh: bool = False
    timed: bool = False


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """What a decision needs of the settings.

    Parameters
    ----------
    schedule
        The TTL zones.
    beta, delta_floor_s, warning_ttl_s
        As in `calib.smartcache.SmartCacheSettings`.
    max_ttl_s
        Half of the policy's limit for the data type, s: a value is served up to twice its TTL. None: no limit.
    """

    schedule: Schedule
    beta: float = 1.0
    delta_floor_s: float = 0.001
    warning_ttl_s: float = 60.0
    max_ttl_s: float | None = None


class ServeDecision(NamedTuple):
    """What to do with a read.

    ``ttl_s`` is the TTL that a value computed now is given, or by which the entry was judged. ``refresh`` asks for a
    background refresh, ``early`` says that XFetch wants it.
    """

    strategy: str
    zone: str
    ttl_s: float
    age_s: float | None
    refresh: bool
    early: bool
    reason: str


def decide(entry: CachedEntry | None, now: Moment, context: ReadContext, settings: DecisionSettings) -> ServeDecision:
    """What a read gets.

    Parameters
    ----------
    entry
        What is cached, or None.
    now
        Time and draw.
    context
        What the read says about itself.
    settings
        The rules.

    Returns
    -------
    ServeDecision
        ``bypass`` in a panic; ``compute`` where a refresh is forced, nothing is cached or it is too stale;
        ``serve_fresh`` while age < TTL; ``serve_stale`` while age < 2 TTL.

    >>> from calib.smartcache.golden_hour import load_schedule
    >>> rules = DecisionSettings(load_schedule("match"))
    >>> entry = CachedEntry("v", as_of_ns=0, ttl_s=30.0, delta_s=0.1, zone="warmup", fence=1, quiet_until_ns=0)
    >>> [decide(entry, Moment(s * NS_PER_S, 0.0, 1.0), ReadContext(), rules).strategy for s in (29, 30, 59, 60)]
    ['serve_fresh', 'serve_stale', 'serve_stale', 'compute']
    """
    zone, fresh_s = ttl_now(now.wall_s, context, settings)
    if context.vix is VixStatus.PANIC:
        return ServeDecision(BYPASS, zone, fresh_s, None, False, False, "panic")
    if context.force_refresh:
        return ServeDecision(COMPUTE, zone, fresh_s, None, False, False, "forced")
    if entry is None:
        return ServeDecision(COMPUTE, zone, fresh_s, None, False, False, "missing")
    if not context.timed:
        zone = entry.zone
    ttl_s = _judged_ttl_s(entry, fresh_s, context, settings)
    age_s = (now.monotonic_ns - entry.as_of_ns) / NS_PER_S
    if age_s < ttl_s:
        early = _early(entry, ttl_s - age_s, now.draw, settings)
        return ServeDecision(SERVE_FRESH, zone, ttl_s, age_s, early, early, "early" if early else "fresh")
    if age_s < STALE_FACTOR * ttl_s:
        return ServeDecision(SERVE_STALE, zone, ttl_s, age_s, True, False, "stale")
    return ServeDecision(COMPUTE, zone, fresh_s, age_s, False, False, "too_stale")


def ttl_now(wall_s: float, context: ReadContext, settings: DecisionSettings) -> tuple[str, float]:
    """Zone and TTL, s, of a value computed now."""
    zone, ttl_s = settings.schedule.at(context.event_time_s, wall_s, context.confirmed)
    if context.ttl_cap_s is not None:
        ttl_s = min(ttl_s, context.ttl_cap_s)
    if context.vix is not VixStatus.NORMAL:
        ttl_s = min(ttl_s, settings.warning_ttl_s)
    if settings.max_ttl_s is not None:
        ttl_s = min(ttl_s, settings.max_ttl_s)
    return zone, ttl_s


def quiet_until_ns(as_of_ns: int, ttl_s: float, delta_s: float, settings: DecisionSettings) -> int:
    """Until then a read without a context is ``serve_fresh`` with nothing to draw."""
    quiet_s = ttl_s - draw_window_s(max(delta_s, settings.delta_floor_s), settings.beta)
    return as_of_ns + round(max(0.0, quiet_s) * NS_PER_S)


def _judged_ttl_s(entry: CachedEntry, fresh_s: float, context: ReadContext, settings: DecisionSettings) -> float:
    """The entry's own TTL, shortened by what is known now: the event has come nearer, a market moves, a cap."""
    bounds = [entry.ttl_s]
    if context.timed:
        bounds.append(fresh_s)
    if context.ttl_cap_s is not None:
        bounds.append(context.ttl_cap_s)
    if context.vix is VixStatus.WARNING:
        bounds.append(settings.warning_ttl_s)
    if settings.max_ttl_s is not None:
        bounds.append(settings.max_ttl_s)
    return min(bounds)


def _early(entry: CachedEntry, left_s: float, draw: float, settings: DecisionSettings) -> bool:
    delta_s = max(entry.delta_s, settings.delta_floor_s)
    if left_s > draw_window_s(delta_s, settings.beta):
        return False
    return early_refresh(left_s, delta_s, settings.beta, draw)
