"""One compute for all callers, cancellations, failures and timeouts; in memory, in virtual time."""

from __future__ import annotations

import asyncio

import pytest

from calib import virtual_loop
from calib.clock import VirtualClock
from calib.errors import ComputeCancelled, ComputeTimeout
from calib.smartcache import EventType, SmartCacheEnhanced
from tests.smartcache.caches import START_S, Counting, get, in_virtual_time, make


def test_a_hundred_callers_cold_compute_once() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting(0.05)
        results = await asyncio.gather(*(get(cache, compute) for _ in range(100)))
        assert compute.calls == 1
        assert {value for value, _ in results} == {"v1"}
        assert sorted(meta["source"] for _, meta in results) == ["compute"] + ["shared"] * 99

    in_virtual_time(body)


def test_a_hundred_callers_at_expiry_compute_once_and_nobody_waits() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting(4.2)
        await get(cache, compute)
        clock.advance_ms(21_600_000)
        began_ns = clock.monotonic_ns()
        results = await asyncio.gather(*(get(cache, compute) for _ in range(100)))
        assert clock.monotonic_ns() == began_ns
        assert {value for value, _ in results} == {"v1"}
        assert {meta["strategy"] for _, meta in results} == {"serve_stale"}
        await asyncio.sleep(5)
        assert compute.calls == 2
        assert (await get(cache, compute))[0] == "v2"

    in_virtual_time(body)


def test_a_hundred_callers_past_the_stale_time_compute_once() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting(0.05)
        await get(cache, compute)
        clock.advance_ms(2 * 21_600_000)
        results = await asyncio.gather(*(get(cache, compute) for _ in range(100)))
        assert compute.calls == 2
        assert {value for value, _ in results} == {"v2"}

    in_virtual_time(body)


def test_a_cancelled_waiter_does_not_affect_the_others() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting(1.0)
        tasks = [asyncio.create_task(get(cache, compute)) for _ in range(10)]
        await asyncio.sleep(0.5)
        for task in tasks[3:5]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert compute.calls == 1
        assert [isinstance(result, asyncio.CancelledError) for result in results] == [False] * 3 + [True] * 2 + [
            False
        ] * 5
        assert (await get(cache, compute))[0] == "v1"

    in_virtual_time(body)


def test_a_cancelled_leader_does_not_affect_the_others() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting(1.0)
        leader = asyncio.create_task(get(cache, compute))
        await asyncio.sleep(0.5)
        others = [asyncio.create_task(get(cache, compute)) for _ in range(5)]
        await asyncio.sleep(0)
        leader.cancel()
        assert [value for value, _ in await asyncio.gather(*others)] == ["v1"] * 5
        assert leader.cancelled()
        assert compute.calls == 1

    in_virtual_time(body)


def test_when_all_callers_leave_the_value_is_stored_all_the_same() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting(1.0)
        task = asyncio.create_task(get(cache, compute))
        await asyncio.sleep(0.5)
        task.cancel()
        await asyncio.sleep(1)
        value, meta = await get(cache, compute)
        assert (value, meta["strategy"], compute.calls) == ("v1", "serve_fresh", 1)

    in_virtual_time(body)


def test_a_cached_none_is_a_hit() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        calls = []
        for _ in range(3):
            value, _ = await get(cache, lambda: calls.append(1))
            assert value is None
        assert calls == [1]

    in_virtual_time(body)


def test_a_failure_reaches_every_caller_is_not_stored_and_leaves_no_exception_behind() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting(0.1)
        compute.error = KeyError("model")
        tasks = [asyncio.create_task(get(cache, compute)) for _ in range(10)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert compute.calls == 1
        assert sum(isinstance(result, KeyError) for result in results) == 9
        compute.error = None
        assert (await get(cache, compute))[0] == "v2"

    in_virtual_time(body)  # which raises where an exception was never asked for


def test_a_compute_past_the_hard_timeout_frees_its_callers() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        began_ns = clock.monotonic_ns()
        with pytest.raises(ComputeTimeout, match="took longer than 2 s"):
            await get(cache, Counting(60.0))
        assert clock.monotonic_ns() - began_ns == 2_000_000_000
        assert (await get(cache, Counting()))[0] == "v1"

    in_virtual_time(body, hard_timeout_s=2.0)


def test_a_compute_that_ignores_its_cancellation_holds_nobody() -> None:
    async def stubborn() -> str:
        for _ in range(3):
            try:
                await asyncio.sleep(5)
            except asyncio.CancelledError:
                continue
        return "late"

    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        with pytest.raises(ComputeTimeout):
            await get(cache, stubborn)
        assert (await get(cache, Counting()))[0] == "v1"
        await asyncio.sleep(20)
        assert (await get(cache, Counting()))[0] == "v1", "the late value has not replaced the newer one"

    in_virtual_time(body, hard_timeout_s=2.0)


def test_a_compute_that_cancels_itself_is_a_failure_not_a_cancellation_of_its_callers() -> None:
    async def cancelling() -> None:
        raise asyncio.CancelledError

    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        with pytest.raises(ComputeCancelled):
            await get(cache, cancelling)

    in_virtual_time(body)


def test_closing_frees_the_callers() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        tasks = [asyncio.create_task(get(cache, Counting(10.0))) for _ in range(3)]
        tasks += [asyncio.create_task(get(cache, Counting(10.0), force_refresh=True)) for _ in range(3)]
        await asyncio.sleep(1)
        tasks.append(asyncio.create_task(get(cache, Counting(10.0), force_refresh=True)))
        await asyncio.sleep(0)
        await cache.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(result, ComputeCancelled) for result in results)

    in_virtual_time(body)


