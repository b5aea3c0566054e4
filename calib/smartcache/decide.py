"""The decision about a read: a pure function of the entry, the time, the context and the settings, without I/O."""

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
    """The time of a read: monotonic ns, Unix s, and a random number in (0, 1] for XFetch."""

    monotonic_ns: int
    wall_s: float
    draw: float


@dataclass(frozen=True, slots=True)
class ReadContext:
    """The context of a read.

    Parameters
    ----------
    event_time_s
        Unix seconds of the event; None if unknown.
    confirmed
        Whether the event's data is confirmed (line-up, published rate).
    ttl_cap_s
        Maximum TTL, s; None: the zone's TTL.
    vix
        Volatility of the markets that the value depends on.
    force_refresh
        Whether to ignore cached values.
    timed
        Whether the time of the event is known: the current zone's TTL then limits the entry's TTL.
    """

    event_time_s: float | None = None
    confirmed: bool = False
    ttl_cap_s: float | None = None
    vix: VixStatus = VixStatus.NORMAL
    force_refresh: bool = False
    timed: bool = False


@dataclass(frozen=True, slots=True)
class DecisionSettings:
    """The settings of a decision.

    Parameters
    ----------
    schedule
        The TTL zones.
    beta, delta_floor_s, warning_ttl_s
        As in `calib.smartcache.SmartCacheSettings`.
    max_ttl_s
        Half of the policy's limit for the data type, s, because a value is served up to twice its TTL. None: no limit.
    """

    schedule: Schedule
    beta: float = 1.0
    delta_floor_s: float = 0.001
    warning_ttl_s: float = 60.0
    max_ttl_s: float | None = None


class ServeDecision(NamedTuple):
    """The decision about a read.

    ``ttl_s`` is the TTL of a value computed now, or the one applied to the entry. ``refresh``: whether to start a
    background refresh; ``early``: whether XFetch caused it.
    """

    strategy: str
    zone: str
    ttl_s: float
    age_s: float | None
    refresh: bool
    early: bool
    reason: str


def decide(entry: CachedEntry | None, now: Moment, context: ReadContext, settings: DecisionSettings) -> ServeDecision:
    """Decide how to serve a read.

    Parameters
    ----------
    entry
        The cached entry, or None.
    now
        Time and random number.
    context
        The context of the read.
    settings
        The rules.

    Returns
    -------
    ServeDecision
        ``bypass`` in a panic; ``compute`` if a refresh is forced, no entry is cached or it is too stale;
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
    ttl_s = _effective_ttl_s(entry, fresh_s, context, settings)
    age_s = (now.monotonic_ns - entry.as_of_ns) / NS_PER_S
    if age_s < ttl_s:
        early = _early(entry, ttl_s - age_s, now.draw, settings)
        return ServeDecision(SERVE_FRESH, zone, ttl_s, age_s, early, early, "early" if early else "fresh")
    if age_s < STALE_FACTOR * ttl_s:
        return ServeDecision(SERVE_STALE, zone, ttl_s, age_s, True, False, "stale")
    return ServeDecision(COMPUTE, zone, fresh_s, age_s, False, False, "too_stale")


def ttl_now(wall_s: float, context: ReadContext, settings: DecisionSettings) -> tuple[str, float]:
    """Return the zone and TTL (s) of a value computed now."""
    zone, ttl_s = settings.schedule.at(context.event_time_s, wall_s, context.confirmed)
    if context.ttl_cap_s is not None:
        ttl_s = min(ttl_s, context.ttl_cap_s)
    if context.vix is not VixStatus.NORMAL:
        ttl_s = min(ttl_s, settings.warning_ttl_s)
    if settings.max_ttl_s is not None:
        ttl_s = min(ttl_s, settings.max_ttl_s)
    return zone, ttl_s


def quiet_until_ns(as_of_ns: int, ttl_s: float, delta_s: float, settings: DecisionSettings) -> int:
    """Return the time (monotonic ns) until which a read without a context is fresh and XFetch cannot refresh early."""
    quiet_s = ttl_s - draw_window_s(max(delta_s, settings.delta_floor_s), settings.beta)
    return as_of_ns + round(max(0.0, quiet_s) * NS_PER_S)


def _effective_ttl_s(entry: CachedEntry, fresh_s: float, context: ReadContext, settings: DecisionSettings) -> float:
    """Return the entry's TTL, shortened by the current zone, a volatile market, the context's cap or the policy."""
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
