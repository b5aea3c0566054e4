"""Cost of a metric: one observation against prometheus_client's, and a whole scrape of 50 symbols."""

from __future__ import annotations

import asyncio
import random
import time
from bisect import bisect_left
from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client import Histogram as ClientHistogram

from benchmarks.timing import interleaved, table
from calib.features import FeatureCollector, SymbolScoreboard
from calib.market import MDCache, MDCacheConfig
from calib.metrics import MS_BOUNDS, Histogram, register
from calib.pipeline import StageMetrics

COUNT = 50_000
SYMBOLS = 50
_random = random.Random(1)
DURATIONS = [_random.lognormvariate(3.0, 0.8) for _ in range(COUNT)]
ours = Histogram()
client = CollectorRegistry()
theirs = ClientHistogram("x", "X.", ["symbol"], registry=client, buckets=MS_BOUNDS)
child = theirs.labels("BTCUSDT")


def floor(count: int) -> None:
    """The minimal work: find the bucket, count, add."""
    counts, total = [0] * (len(MS_BOUNDS) + 1), 0.0
    for x in DURATIONS[:count]:
        counts[bisect_left(MS_BOUNDS, x)] += 1
        total += x


def calib_observe(count: int) -> None:
    observe = ours.observe
    for x in DURATIONS[:count]:
        observe(x)


def client_child(count: int) -> None:
    observe = child.observe
    for x in DURATIONS[:count]:
        observe(x)


def client_labels(count: int) -> None:
    for x in DURATIONS[:count]:
        theirs.labels("BTCUSDT").observe(x)


async def _fetch(symbol: str, depth: int) -> Mapping[str, Any]:
    return {"symbol": symbol, "bids": [["99", "1"]], "asks": [["101", "1"]], "update_id": 1, "source": "stream"}


def bot(*, seed: bool = True, clean: bool = True) -> CollectorRegistry:
    """A bot of 50 symbols with every feature observed."""
    metrics, features = StageMetrics(), FeatureCollector()
    cache = MDCache(MDCacheConfig(enabled=True), _fetch, metrics=metrics)

    async def fill() -> None:
        for number in range(SYMBOLS):
            symbol = f"SYM{number}"
            for _ in range(20):
                await cache.get_orderbook(symbol, 1)
                features.record_tick(symbol, _random.lognormvariate(3.0, 0.8))
                mid = 100.0 + _random.random()
                features.record_book(symbol, mid, 1.0, mid + 0.1, 1.0)
                features.record_quote(symbol)
                features.record_queue(symbol, "q", _random.random(), 1.0)
            features.record_fill(symbol, "buy", 99.9, "maker", quote_price=99.9, mid_at_quote=100.0, mid_now=100.0)
        await cache.close()

    asyncio.run(fill())
    registry = CollectorRegistry()
    scoreboard = SymbolScoreboard(features)
    register(
        registry,
        cache=cache,
        stage_metrics=metrics,
        collector=features,
        scoreboard=scoreboard,
        seed=seed,
        clean=clean,
    )
    return registry


def of_the_client(samples: int) -> CollectorRegistry:
    """As many samples in counters of the client."""
    from prometheus_client import Counter, disable_created_metrics

    disable_created_metrics()  # type: ignore[no-untyped-call]
    registry = CollectorRegistry()
    counter = Counter("peer_total", "X.", ["symbol", "kind"], registry=registry)
    for number in range(samples):
        counter.labels(f"SYM{number % SYMBOLS}", str(number // SYMBOLS)).inc()
    return registry


def milliseconds(registry: CollectorRegistry) -> float:
    """The best of nine scrapes."""
    best = float("inf")
    for _ in range(9):
        begin = time.perf_counter_ns()
        generate_latest(registry)
        best = min(best, (time.perf_counter_ns() - begin) / 1e6)
    return best


if __name__ == "__main__":
    figures = interleaved(
        {
            "bare work": floor,
            "calib": calib_observe,
            "client, kept child": client_child,
            "client, labels()": client_labels,
        },
        COUNT,
    )
    print(table("one observation of a histogram (ns, ratio to calib)", figures, "calib"))
    print(f"  goal: under 1000 ns: {'met' if figures['calib'] < 1000 else 'MISSED'}")
    for name, sets in (("seed set", {"clean": False}), ("clean set", {"seed": False}), ("both", dict[str, bool]())):
        registry = bot(**sets)
        text = generate_latest(registry).decode()
        samples = sum(not line.startswith("#") for line in text.splitlines())
        own, peer = milliseconds(registry), milliseconds(of_the_client(samples))
        figure = f"{own:.1f} ms; as many of the client's own {peer:.1f} ms: {own / peer:.2f}x"
        print(f"scrape, {name}: {samples} samples {figure}")
