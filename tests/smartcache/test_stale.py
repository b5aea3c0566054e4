"""Stale-while-revalidate, stale-if-error, soft timeouts, early refreshes; in memory, in virtual time."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from calib.clock import VirtualClock
from calib.smartcache import SmartCacheEnhanced
from tests.smartcache.caches import Counting, get, in_virtual_time

TTL_S = 30.0
READ: dict[str, Any] = {"match_context": {"ttl_s": TTL_S}}


@pytest.mark.parametrize(
    ("age_s", "strategy", "value"),
    [
        (29.999, "serve_fresh", "v1"),
        (30.0, "serve_stale", "v1"),
        (59.999, "serve_stale", "v1"),
        (60.0, "compute", "v2"),
    ],
)
def test_fresh_below_the_ttl_stale_below_twice_the_ttl_then_computed(age_s: float, strategy: str, value: str) -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting()
        await get(cache, compute, **READ)
        clock.advance_ms(age_s * 1000)
        assert (await get(cache, compute, **READ))[0] == value
        clock.advance_ms(0)
        metrics = cache.get_metrics()["strategy_distribution"]
        assert metrics[strategy] == (2 if strategy == "compute" else 1)

    in_virtual_time(body)


def test_one_background_refresh_at_a_time() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting(1.0)
        await get(cache, compute, **READ)
        await asyncio.sleep(31)
        for _ in range(5):
            value, meta = await get(cache, compute, **READ)
            assert (value, meta["refreshing"]) == ("v1", True)
            await asyncio.sleep(0.1)
        assert compute.calls == 2
        await asyncio.sleep(1)
        assert (await get(cache, compute, **READ))[0] == "v2"

    in_virtual_time(body)


def test_stale_if_error_until_twice_the_ttl_with_backoff() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting()
        await get(cache, compute, **READ)
        compute.error = OSError("down")
        await asyncio.sleep(30)
        for _ in range(29):
            assert (await get(cache, compute, **READ))[0] == "v1"
            await asyncio.sleep(1)
        # a failure at 0 s, then after pauses of 1, 2, 4, 8 s; the next would be at 31 s
        assert compute.calls == 1 + 5
        await asyncio.sleep(1.5)
        with pytest.raises(OSError, match="down"):
            await get(cache, compute, **READ)

    in_virtual_time(body)


def test_a_cold_failure_is_raised_and_never_becomes_a_stale_serve() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting()
        compute.error = OSError("down")
        for _ in range(2):
            with pytest.raises(OSError, match="down"):
                await get(cache, compute, **READ)

    in_virtual_time(body)


def test_a_forced_read_that_fails_is_raised() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting()
        await get(cache, compute)
        compute.error = OSError("down")
        with pytest.raises(OSError, match="down"):
            await get(cache, compute, force_refresh=True)
        assert (await get(cache, compute))[0] == "v1"

    in_virtual_time(body)


@pytest.mark.parametrize(("seconds", "value", "waited_s"), [(0.2, "v2", 0.2), (4.2, "v1", 0.5)])
def test_the_soft_timeout_serves_stale_where_the_compute_is_slower(seconds: float, value: str, waited_s: float) -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting()
        await get(cache, compute, **READ)
        await asyncio.sleep(40)
        compute.seconds = seconds
        began_ns = clock.monotonic_ns()
        assert (await get(cache, compute, **READ))[0] == value
        assert (clock.monotonic_ns() - began_ns) / 1e9 == pytest.approx(waited_s)
        await asyncio.sleep(5)
        assert (await get(cache, compute, **READ))[0] == "v2"

    in_virtual_time(body, soft_timeout_s=0.5)


def test_a_soft_timeout_of_a_failing_compute_serves_stale() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting()
        await get(cache, compute, **READ)
        await asyncio.sleep(40)
        compute.error = OSError("down")
        value, meta = await get(cache, compute, **READ)
        assert (value, meta["strategy"]) == ("v1", "serve_stale")
        assert cache.get_metrics()["counts"]["stale_if_error"] == 1

    in_virtual_time(body, soft_timeout_s=0.5)


def test_p95_of_callers_stays_below_45_ms_while_the_compute_takes_4_2_s() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting(4.2)
        waits = []
        for _ in range(2000):
            began_ns = clock.monotonic_ns()
            await get(cache, compute, **READ)
            waits.append((clock.monotonic_ns() - began_ns) / 1e6)
            await asyncio.sleep(0.1)
        assert sorted(waits)[1900] < 45
        assert cache.get_metrics()["caller_wait_ms"]["p95"] < 45

    in_virtual_time(body)


class Eager(random.Random):
    def random(self) -> float:
        return 0.9999  # 1 - 0.9999: an early refresh up to 9.2 delta before expiry


def test_xfetch_refreshes_early_in_the_background_and_tells_its_callbacks() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        told: list[str] = []

        async def callback(key: str) -> None:
            told.append(key)

        async def broken(key: str) -> None:
            raise ValueError(key)

        cache.register_xfetch_callback(broken)
        cache.register_xfetch_callback(callback)
        compute = Counting(1.0)
        await get(cache, compute, **READ)  # delta 1 s; the value's age counts from the start of its compute
        await asyncio.sleep(18)
        assert (await get(cache, compute, **READ))[1]["refreshing"] is False  # 11 s left
        await asyncio.sleep(3)
        value, meta = await get(cache, compute, **READ)  # 8 s left
        assert (value, meta["strategy"], meta["refreshing"], meta["reason"]) == ("v1", "serve_fresh", True, "early")
        await asyncio.sleep(1.5)
        assert (await get(cache, compute, **READ))[0] == "v2"
        assert told == ["k"]
        assert cache.get_metrics()["counts"]["callback_failures"] == 1

    in_virtual_time(body, rng=Eager())


def test_reads_without_a_context_draw_too() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting(1.0)
        await get(cache, compute, **READ)
        await asyncio.sleep(22)
        assert (await get(cache, compute))[1]["reason"] == "early"

    in_virtual_time(body, rng=Eager())


def test_a_plain_xfetch_callback_runs_off_the_loop() -> None:
    import threading

    from tests.smartcache.caches import make

    async def main() -> None:
        threads: list[str] = []
        clock = VirtualClock()
        async with make(rng=Eager(), clock=clock) as cache:
            cache.register_xfetch_callback(lambda key: threads.append(threading.current_thread().name))

            def compute() -> str:
                clock.advance_ms(1000)
                return "v"

            await get(cache, compute, **READ)
            clock.advance_ms(22_000)
            await get(cache, compute, **READ)
            for _ in range(100):
                if threads:
                    break
                await asyncio.sleep(0.01)
        assert threads
        assert threads[0] != threading.main_thread().name

    asyncio.run(main())


def test_what_was_computed_in_a_panic_replaces_the_older_value_for_a_minute() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting()
        await get(cache, compute)
        for _ in range(10):
            cache.update_vix_snapshot("m", 100.0)
        await get(cache, compute, match_context={"market_key": "m", "current_values": 200.0})
        value, meta = await get(cache, compute)
        assert (value, meta["ttl"]) == ("v2", 60.0)

    in_virtual_time(body)


def test_a_warning_shortens_the_ttl_to_a_minute_also_of_what_is_cached() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting()
        await get(cache, compute)
        for _ in range(10):
            cache.update_vix_snapshot("m", 100.0)
        await asyncio.sleep(61)
        value, meta = await get(cache, compute, match_context={"market_key": "m", "current_values": 140.0})
        assert (value, meta["strategy"], meta["ttl"], meta["vix_status"]) == ("v1", "serve_stale", 60.0, "warning")

    in_virtual_time(body)


def test_the_same_market_of_two_matches_has_two_windows() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        for step in range(40):
            for match, odds in (("a", 1.5), ("b", 6.0)):
                context = {"match_key": match, "current_odds": {"over_under_2_5": odds + 0.01 * (step % 2)}}
                _, meta = await get(cache, Counting(), match, match_context=context)
                assert meta["vix_status"] == "normal"
                await asyncio.sleep(1)

    in_virtual_time(body)


def test_thresholds_can_be_written_while_it_runs() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        for value in (100.0, 100.0, 100.0, 100.0, 120.0):
            cache.update_vix_snapshot("m", value)
        assert (await get(cache, Counting(), match_context={"market_key": "m"}))[1]["vix_status"] == "normal"
        cache.vix.config.warning_threshold_sigma = 0.7
        assert (await get(cache, Counting(), match_context={"market_key": "m"}))[1]["vix_status"] == "warning"
        cache.vix.config.panic_threshold_sigma = 0.8
        assert (await get(cache, Counting(), match_context={"market_key": "m"}))[1]["vix_status"] == "panic"

    in_virtual_time(body)


def test_a_nearer_event_shortens_the_life_of_what_is_cached() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting()
        context = {"kickoff_time": clock.time() + 3600 + 600}
        await get(cache, compute, match_context=context)  # active: 900 s
        await asyncio.sleep(590)
        _, meta = await get(cache, compute, match_context=context)
        assert (meta["strategy"], meta["zone"], meta["ttl"]) == ("serve_fresh", "active", 900.0)
        await asyncio.sleep(10)
        value, meta = await get(cache, compute, match_context=context)
        assert (value, meta["strategy"], meta["zone"], meta["ttl"]) == ("v2", "compute", "golden", 60.0)

    in_virtual_time(body)


def test_bad_quotes_are_counted_and_context_keys_that_mean_nothing_too() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        context = {"current_odds": {"m": float("nan"), "n": None}, "home_team": "ARS"}
        assert (await get(cache, Counting(), match_context=context))[0] == "v1"
        counts = cache.get_metrics()["counts"]
        assert (counts["bad_quotes"], counts["ignored_context_keys"]) == (1, 1)

    in_virtual_time(body)
