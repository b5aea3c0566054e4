"""One hour of one symbol, seeded alone and started from a fixed state; and the hour of many symbols in order of time.

That a symbol's hour depends on nothing but (seed, symbol, hour) is what lets any hour of any feed be made again, alone,
byte for byte.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

from calib.simulation.bot import Bot, Tick
from calib.simulation.chance import Chance
from calib.simulation.incidents import HOUR_S, Kind, Trouble, draw_incidents
from calib.simulation.instruments import Instrument, instrument
from calib.simulation.market import Market
from calib.simulation.records import Record, Scribe

TICK_US: Final = 1_500_000
"""The bot ticks every 1.5 s."""
PHASE_US: Final = 300_000
"""Symbols tick at different moments within this time."""
JITTER_US: Final = 200_000
CLOSE_US: Final = 500_000
"""Before the hour ends the bot cancels everything, so that no fill of this hour is received in the next."""
HOUR_US: Final = HOUR_S * 1_000_000


class Line(NamedTuple):
    """A record with the feed that it belongs to."""

    kind: str
    record: Record


def symbol_hour(seed: int, traded: Instrument, hour_start_s: int, *, incidents: bool = True) -> Iterator[Tick]:
    """The ticks of one symbol in one hour, with the fills and the quotes that ended until the next.

    Parameters
    ----------
    seed
        Any whole number.
    traded
        The instrument.
    hour_start_s
        Unix seconds, a whole hour.
    incidents
        Whether anything goes wrong.
    """
    start_us = hour_start_s * 1_000_000
    stamp = datetime.fromtimestamp(hour_start_s, UTC).strftime("%Y%m%d%H")
    market = Market(traded, Chance(seed, "market", traded.name, hour_start_s), TICK_US / 1e6)
    chance = Chance(seed, "bot", traded.name, hour_start_s)
    trouble = Trouble(draw_incidents(seed, hour_start_s) if incidents else (), traded.name)
    bot = Bot(traded, market, chance, trouble, Scribe(traded, stamp), start_us)
    moments = _moments(Chance(seed, "times", traded.name, hour_start_s), start_us)
    for now_us, end_us in zip(moments, [*moments[1:], start_us + HOUR_US - CLOSE_US], strict=True):
        before = market.book
        market.step()
        outage = trouble.at(Kind.OUTAGE, now_us)
        if outage is not None:
            continue
        stop = trouble.at(Kind.OUTAGE, end_us)
        last = stop is not None or end_us == start_us + HOUR_US - CLOSE_US
        tick = bot.tick(now_us, stop.start_us if stop is not None else end_us, before)
        if last:
            tick.quotes += bot.stop(stop.start_us if stop is not None else end_us)
        yield tick


def _moments(chance: Chance, start_us: int) -> list[int]:
    phase_us = chance.below(PHASE_US)
    return [start_us + phase_us + n * TICK_US + chance.below(JITTER_US) for n in range(HOUR_US // TICK_US)]


def hour_lines(seed: int, symbols: Sequence[str], hour_start_s: int, *, incidents: bool = True) -> Iterator[Line]:
    """The hour of many symbols: each feed's records in order of time.

    Ticks come as they happen; fills and quotes as soon as none that is earlier can follow.
    """
    waiting: list[tuple[float, int, Line]] = []
    count = 0
    streams = [symbol_hour(seed, instrument(name), hour_start_s, incidents=incidents) for name in symbols]
    for tick in heapq.merge(*streams, key=lambda tick: tick.ts_us):
        while waiting and waiting[0][0] < tick.ts_us / 1e6:
            yield heapq.heappop(waiting)[2]
        yield Line("pipeline_ticks", tick.record)
        for kind, records in (("fills", tick.fills), ("quotes", tick.quotes)):
            for record in records:
                count += 1
                heapq.heappush(waiting, (record["ts"], count, Line(kind, record)))
    while waiting:
        yield heapq.heappop(waiting)[2]
