"""Static data: kept up to its limit, one request a key, refused after it."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Coroutine
from typing import Any

import pytest

from calib import virtual_loop
from calib.clock import VirtualClock
from calib.errors import ConfigError, ProhibitedCacheError, StaticDataUnavailable
from calib.policy import CacheComplianceMonitor, CacheCounts, StaticDataCache


class Exchange:
    """Answers with the number of the request; fails while told to; takes its time."""

    def __init__(self, takes_s: float = 0.1) -> None:
        self.requests = 0
        self.at_once = 0
        self.most_at_once = 0
        self.failing = False
        self.takes_s = takes_s

    async def rules(self, symbol: str) -> int:
        self.requests += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            number = self.requests
            await asyncio.sleep(self.takes_s)
            if self.failing:
                raise ConnectionError("exchange is down")
            return number
        finally:
            self.at_once -= 1


def run(main: Coroutine[Any, Any, None], clock: VirtualClock) -> None:
    virtual_loop.run(main, clock=clock)


def made(exchange: Exchange, clock: VirtualClock, **options: Any) -> StaticDataCache[int]:
    return StaticDataCache(
        "trading_rules",
        exchange.rules,
        clock=clock,
        rng=random.Random(1),
        policy=CacheComplianceMonitor(),
        **options,
    )


def test_a_hundred_callers_make_one_request() -> None:
    exchange, clock = Exchange(), VirtualClock()

    async def main() -> None:
        async with made(exchange, clock) as cache:
            found = await asyncio.gather(*(cache.get("BTC/USDT") for _ in range(100)))
            assert {one.value for one in found} == {1}
        assert exchange.requests == 1

    run(main(), clock)


def test_a_cancelled_waiter_does_not_affect_the_others() -> None:
    exchange, clock = Exchange(), VirtualClock()

    async def main() -> None:
        async with made(exchange, clock) as cache:
            first = asyncio.create_task(cache.get("X"))
            second = asyncio.create_task(cache.get("X"))
            await asyncio.sleep(0.05)
            first.cancel()
            assert (await second).value == 1
            with pytest.raises(asyncio.CancelledError):
                await first

    run(main(), clock)


def test_values_are_refreshed_periodically_before_the_limit() -> None:
    exchange, clock = Exchange(), VirtualClock()

    async def main() -> None:
        async with made(exchange, clock) as cache:  # trading rules: limit 1800 s, refreshed after 900 s at most
            for _ in range(40):
                assert (await cache.get("X")).age_s <= 900.2
                await asyncio.sleep(100)
        assert 4 <= exchange.requests <= 6
        assert exchange.most_at_once == 1

    run(main(), clock)


def test_a_key_that_is_no_longer_read_is_no_longer_refreshed() -> None:
    exchange, clock = Exchange(), VirtualClock()

    async def main() -> None:
        async with made(exchange, clock) as cache:
            await cache.get("X")
            await cache.get("X")
            await asyncio.sleep(100_000)
            assert exchange.requests == 2
            assert cache.peek("X") is None

    run(main(), clock)


def test_stale_if_error_only_within_the_limit_and_refused_after_it() -> None:
    exchange, clock = Exchange(), VirtualClock()

    async def main() -> None:
        async with made(exchange, clock) as cache:
            await cache.get("X")
            exchange.failing = True
            while clock.monotonic_ns() < 1_799 * 10**9:
                assert (await cache.get("X")).value == 1
                await asyncio.sleep(10)
            await asyncio.sleep(1_801 - clock.monotonic_ns() / 1e9)
            with pytest.raises(StaticDataUnavailable, match="exchange is down"):
                await cache.get("X")
            exchange.failing = False
            await asyncio.sleep(31)
            assert (await cache.get("X")).value > 1

    run(main(), clock)


def test_a_failing_exchange_is_not_asked_at_each_read() -> None:
    exchange, clock = Exchange(takes_s=0.01), VirtualClock()
    exchange.failing = True

    async def main() -> None:
        async with made(exchange, clock) as cache:
            for _ in range(600):
                with pytest.raises(StaticDataUnavailable):
                    await cache.get("X")
                await asyncio.sleep(1)
        assert exchange.requests < 30  # pauses 1, 2, 4 ... 30 s

    run(main(), clock)


def test_failures_are_never_unretrieved() -> None:
    exchange, clock = Exchange(), VirtualClock()

    async def main() -> None:
        cache = made(exchange, clock)
        await cache.get("X")
        exchange.failing = True
        cache.peek("X")
        await asyncio.sleep(5000)
        await cache.close()

    run(main(), clock)  # the loop raises for an exception that was not retrieved
    gc.collect()


def test_a_slow_request_ends_by_its_timeout() -> None:
    exchange, clock = Exchange(takes_s=1e6), VirtualClock()

    async def main() -> None:
        async with made(exchange, clock, timeout_s=2) as cache:
            with pytest.raises(StaticDataUnavailable, match="Timeout"):
                await cache.get("X")
            assert clock.monotonic_ns() == 2_000_000_000

    run(main(), clock)


def test_a_value_requested_before_an_invalidation_is_not_stored() -> None:
    exchange, clock = Exchange(), VirtualClock()

    async def main() -> None:
        async with made(exchange, clock) as cache:
            reader = asyncio.create_task(cache.get("X"))
            await asyncio.sleep(0.05)
            cache.invalidate("X")
            with pytest.raises(StaticDataUnavailable, match="invalidated"):
                await reader
            assert (await cache.get("X")).value == 2

    run(main(), clock)


def test_age_counts_from_the_beginning_of_the_request() -> None:
    exchange, clock = Exchange(takes_s=3), VirtualClock()

    async def main() -> None:
        async with made(exchange, clock) as cache:
            assert (await cache.get("X")).age_s == 3

    run(main(), clock)


def test_a_disabled_cache_asks_at_each_read() -> None:
    exchange, clock = Exchange(), VirtualClock()
    monitor = CacheComplianceMonitor()

    async def main() -> None:
        cache = StaticDataCache("symbol_info", exchange.rules, clock=clock, policy=monitor, owner="symbols")
        await cache.get("X")
        assert monitor.disable_component("symbols", "violation") == 1
        assert [(await cache.get("X")).value for _ in range(2)] == [2, 3]
        exchange.failing = True
        with pytest.raises(StaticDataUnavailable, match="down"):
            await cache.get("X")
        await cache.close()

    run(main(), clock)


def test_analytic_values_are_marked_not_for_trading() -> None:
    exchange, clock = Exchange(), VirtualClock()

    async def main() -> None:
        async with StaticDataCache("analytics", exchange.rules, clock=clock) as figures:
            assert (await figures.get("X")).for_trading is False
        async with StaticDataCache("symbol_info", exchange.rules, clock=clock) as symbols:
            assert (await symbols.get("X")).for_trading is True

    run(main(), clock)


def test_keys_are_bounded_and_reads_are_counted() -> None:
    exchange, clock = Exchange(), VirtualClock()

    async def main() -> None:
        async with made(exchange, clock, max_keys=3) as cache:
            for key in "abcd":
                await cache.get(key)
            assert cache.peek("a") is None
            assert cache.peek("d") is not None
            assert cache.cache_counts() == CacheCounts(1, 5)

    run(main(), clock)


@pytest.mark.parametrize("data_type", ["balance", "order", "position", "trade", "symbols"])
def test_prohibited_and_unknown_types_are_refused(data_type: str) -> None:
    with pytest.raises(ProhibitedCacheError):
        StaticDataCache(data_type, Exchange().rules, policy=CacheComplianceMonitor())


@pytest.mark.parametrize(
    "options",
    [{"refresh_s": 1801}, {"refresh_s": 0}, {"jitter_ratio": 1.1}, {"max_keys": 0}, {"timeout_s": 0}],
    ids=str,
)
def test_settings_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="Allowed"):
        made(Exchange(), VirtualClock(), **options)


def test_a_stream_is_not_static_data() -> None:
    with pytest.raises(ConfigError, match="MDCache"):
        StaticDataCache("orderbook", Exchange().rules, policy=CacheComplianceMonitor())