def test_a_compute_in_flight_at_an_invalidation_is_not_stored_and_not_joined() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting(1.0)
        key = cache.keys.make("m1", "over_under_2_5")
        before = asyncio.create_task(get(cache, compute, key))
        await asyncio.sleep(0.5)
        await cache.invalidate_by_event(EventType.GK_CHANGE, "m1")
        after = asyncio.create_task(get(cache, compute, key))
        assert (await before)[0] == "v1"
        assert (await get(cache, compute, key))[0] == "v2"
        assert (await after)[0] == "v2"
        assert (await get(cache, compute, key))[0] == "v2"
        assert compute.calls == 2

    in_virtual_time(body)


def test_a_compute_in_flight_when_its_key_is_dropped_is_not_stored() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting(1.0)
        before = asyncio.create_task(get(cache, compute))
        await asyncio.sleep(0.5)
        assert await cache.invalidate("k") is False
        assert (await before)[0] == "v1"
        assert (await get(cache, compute))[0] == "v2"

    in_virtual_time(body)


def test_forced_callers_during_a_compute_share_the_next_one() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting(1.0)
        first = [asyncio.create_task(get(cache, compute, force_refresh=True)) for _ in range(10)]
        await asyncio.sleep(0.5)
        second = [asyncio.create_task(get(cache, compute, force_refresh=True)) for _ in range(10)]
        assert {value for value, _ in await asyncio.gather(*first)} == {"v1"}
        assert {value for value, _ in await asyncio.gather(*second)} == {"v2"}
        assert compute.calls == 2

    in_virtual_time(body)


def test_a_compute_that_began_earlier_does_not_replace_a_later_one() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        async def slow() -> str:
            await asyncio.sleep(5)
            return "old"

        task = asyncio.create_task(get(cache, slow))
        await asyncio.sleep(1)
        await get(cache, lambda: "new", force_refresh=True)
        assert (await task)[0] == "old"
        assert (await get(cache, slow))[0] == "new"
        assert cache.get_metrics()["counts"]["stored_overtaken"] == 1

    in_virtual_time(body)


def test_a_cache_outlives_the_loop_that_it_was_used_in() -> None:
    cache = make()

    async def leave() -> None:
        asyncio.create_task(get(cache, Counting(10.0)))  # noqa: RUF006  # left running on purpose
        await asyncio.sleep(0)

    asyncio.run(leave())
    assert asyncio.run(asyncio.wait_for(get(cache, Counting()), 5))[0] == "v1"


def test_a_wall_clock_step_changes_no_age() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting()
        await get(cache, compute)
        clock.advance_ms(1000)
        for step_s in (-86_400.0, 2 * 86_400.0):
            clock.step_wall(step_s)
            _, meta = await get(cache, compute)
            assert (meta["strategy"], meta["age"]) == ("serve_fresh", 1.0)

    in_virtual_time(body)


def test_compute_functions_of_every_kind() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        async def with_key(key: str) -> str:
            return key.upper()

        assert (await get(cache, lambda: 1, "a"))[0] == 1
        assert (await get(cache, lambda key: key * 2, "b"))[0] == "bb"
        assert (await get(cache, with_key, "c"))[0] == "C"
        assert (await get(cache, dict, "d"))[0] == {}
        assert (await get(cache, lambda: asyncio.sleep(1, "later"), "e"))[0] == "later"

    in_virtual_time(body)


def test_memory_is_bounded_and_the_least_recently_used_goes_first() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        for key in "abc":
            await get(cache, lambda: 1, key)
        await get(cache, lambda: 2, "a")
        await get(cache, lambda: 1, "d")
        strategies = {key: (await get(cache, lambda: 3, key))[1]["strategy"] for key in "acd"}
        assert strategies == dict.fromkeys("acd", "serve_fresh")
        assert (await get(cache, lambda: 3, "b"))[0] == 3
        assert cache.get_metrics()["backend"]["evicted"] == 2

    in_virtual_time(body, max_entries=3)


def test_disabled_every_read_computes() -> None:
    async def main() -> None:
        cache = make(enabled=False, clock=VirtualClock(START_S))
        compute = Counting()
        for _ in range(3):
            _, meta = await get(cache, compute)
            assert (meta["strategy"], meta["reason"]) == ("bypass", "disabled")
        assert compute.calls == 3
        assert cache.health()["status"] == "disabled"

    virtual_loop.run(main())
