"""How the cache lives by the policy: it registers before it holds anything, and there is no way around."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from calib import virtual_loop
from calib.clock import VirtualClock
from calib.errors import ProhibitedCacheError
from calib.market import Delta, MDCache, MDCacheConfig, Snapshot
from calib.policy import (
    DATA_TYPES,
    ORDER_BOOK_LIMIT_MS,
    CacheComplianceMonitor,
    CacheCounts,
    EmergencyResponse,
    FakeTradingEngine,
    Unmonitored,
    default_monitor,
    set_default_monitor,
)


async def fetch(symbol: str, depth: int) -> dict[str, Any]:
    return {"symbol": symbol, "bids": [(99.0, 1.0)], "asks": [(101.0, 1.0)], "update_id": 7, "source": "stream"}


class FakePolicy:
    """Notes what was registered, with the oldest signature of the protocol."""

    def __init__(self) -> None:
        self.registered: list[tuple[str, float | None, str]] = []

    def register(self, data_type: str, *, max_age_s: float | None = None, owner: str) -> None:
        self.registered.append((data_type, max_age_s, owner))


@pytest.fixture
def monitor() -> Any:
    made = CacheComplianceMonitor()
    before = set_default_monitor(made)
    yield made
    set_default_monitor(before)


def test_the_cache_registers_orderbook_with_the_tables_limit() -> None:
    policy = FakePolicy()
    MDCache(MDCacheConfig(enabled=True), fetch, policy=policy)
    MDCache(MDCacheConfig(enabled=True, hard_ttl_ms=200), fetch, policy=policy)
    assert policy.registered == [("orderbook", 5.0, "MDCache"), ("orderbook", 0.2, "MDCache")]
    assert DATA_TYPES["orderbook"].limit_ms == ORDER_BOOK_LIMIT_MS == MDCacheConfig().hard_ttl_ms


def test_without_a_policy_the_cache_registers_with_the_process_default(monitor: CacheComplianceMonitor) -> None:
    cache = MDCache(MDCacheConfig(enabled=True), fetch)
    (report,) = monitor.report()
    assert (report.owner, report.data_type, report.caches, report.max_age_s) == ("MDCache", "orderbook", 1, 5.0)
    assert cache.enabled


def test_a_cache_built_disabled_registers_when_it_is_enabled(monitor: CacheComplianceMonitor) -> None:
    cache = MDCache(MDCacheConfig(), fetch)
    assert monitor.report() == []
    cache.enabled = True
    cache.enabled = False
    cache.enabled = True
    assert monitor.report()[0].caches == 1


def test_a_cache_that_the_policy_refuses_stays_disabled() -> None:
    class Refuses(FakePolicy):
        def register(self, data_type: str, *, max_age_s: float | None = None, owner: str) -> None:
            raise ProhibitedCacheError("no caches here", where=owner)

    with pytest.raises(ProhibitedCacheError):
        MDCache(MDCacheConfig(enabled=True), fetch, policy=Refuses())
    cache = MDCache(MDCacheConfig(), fetch, policy=Refuses())
    with pytest.raises(ProhibitedCacheError):
        cache.enabled = True
    assert not cache.enabled


def test_unmonitored_is_the_only_way_out_and_is_recorded(
    monitor: CacheComplianceMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "calib.policy"):
        MDCache(MDCacheConfig(enabled=True), fetch, policy=Unmonitored(reason="a notebook"))
    assert monitor.report() == []
    assert monitor.unmonitored_caches == {("MDCache", "orderbook"): 1}
    assert "a notebook" in caplog.text


def test_the_monitor_reads_the_caches_own_counters(monitor: CacheComplianceMonitor) -> None:
    clock = VirtualClock()

    async def main() -> None:
        cache = MDCache(MDCacheConfig(enabled=True), fetch, clock=clock)
        for _ in range(4):
            await cache.get_orderbook("X", 1)
        assert cache.cache_counts() == CacheCounts(3, 1)
        assert monitor.report()[0].counts.hit_ratio == 0.75 == cache.get_hit_ratio()

    virtual_loop.run(main(), clock=clock)


def test_the_emergency_switches_the_cache_off_at_once_whatever_is_in_flight(monitor: CacheComplianceMonitor) -> None:
    clock = VirtualClock()

    async def main() -> None:
        cache = MDCache(MDCacheConfig(enabled=True, ttl_ms=5000), fetch, clock=clock)
        await cache.get_orderbook("X", 1)
        outcome = await EmergencyResponse(FakeTradingEngine()).handle_cache_violation("t", "MDCache")
        assert outcome.safety.passed
        for _ in range(3):
            book, meta = await cache.get_orderbook("X", 1)
            assert (meta.status, meta.cache_hit) == ("direct", False)
            assert book is not None
        assert cache.peek("X", 1) is None
        assert cache.entry("X") is None

    virtual_loop.run(main(), clock=clock)


def test_a_refresh_that_ends_after_the_cache_was_disabled_is_not_served() -> None:
    clock = VirtualClock()

    async def main() -> None:
        async def slow(symbol: str, depth: int) -> dict[str, Any]:
            await asyncio.sleep(0.1)
            return await fetch(symbol, depth)

        cache = MDCache(MDCacheConfig(enabled=True), slow, clock=clock)
        reader = asyncio.create_task(cache.get_orderbook("X", 1))
        await asyncio.sleep(0.05)
        cache.disable_cache("test")
        await reader
        assert cache.peek("X", 1) is None
        assert (await cache.get_orderbook("X", 1))[1].status == "direct"

    virtual_loop.run(main(), clock=clock)


def test_books_of_before_are_void_when_the_cache_is_enabled_again() -> None:
    clock = VirtualClock()
    cache = MDCache(MDCacheConfig(enabled=True), None, clock=clock)
    cache.on_book("X", Snapshot([(99.0, 1.0)], [(101.0, 1.0)], 7))
    assert cache.peek("X", 1) is not None
    cache.enabled = False
    cache.on_book("X", Delta([(99.9, 1.0)], [], 8))  # missed
    cache.enabled = True
    cache.on_alive("main")
    assert cache.peek("X", 1) is None
    assert cache.entry("X") is None


def test_the_default_monitor_knows_orderbook() -> None:
    assert default_monitor().register("orderbook", max_age_s=5, owner="test").max_age_s == 5
