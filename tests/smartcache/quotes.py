"""Quotes of harmless markets, seeded: walks of one tick, and quotes that return to their mean."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

from calib.clock import VirtualClock
from calib.smartcache import VIXCalculator, VIXConfig, VixStatus

FLOORS = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)


class Market(NamedTuple):
    """A kind of market: its quotes are read every ``every_s`` seconds."""

    name: str
    every_s: float
    quotes: Callable[[random.Random], list[float]]


def walk(level: float, tick: float, reads: int, moves: float = 1.0) -> Callable[[random.Random], list[float]]:
    """One tick up or down at a read, with probability ``moves``; reflected at a fifth of the level."""

    def make(rng: random.Random) -> list[float]:
        quotes, value = [], level
        for _ in range(reads):
            if rng.random() < moves:
                value += tick if rng.random() < 0.5 else -tick
            value = max(value, level / 5)
            quotes.append(round(value, 9))
        return quotes

    return make


def reverting(
    level: float, tick: float, pull: float, noise_ticks: float, reads: int
) -> Callable[[random.Random], list[float]]:
    """A share ``pull`` of the way back to the level at each read, and normal noise, in whole ticks."""

    def make(rng: random.Random) -> list[float]:
        quotes, away = [], 0.0
        for _ in range(reads):
            away += noise_ticks * rng.gauss(0.0, 1.0) - pull * away
            quotes.append(level + round(away) * tick)
        return quotes

    return make


MARKETS = (
    Market("walk, tick 0.002 % of the level, a read each s", 1, walk(60_000, 1, 4000)),
    Market("walk, tick 0.5 %, a read each 10 s", 10, walk(2.0, 0.01, 3000)),
    Market("walk, tick 0.5 %, a read each s", 1, walk(2.0, 0.01, 4000)),
    Market("walk, tick 0.5 %, one move in ten reads, a read each s", 1, walk(2.0, 0.01, 4000, 0.1)),
    Market("walk, tick 1 %, a read each 10 s", 10, walk(100.0, 1.0, 3000)),
    Market("walk, tick 2.5 %, a read each 30 s", 30, walk(2.0, 0.05, 3000)),
    Market("mean-reverting, sd 1.6 %, a read each 10 s", 10, reverting(2.0, 0.01, 0.05, 1.0, 3000)),
    Market("mean-reverting, sd 4.8 %, a read each 10 s", 10, reverting(2.0, 0.01, 0.05, 3.0, 3000)),
    Market("mean-reverting, sd 8 %, a read each s", 1, reverting(100.0, 1.0, 0.2, 5.0, 3000)),
)


class Rates(NamedTuple):
    """Shares of the reads, percent: in panic for nothing, and where twice the last quote would be a panic."""

    false_panic_pct: float
    doubling_pct: float


def rates(market: Market, floors: Sequence[float] = FLOORS, runs: int = 1) -> dict[float, Rates]:
    """By floor, over ``runs`` seeded runs of a market."""
    panics, doublings, reads = dict.fromkeys(floors, 0), dict.fromkeys(floors, 0), 0
    for seed in range(runs):
        clock = VirtualClock()
        calculators = {floor: VIXCalculator(VIXConfig(sigma_floor_ratio=floor), clock=clock) for floor in floors}
        for number, quote in enumerate(market.quotes(random.Random(f"{market.name} {seed}"))):
            clock.advance_ms(market.every_s * 1000)
            reads += number > 3
            for floor, vix in calculators.items():
                panics[floor] += vix.update("m", quote).status is VixStatus.PANIC
                if number > 3:
                    doublings[floor] += vix.judge("m", 2 * quote).status is VixStatus.PANIC
    return {floor: Rates(100 * panics[floor] / reads, 100 * doublings[floor] / reads) for floor in floors}


def floor_table() -> str:
    """The table of docs/explanation/smart-cache.md."""
    header = "| false panics / doublings seen, % of reads | " + " | ".join(f"{floor:g}" for floor in FLOORS) + " |"
    lines = [header, "|---|" + "---|" * len(FLOORS)]
    for market in MARKETS:
        found = rates(market)
        cells = (f"{found[floor].false_panic_pct:.1f} / {found[floor].doubling_pct:.1f}" for floor in FLOORS)
        lines.append(f"| {market.name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
