"""How the bot's market-data reads turn out: from its cache or from the venue, fresh or stale."""

from __future__ import annotations

from typing import Final, NamedTuple

from calib.simulation import latency
from calib.simulation.chance import Chance

HIT_SHARE: Final = 0.9
"""Share of reads that the cache answers while the stream is well."""
STALE_SHARE: Final = 0.03
"""Share of those answers that are past their freshness."""
FRESH_US: Final = 60_000
"""An older book is stale for pricing."""
OLDEST_US: Final = 400_000
MESSAGE_GAP_US: Final = 40_000
"""Mean time between two messages of the stream."""


class Read(NamedTuple):
    """One read: where the book came from, and what it cost."""

    hit: bool
    stale: bool
    age_us: int
    fetch_us: int
    status: str
    source: str
    ws_gap_us: int


def draw_read(chance: Chance, slow: float, silent_us: int | None) -> Read:
    """One read of market data.

    Parameters
    ----------
    chance
        The bot's stream of draws.
    slow
        Factor on durations at this moment.
    silent_us
        For how long the stream has been silent, or None where it is well.
    """
    if silent_us is not None:
        return _from_venue(chance, slow, silent_us)
    gap_us = round(chance.exponential(MESSAGE_GAP_US))
    if not chance.happens(HIT_SHARE):
        return _from_venue(chance, slow, gap_us)
    fetch_us = latency.CACHE_READ.draw(chance, slow)
    if chance.happens(STALE_SHARE):
        return Read(True, True, chance.between(FRESH_US + 1, OLDEST_US), fetch_us, "stale", "stream", gap_us)
    return Read(True, False, min(gap_us, FRESH_US), fetch_us, "fresh", "stream", gap_us)


def _from_venue(chance: Chance, slow: float, gap_us: int) -> Read:
    fetch_us = latency.VENUE_READ.draw(chance, slow)
    return Read(False, False, fetch_us, fetch_us, "miss", "rest", gap_us)
