"""The input of a read's decision from its context, and the tags of its value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calib.smartcache.decide import ReadContext
from calib.smartcache.entry import ANY_MARKET, Tag
from calib.smartcache.volatility import VixReading, VixStatus

if TYPE_CHECKING:
    from calib.smartcache.keys import KeyFactory
    from calib.smartcache.match_context import MatchContext
    from calib.smartcache.tags import TagManager
    from calib.smartcache.volatility import VIXCalculator

_SEVERITY = {VixStatus.NORMAL: 0, VixStatus.WARNING: 1, VixStatus.PANIC: 2}
_MOST_PARTS = 6


def market_status(cache_key: str, context: MatchContext, keys: KeyFactory, vix: VIXCalculator) -> VixStatus:
    """Return the worst state of the markets that a read depends on; quotes in its context are added to their windows.

    A quote of a named match has its own window, ``match:market``: one market of two matches has two prices. It is also
    compared with the window that `update_vix_snapshot` filled under the market's name only.
    """
    if not context.values and not vix.watched:
        return VixStatus.NORMAL
    quoted = dict(context.values)
    markets = tuple(dict.fromkeys((*context.markets, *quoted))) or (cache_key, keys.parts(cache_key)[-1])
    readings: list[VixReading] = []
    for market in markets:
        scoped = market if context.match_key is None else f"{context.match_key}:{market}"
        value = quoted.get(market)
        if value is None:
            readings += [vix.status(scoped), vix.status(market)]
            continue
        readings.append(vix.observe(scoped, value))
        if scoped != market and market in vix.watched:
            readings.append(vix.judge(market, value))
    return max((reading.status for reading in readings), key=_SEVERITY.__getitem__)


def read_input(context: MatchContext, vix: VixStatus, *, force_refresh: bool, periodic: bool) -> ReadContext:
    """Return the input of a decision; ``periodic``: whether the schedule determines the next event."""
    return ReadContext(
        context.event_time_s,
        context.confirmed,
        context.ttl_cap_s,
        vix,
        force_refresh,
        timed=context.event_time_s is not None or periodic,
    )


def tags_for(cache_key: str, context: MatchContext, keys: KeyFactory, manager: TagManager) -> tuple[Tag, ...]:
    """Return the tags of a value from the context, completed from the key.

    A key that ends with a market of the catalogue belongs to that market of the match before it. Any other key may
    depend on every market of any match that its parts name.
    """
    before, last = keys.match_and_market(cache_key)
    markets = tuple(market for market in context.markets if manager.knows(market))
    if not markets and not context.markets and manager.knows(last):
        markets = (last,)
    if context.match_key is not None:
        return manager.tags_of((context.match_key,), markets)
    if manager.knows(last) and before:
        return manager.tags_of(before, markets or (last,))
    parts = keys.parts(cache_key)
    suffixes = [":".join(parts[start:]) for start in range(len(parts) - 1, -1, -1)]
    named = tuple(dict.fromkeys((*suffixes, *parts)))[:_MOST_PARTS]
    return manager.tags_of(named, markets or (ANY_MARKET,))
