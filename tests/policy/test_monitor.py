"""The monitor: what it refuses, counts, records and starts."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import threading
from pathlib import Path

import pytest

from calib.clock import VirtualClock
from calib.errors import ConfigError, ProhibitedCacheError
from calib.policy import (
    CacheComplianceMonitor,
    CacheCounts,
    Unmonitored,
    default_monitor,
    set_default_monitor,
)


class FakeCache:
    """A cache with counters that a test sets."""

    def __init__(self, hits: int = 0, misses: int = 0) -> None:
        self.counts = CacheCounts(hits, misses)
        self.enabled = True
        self.reasons: list[str] = []

    def cache_counts(self) -> CacheCounts:
        return self.counts

    def disable_cache(self, reason: str) -> None:
        self.enabled = False
        self.reasons.append(reason)


class FakeEmergency:
    """Keeps what it was started with."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.ran = threading.Event()

    async def handle_cache_violation(self, violation_type: str, affected_component: str) -> None:
        self.calls.append((violation_type, affected_component))
        await asyncio.sleep(0)
        self.ran.set()


@pytest.mark.parametrize("data_type", ["balance", "order", "position", "trade", "order_book", "anything"])
def test_prohibited_and_unknown_types_raise_at_registration(data_type: str) -> None:
    monitor = CacheComplianceMonitor()
    with pytest.raises(ProhibitedCacheError) as caught:
        monitor.register(data_type, owner="wallet")
    assert caught.value.where == "wallet"
    assert data_type in caught.value.what
    assert caught.value.hint
    assert monitor.report() == []
    assert sum(monitor.violations.values()) == 1


@pytest.mark.parametrize(("data_type", "age"), [("orderbook", 5.001), ("trading_rules", 1801), ("symbol_info", 1e9)])
def test_an_age_above_the_limit_is_refused(data_type: str, age: float) -> None:
    with pytest.raises(ProhibitedCacheError, match="may not be cached for"):
        CacheComplianceMonitor().register(data_type, max_age_s=age, owner="c")


@pytest.mark.parametrize("age", [-1.0, float("nan"), float("inf")])
def test_an_age_that_is_not_a_duration_is_refused(age: float) -> None:
    with pytest.raises(ProhibitedCacheError):
        CacheComplianceMonitor().register("orderbook", max_age_s=age, owner="c")


def test_exactly_the_limit_is_allowed_and_is_the_default() -> None:
    monitor = CacheComplianceMonitor()
    assert monitor.register("orderbook", max_age_s=5, owner="a").max_age_s == 5
    assert monitor.register("trading_rules", owner="b").max_age_s == 1800
    assert monitor.register("analytics", owner="c").max_age_s is None
    assert monitor.register("analytics", max_age_s=1e7, owner="c").max_age_s == 1e7


