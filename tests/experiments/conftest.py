"""A small market for the harness: seeded records, fed live with an evaluation every few seconds."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from calib.experiments import ABHarness

T0 = 1_750_000_020.0
SYMBOLS = tuple(f"S{i}" for i in range(10))


@dataclass
class Market:
    """What B does worse, and how busy things are."""

    seed: int = 1
    slippage_b: float = 0.0
    latency_b: float = 1.0
    miss_b: float = 0.005
    taker_b: float = 0.1
    fills_per_min: float = 2.0
    tick_s: float = 2.0
    silent_b_from: float = float("inf")
    start: float = T0
    symbols: tuple[str, ...] = SYMBOLS
    _rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def feed(self, harness: ABHarness, until_s: float, *, from_s: float = 0.0) -> float:
        """Feed the seconds [from_s, until_s) and evaluate every 5 s; stops once rolled back. Gives the time."""
        due = self.start + from_s
        for ts, symbol, is_fill in self._times(from_s, until_s):
            arm = harness.router.arm(symbol, ts)
            if arm == "A" or ts < self.start + self.silent_b_from:
                (self._fill if is_fill else self._tick)(harness, symbol, ts, arm)
            if ts >= due:
                due += 5
                if harness.evaluate(ts) == "ROLLED_BACK":
                    return ts
        harness.evaluate(self.start + until_s)
        return self.start + until_s

    def _times(self, begin: float, end: float) -> Iterator[tuple[float, str, bool]]:
        events = []
        for i, symbol in enumerate(self.symbols):
            ts = begin + self._rng.random()
            while ts < end:
                events.append((self.start + ts, symbol, True))
                ts += self._rng.expovariate(self.fills_per_min / 60)
            count = int((end - begin) / self.tick_s)
            events += [(self.start + begin + k * self.tick_s + i * 0.01, symbol, False) for k in range(count)]
        yield from sorted(events)

    def _fill(self, harness: ABHarness, symbol: str, ts: float, arm: str) -> None:
        slip = self._rng.gauss(0.3 + (self.slippage_b if arm == "B" else 0.0), 2.0)
        taker = self._rng.random() < (self.taker_b if arm == "B" else 0.1)
        price = 100 * (1 + slip / 1e4)
        liquidity = "taker" if taker else "maker"
        harness.record_fill(symbol, ts, "buy", price, 1.0, liquidity, quote_price=100.0, mid_at_quote=100, mid_now=100)

    def _tick(self, harness: ABHarness, symbol: str, ts: float, arm: str) -> None:
        total = self._rng.lognormvariate(3, 0.3) * (self.latency_b if arm == "B" else 1.0)
        miss = self._rng.random() < (self.miss_b if arm == "B" else 0.005)
        harness.record_tick(symbol, ts, total, miss)


@pytest.fixture
def market() -> Callable[..., Market]:
    """Makes a `Market`."""
    return Market