def test_prohibited_access_is_critical_counted_and_audited(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "policy" / "audit.jsonl"
    monitor = CacheComplianceMonitor(audit_path=path, clock=VirtualClock(1_735_689_600.0))
    with caplog.at_level(logging.DEBUG, "calib.policy"):
        assert monitor.monitor_cache_access("wallet_cache", "balance") is False
    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    text = record.getMessage()
    assert "wallet_cache" in text
    assert "balance" in text
    assert "severity=TRADING_SAFETY_VIOLATION" in text
    assert vars(record)["severity"] == "TRADING_SAFETY_VIOLATION"
    assert monitor.violations == {"balance": 1}
    (line,) = [json.loads(one) for one in path.read_text().splitlines()]
    assert line == {
        "event": "prohibited_access",
        "ts": 1_735_689_600.0,
        "cache": "wallet_cache",
        "data_type": "balance",
        "severity": "TRADING_SAFETY_VIOLATION",
        "count": 1,
    }


def test_permitted_access_is_counted_with_the_caches_own_hit_ratio() -> None:
    monitor = CacheComplianceMonitor()
    one, other = FakeCache(7, 1), FakeCache(2, 2)
    monitor.register("symbol_info", max_age_s=60, owner="symbols").attach(one)
    monitor.register("symbol_info", max_age_s=90, owner="symbols").attach(other)
    assert monitor.monitor_cache_access("symbols", "symbol_info") is True
    (report,) = monitor.report()
    assert (report.caches, report.max_age_s, report.counts, report.accesses) == (2, 90, CacheCounts(9, 3), 1)
    assert report.counts.hit_ratio == 0.75


def test_registering_keeps_no_cache_alive() -> None:
    monitor = CacheComplianceMonitor()
    for _ in range(50):
        monitor.register("orderbook", owner="MDCache").attach(FakeCache(1, 1))
    gc.collect()
    assert monitor.report() == []


def test_disabling_a_component_switches_off_every_cache_of_that_name() -> None:
    monitor = CacheComplianceMonitor()
    caches = [FakeCache(), FakeCache()]
    for cache in caches:
        monitor.register("orderbook", owner="books").attach(cache)
    assert monitor.enabled_caches("books") == 2
    assert monitor.disable_component("books", "violation") == 2
    assert monitor.enabled_caches("books") == 0
    assert [cache.reasons for cache in caches] == [["violation"], ["violation"]]
    assert monitor.disable_component("unknown", "violation") == 0


def test_a_violation_starts_the_emergency_on_the_running_loop() -> None:
    emergency = FakeEmergency()
    monitor = CacheComplianceMonitor(emergency=emergency)

    async def bot() -> None:
        monitor.monitor_cache_access("wallet", "balance")
        monitor.monitor_cache_access("wallet", "balance")  # while the first one runs
        await asyncio.sleep(0.01)

    asyncio.run(bot())
    assert emergency.calls == [("balance_cache_access", "wallet")]


def test_a_violation_starts_the_emergency_where_no_loop_runs() -> None:
    emergency = FakeEmergency()
    CacheComplianceMonitor(emergency=emergency).monitor_cache_access("wallet", "position")
    assert emergency.ran.wait(5)
    assert emergency.calls == [("position_cache_access", "wallet")]


def test_a_failing_emergency_is_logged_and_not_raised(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        async def handle_cache_violation(self, violation_type: str, affected_component: str) -> None:
            raise RuntimeError("no exchange")

    async def bot() -> None:
        CacheComplianceMonitor(emergency=Broken()).monitor_cache_access("wallet", "balance")
        await asyncio.sleep(0.01)

    asyncio.run(bot())
    assert any(record.exc_info for record in caplog.records)


def test_a_storm_of_violations_is_counted_in_full_and_recorded_in_part(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    monitor = CacheComplianceMonitor(audit_path=path)
    for _ in range(1000):
        monitor.monitor_cache_access("wallet", "order")
    counts = [json.loads(line)["count"] for line in path.read_text().splitlines()]
    assert counts == [*range(1, 101), 128, 256, 512]
    assert monitor.violations == {"order": 1000}


def test_generated_names_do_not_fill_the_memory() -> None:
    monitor = CacheComplianceMonitor()
    for number in range(10_050):
        monitor.monitor_cache_access(f"cache-{number}", "symbol_info")
    assert len(monitor.report()) == 10_001
    assert sum(one.accesses for one in monitor.report()) == 10_050


def test_many_threads_lose_no_count() -> None:
    monitor = CacheComplianceMonitor()

    def read() -> None:
        for _ in range(500):
            monitor.monitor_cache_access("symbols", "symbol_info")

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert monitor.report()[0].accesses == 2000


def test_a_full_disk_does_not_stop_the_record_in_memory(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monitor = CacheComplianceMonitor(audit_path=blocked / "audit.jsonl")
    monitor.monitor_cache_access("wallet", "balance")
    assert monitor.audit.failures == 1
    assert monitor.audit.recent[0]["cache"] == "wallet"


def test_unmonitored_is_logged_counted_and_audited(caplog: pytest.LogCaptureFixture) -> None:
    monitor = CacheComplianceMonitor()
    before = set_default_monitor(monitor)
    try:
        with caplog.at_level(logging.WARNING, "calib.policy"):
            Unmonitored(reason="replay of recorded data").register("balance", max_age_s=60, owner="replay")
    finally:
        set_default_monitor(before)
    assert "replay of recorded data" in caplog.text
    assert monitor.unmonitored_caches == {("replay", "balance"): 1}
    assert monitor.audit.recent[0]["reason"] == "replay of recorded data"
    assert monitor.audit.recent[0]["event"] == "unmonitored"


@pytest.mark.parametrize("reason", ["", "  ", None])
def test_unmonitored_without_a_reason_is_refused(reason: str) -> None:
    with pytest.raises(ConfigError, match="reason"):
        Unmonitored(reason=reason)


def test_the_process_has_one_default_monitor_that_only_a_monitor_replaces() -> None:
    assert default_monitor() is default_monitor()
    with pytest.raises(ConfigError, match="not a CacheComplianceMonitor"):
        set_default_monitor(Unmonitored(reason="tests"))  # type: ignore[arg-type]
