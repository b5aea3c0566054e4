"""The traps that caches fall into, each by its name: those of this cache's first design, and those seen elsewhere."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.clock import VirtualClock
from calib.market import Delta, MDCache, MDCacheConfig, OrderBook, Snapshot
from calib.market.cache.refresh import MAX_RESTARTS
from calib.pipeline import StageMetrics
from calib.virtual_loop import VirtualLoop
from tests.market.cache.cache_venue import Bench

# --- traps of the first design


def test_age_above_zero_does_not_force_a_refresh_for_guards() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")  # 20 ms old already when it arrives
        for _ in range(5):
            _, meta = await bench.cache.get_orderbook("X", use_case="guards")
            assert meta.status == "fresh"
        assert bench.venue.calls == 1

    Bench().run(test)


@pytest.mark.parametrize("hard_ttl_ms", [5000, 1000])
def test_stale_ok_has_a_hard_bound_after_idleness(hard_ttl_ms: int) -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        await bench.sleep_ms(hard_ttl_ms - 20)  # exactly hard_ttl old: the last moment
        _, meta = await bench.cache.get_orderbook("X")
        assert (meta.status, meta.age_ms) == ("stale", hard_ttl_ms)
        await bench.sleep_ms(hard_ttl_ms + 20)
        _, meta = await bench.cache.get_orderbook("X")
        assert (meta.status, meta.age_ms) == ("miss", 20.0)

    Bench(hard_ttl_ms=hard_ttl_ms).run(test)


def test_used_stale_is_never_true_within_the_ttl() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        for _ in range(80):
            _, meta = await bench.cache.get_orderbook("X")
            assert meta.used_stale is False
            await bench.sleep_ms(1)

    Bench().run(test)


def test_never_two_refreshes_of_a_symbol_at_once_whatever_arrives_meanwhile() -> None:
    """One flight per generation let more than six run at once."""

    async def test(bench: Bench) -> None:
        async def read(depth: int, wait_ms: float) -> None:
            await bench.sleep_ms(wait_ms)
            await bench.cache.get_orderbook("X", depth)

        async def disturb() -> None:
            for _ in range(6):
                await bench.sleep_ms(7)
                bench.cache.invalidate("X")

        await asyncio.gather(disturb(), *(read(1 + n, n * 3) for n in range(30)))
        assert bench.venue.most_running == 1

    Bench().run(test)


def test_an_invalidation_in_flight_restarts_and_the_old_result_is_never_stored() -> None:
    async def test(bench: Bench) -> None:
        reader = asyncio.create_task(bench.cache.get_orderbook("X"))
        await bench.sleep_ms(10)
        bench.cache.invalidate("X")
        _, meta = await reader
        assert (meta.status, meta.update_id, bench.now_ms) == ("miss", 2, 40.0)
        assert [ms for ms, _ in bench.venue.requests] == [0.0, 20.0]

    Bench().run(test)


def test_an_invalidation_in_flight_without_waiters_stores_only_what_was_asked_after_it() -> None:
    async def test(bench: Bench) -> None:
        reader = asyncio.create_task(bench.cache.get_orderbook("X"))
        await bench.sleep_ms(10)
        reader.cancel()
        bench.cache.invalidate("X")
        await bench.sleep_ms(11)
        assert bench.cache.peek("X") is None
        await bench.sleep_ms(20)
        book = bench.cache.peek("X")
        assert book is not None
        assert book.update_id == 2

    Bench().run(test)


def test_a_deeper_request_in_flight_restarts_once_with_the_deepest() -> None:
    async def test(bench: Bench) -> None:
        async def read(depth: int) -> Any:
            await bench.sleep_ms(5)
            return await bench.cache.get_orderbook("X", depth)

        answers = await asyncio.gather(bench.cache.get_orderbook("X", 5), read(40), read(20), read(3))
        assert bench.venue.requests == [(0.0, 5), (20.0, 40)]
        assert [book and len(book.bids) for book, _ in answers] == [5, 40, 20, 3]
        assert [meta.status for _, meta in answers] == ["miss", "coalesced", "coalesced", "coalesced"]

    Bench().run(test)


def test_restarts_are_bounded_by_four_then_unavailable() -> None:
    async def test(bench: Bench) -> None:
        async def disturb() -> None:
            while bench.venue.calls <= 20 and not reader.done():
                await bench.sleep_ms(15)
                bench.cache.invalidate("X")

        reader = asyncio.create_task(bench.cache.get_orderbook("X"))
        await disturb()
        book, meta = await reader
        assert (book, meta.status) == (None, "unavailable")
        assert bench.venue.calls == 1 + MAX_RESTARTS == 5
        assert bench.cache.metrics_summary()["symbols"]["X"]["last_error"] == "restarted too often"

    Bench().run(test)


def test_a_body_is_stored_only_if_the_book_was_not_written_meanwhile() -> None:
    """A stream's book that came alive while a request was out is newer than its body: it stays."""

    async def test(bench: Bench) -> None:
        reader = asyncio.create_task(bench.cache.get_orderbook("X"))
        await bench.sleep_ms(10)
        bench.cache.on_book("X", Snapshot([("200", "1")], [("201", "1")], 100))
        book, meta = await reader
        assert book is not None
        assert (book.update_id, meta.source) == (100, "stream")
        peeked = bench.cache.peek("X", 1)
        assert peeked is not None
        assert peeked.bids == ((200.0, 1.0),)
        await bench.sleep_ms(600)  # the stream's own timer finds nothing to do

    Bench().run(test)


def test_when_all_waiters_leave_the_refresh_finishes_the_book() -> None:
    async def test(bench: Bench) -> None:
        readers = [asyncio.create_task(bench.cache.get_orderbook("X")) for _ in range(3)]
        await bench.sleep_ms(5)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        await bench.sleep_ms(20)
        assert bench.cache.peek("X") is not None
        assert bench.venue.calls == 1

    Bench().run(test)


@pytest.mark.parametrize("use_case", ["general", "pricing", "guards"])
def test_a_cold_failure_never_turns_into_a_stale_serve(use_case: str) -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        await bench.sleep_ms(5001)
        bench.venue.failing = True
        book, meta = await bench.cache.get_orderbook("X", use_case=use_case)
        assert (book, meta.status, meta.used_stale) == (None, "unavailable", False)

    Bench(guard_on_timeout="stale_last_resort").run(test)


def test_books_are_immutable_all_the_way_down() -> None:
    async def test(bench: Bench) -> None:
        live = OrderBook("X")
        live.snapshot([(100, 1)], [(101, 1)], 5)

        async def fetch(symbol: str, depth: int) -> OrderBook:
            return live

        cache = MDCache(MDCacheConfig(enabled=True), fetch, clock=bench.clock)
        book, _ = await cache.get_orderbook("X")
        assert book is not None
        live.delta([(100, 0)], [], 6)  # the bot's own book goes on
        assert cache.peek("X") == book
        assert book.bids == ((100.0, 1.0),)
        with pytest.raises(AttributeError):
            book.bids = ()  # type: ignore[misc]
        with pytest.raises(TypeError):
            book.bids[0] = (1.0, 1.0)  # type: ignore[index]

    Bench().run(test)


def test_depth_miss_pairs_are_bounded_labels() -> None:
    metrics = StageMetrics()
    for requested in range(1, 200):
        for have in range(1, 50):
            metrics.record_md_cache_depth_miss(requested, have)
    assert len(metrics.depth_misses()) <= 257
    assert sum(metrics.depth_misses().values()) == 199 * 49
    assert metrics.depth_misses()[1, 1] == 1


# --- what other caches get wrong


@pytest.mark.parametrize("state", ["cold", "expired"])
def test_a_hundred_concurrent_callers_make_exactly_one_refresh(state: str) -> None:
    async def test(bench: Bench) -> None:
        if state == "expired":
            await bench.cache.get_orderbook("X")
            await bench.sleep_ms(5001)
        before = bench.venue.calls
        answers = await asyncio.gather(*(bench.cache.get_orderbook("X", 1 + n % 50) for n in range(100)))
        assert bench.venue.calls - before == 1
        assert all(book is not None and book.depth == 1 + n % 50 for n, (book, _) in enumerate(answers))
        assert [meta.status for _, meta in answers] == ["miss"] + ["coalesced"] * 99

    Bench().run(test)


@given(st.sets(st.integers(0, 9)), st.sampled_from([0.0, 5.0, 20.0]))
@settings(max_examples=60, deadline=None)
def test_cancelling_any_subset_of_waiters_harms_no_other(cancelled: set[int], when_ms: float) -> None:
    """The first caller, the leader elsewhere, among them; cancelled before, during and as the answer arrives."""

    async def test(bench: Bench) -> None:
        readers = [asyncio.create_task(bench.cache.get_orderbook("X")) for _ in range(10)]
        await bench.sleep_ms(when_ms)
        for n in cancelled:
            readers[n].cancel()
        answers = await asyncio.gather(*readers, return_exceptions=True)
        for n, answer in enumerate(answers):
            assert isinstance(answer, asyncio.CancelledError) or answer[0] is not None  # type: ignore[index]
            assert n in cancelled or not isinstance(answer, BaseException)
        await bench.sleep_ms(30)
        _, meta = await bench.cache.get_orderbook("X")
        assert meta.status == "fresh"  # not poisoned
        assert bench.venue.calls == 1

    Bench().run(test)


def test_a_waiter_with_a_timeout_of_its_own_harms_no_other() -> None:
    async def test(bench: Bench) -> None:
        async def impatient() -> None:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.005):
                    await bench.cache.get_orderbook("X")

        _, (book, _) = await asyncio.gather(impatient(), bench.cache.get_orderbook("X"))
        assert book is not None
        assert bench.venue.calls == 1

    Bench().run(test)


def test_a_refresh_that_is_cancelled_before_its_first_step_leaves_no_waiter_behind() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        await bench.sleep_ms(200)
        await bench.cache.get_orderbook("X")  # stale: a refresh is scheduled, and has not run yet
        await bench.cache.close()
        bench.cache.invalidate("X")
        _, meta = await asyncio.wait_for(bench.cache.get_orderbook("X"), 1)
        assert meta.status == "miss"

    Bench().run(test)


def test_an_old_refresh_never_touches_a_newer_entry() -> None:
    """By identity, not by key: elsewhere an old flight evicts the new entry."""

    async def test(bench: Bench) -> None:
        bench.venue.latency_ms = 500
        reader = asyncio.create_task(bench.cache.get_orderbook("X"))
        await bench.sleep_ms(10)
        await bench.cache.close()
        assert (await reader)[1].status == "unavailable"
        bench.venue.latency_ms = 20
        await bench.cache.get_orderbook("X")
        await bench.sleep_ms(60)
        _, meta = await bench.cache.get_orderbook("X")
        assert (meta.update_id, meta.status) == (2, "fresh")

    Bench().run(test)


def test_a_none_from_the_callback_is_a_counted_failure_and_no_book() -> None:
    async def test(bench: Bench) -> None:
        async def fetch(symbol: str, depth: int) -> None:
            return None

        cache = MDCache(MDCacheConfig(enabled=True), fetch, clock=bench.clock)
        book, meta = await cache.get_orderbook("X")
        assert (book, meta.status) == (None, "unavailable")
        assert cache.metrics_summary()["refresh_failures"] == 1

    Bench().run(test)


BAD_BODIES: list[object] = [
    None,
    7,
    {},
    {"bids": [], "asks": []},
    {"symbol": "Y", "bids": [], "asks": [], "update_id": 1},
    {"bids": [[1, 1]], "asks": [[2]], "update_id": 1},
    {"bids": [["x", 1]], "asks": [], "update_id": 1},
    {"bids": [[float("nan"), 1]], "asks": [], "update_id": 1},
    {"bids": [[1, -1]], "asks": [], "update_id": 1},
    {"bids": [[3, 1]], "asks": [[2, 1]], "update_id": 1},
    {"bids": [], "asks": [], "update_id": "7"},
    {"bids": [], "asks": [], "update_id": True},
    {"bids": [], "asks": [], "update_id": 1, "source": "dream"},
    {"bids": 5, "asks": [], "update_id": 1},
]


@pytest.mark.parametrize("body", BAD_BODIES)
def test_a_body_that_is_no_book_is_a_counted_failure(body: object) -> None:
    async def test(bench: Bench) -> None:
        async def fetch(symbol: str, depth: int) -> object:
            return body

        cache = MDCache(MDCacheConfig(enabled=True), fetch, clock=bench.clock)
        book, meta = await cache.get_orderbook("X")
        assert (book, meta.status) == (None, "unavailable")
        assert cache.metrics_summary()["refresh_failures"] == 1

    Bench().run(test)


def test_a_failing_callback_is_never_raised_and_pauses_exponentially() -> None:
    """No jitter, pauses 100, 200, 400, 400 ms: a reader every 10 ms starts refreshes at 0, 100, 300, 700, 1100."""

    async def test(bench: Bench) -> None:
        bench.venue.failing = True
        while bench.now_ms < 1150:
            book, meta = await bench.cache.get_orderbook("X")
            assert (book, meta.status) == (None, "unavailable")
            await bench.sleep_ms(10)
        assert [ms for ms, _ in bench.venue.requests] == [0.0, 100.0, 300.0, 700.0, 1100.0]
        bench.venue.failing = False
        await bench.sleep_ms(400)
        _, meta = await bench.cache.get_orderbook("X")
        assert meta.status == "miss"
        bench.venue.failing = True
        await bench.sleep_ms(6000)
        began = bench.now_ms
        while bench.now_ms < began + 150:
            await bench.cache.get_orderbook("X")
            await bench.sleep_ms(10)
        assert [ms - began for ms, _ in bench.venue.requests[-2:]] == [0.0, 100.0]  # a success begins anew

    settings_: dict[str, Any] = {
        "refresh_backoff_ms": 100,
        "refresh_backoff_cap_ms": 400,
        "refresh_backoff_jitter": 0.0,
    }
    Bench(latency_ms=0, **settings_).run(test)


def test_jitter_shortens_a_pause_by_its_share_at_most() -> None:
    async def test(bench: Bench) -> None:
        bench.venue.failing = True
        starts = []
        for _ in range(40):
            calls = bench.venue.calls
            while bench.venue.calls == calls:
                await bench.cache.get_orderbook("X")
                await bench.sleep_ms(1)
            starts.append(bench.venue.requests[-1][0])
        pauses = [later - earlier for earlier, later in itertools.pairwise(starts)]
        assert min(pauses) >= 60
        assert max(pauses) <= 101
        assert len({round(pause) for pause in pauses}) > 10

    Bench(latency_ms=0, refresh_backoff_ms=100, refresh_backoff_cap_ms=100, refresh_backoff_jitter=0.4).run(test)


def test_while_a_pause_runs_only_guards_start_a_refresh() -> None:
    async def test(bench: Bench) -> None:
        bench.venue.failing = True
        await bench.cache.get_orderbook("X")
        bench.venue.failing = False
        for use_case in ("general", "pricing", "analytics"):
            book, meta = await bench.cache.get_orderbook("X", use_case=use_case)
            assert (book, meta.status) == (None, "unavailable")
        assert bench.venue.calls == 1
        _, meta = await bench.cache.get_orderbook("X", use_case="guards")
        assert (meta.status, bench.venue.calls) == ("miss", 2)

    Bench(refresh_backoff_jitter=0.0).run(test)


def test_a_stale_serve_during_a_pause_starts_nothing() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        bench.venue.failing = True
        await bench.sleep_ms(180)
        for _ in range(50):
            _, meta = await bench.cache.get_orderbook("X")
            assert meta.status == "stale"
            await bench.sleep_ms(1)
        assert bench.venue.calls == 2  # elsewhere: twenty retries in 100 ms

    Bench(refresh_backoff_jitter=0.0).run(test)


def test_no_exception_is_left_unretrieved_by_a_background_refresh() -> None:
    """`Bench.run` fails on any: this makes sure that it would see one."""

    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        bench.venue.failing = True
        await bench.sleep_ms(180)
        await bench.cache.get_orderbook("X")
        await bench.sleep_ms(100)
        gc.collect()
        assert bench.cache.metrics_summary()["refresh_failures"] == 1

    Bench().run(test)


def test_the_wall_clock_has_no_say() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        bench.clock.step_wall(-86_400)
        assert (await bench.cache.get_orderbook("X"))[1].age_ms == 20.0
        bench.clock.step_wall(2 * 86_400)
        assert (await bench.cache.get_orderbook("X"))[1].age_ms == 20.0

    Bench().run(test)


def test_a_refresh_ends_by_its_timeout_even_if_the_callback_ignores_its_cancellation() -> None:
    async def test(bench: Bench) -> None:
        async def stubborn(symbol: str, depth: int) -> Any:
            calls.append(bench.now_ms)
            if len(calls) == 1:
                for _ in range(3):
                    try:
                        await asyncio.sleep(1)
                    except asyncio.CancelledError:
                        continue
            return bench.venue.body(symbol, depth, len(calls))

        calls: list[float] = []
        cache = MDCache(MDCacheConfig(enabled=True, refresh_timeout_ms=100), stubborn, clock=bench.clock)
        book, meta = await cache.get_orderbook("X")
        assert (book, meta.status, bench.now_ms) == (None, "unavailable", 100.0)
        assert (await cache.get_orderbook("X"))[1].status == "unavailable"
        await bench.sleep_ms(6000)
        assert cache.peek("X") is None  # what came after the timeout was not stored
        assert (await cache.get_orderbook("X"))[1].status == "miss"
        assert len(calls) == 2

    Bench().run(test)


def test_a_callback_whose_own_inner_task_was_cancelled_is_a_failure_like_any_other() -> None:
    async def test(bench: Bench) -> None:
        async def fetch(symbol: str, depth: int) -> Any:
            raise asyncio.CancelledError

        cache = MDCache(MDCacheConfig(enabled=True), fetch, clock=bench.clock)
        book, meta = await cache.get_orderbook("X")
        assert (book, meta.status) == (None, "unavailable")
        assert cache.metrics_summary()["refresh_failures"] == 1

    Bench().run(test)


def test_closing_lets_the_waiters_go_and_leaves_no_task() -> None:
    async def test(bench: Bench) -> None:
        bench.venue.latency_ms = 900
        readers = [asyncio.create_task(bench.cache.get_orderbook(symbol)) for symbol in "AABC"]
        await bench.sleep_ms(1)
        await bench.cache.close()
        assert {meta.status for _, meta in await asyncio.gather(*readers)} == {"unavailable"}
        assert len(asyncio.all_tasks()) == 1  # this one

    Bench().run(test)


def test_a_loop_that_ends_with_a_refresh_running_hears_no_complaint() -> None:
    """As when a bot is stopped: everything is cancelled. (A fixture that cancels all tasks would cancel itself.)"""
    bench = Bench(latency_ms=900)
    loop = VirtualLoop(bench.clock)
    reader = loop.create_task(bench.cache.get_orderbook("X"))
    loop.run_until_complete(asyncio.sleep(0.01))
    others = [task for task in asyncio.all_tasks(loop) if task is not reader]
    assert len(others) == 1
    others[0].cancel()
    _, meta = loop.run_until_complete(reader)
    assert meta.status == "unavailable"
    assert loop.problems == []
    assert loop.unretrieved() == []
    loop.close()


# --- memory


def test_memory_is_bounded_over_many_symbols_and_evicts_by_the_last_write() -> None:
    async def test(bench: Bench) -> None:
        cache = bench.cache
        for n in range(5000):
            await cache.get_orderbook(f"S{n}", 1)
        summary = cache.metrics_summary()
        assert summary["size"] == len(summary["symbols"]) == 10
        assert summary["evictions"] == 4990
        assert summary["reads"]["miss"] == 5000  # the evicted ones stay in the totals
        assert sorted(summary["symbols"]) == sorted(f"S{n}" for n in range(4990, 5000))

    Bench(max_symbols=10, latency_ms=0).run(test)


def test_a_read_does_not_save_a_symbol_from_eviction_but_a_write_does() -> None:
    async def test(bench: Bench) -> None:
        for symbol in ("A", "B", "C"):
            await bench.cache.get_orderbook(symbol)
        await bench.cache.get_orderbook("A")  # a read
        await bench.cache.get_orderbook("B", fresh_only=True, max_age_ms=0)  # a write
        await bench.cache.get_orderbook("D")
        await bench.cache.get_orderbook("E")
        assert sorted(bench.cache.metrics_summary()["symbols"]) == ["B", "D", "E"]

    Bench(max_symbols=3).run(test)


def test_a_symbol_that_is_being_refreshed_is_not_evicted() -> None:
    async def test(bench: Bench) -> None:
        answers = await asyncio.gather(*(bench.cache.get_orderbook(f"S{n}") for n in range(20)))
        assert all(book is not None for book, _ in answers)
        assert bench.cache.metrics_summary()["size"] == 2

    Bench(max_symbols=2).run(test)


def test_a_million_symbols_leave_no_more_than_the_bound() -> None:
    """By the stream, without a loop: every map of the cache is looked into."""
    cache = MDCache(MDCacheConfig(enabled=True, max_symbols=50), None, clock=VirtualClock(), rng=random.Random(1))
    book = Snapshot([(100.0, 1.0)], [(101.0, 1.0)], 1)
    for n in range(20_000):  # the same steps for each: the bound of a million is that of twenty thousand
        cache.on_book(f"S{n}", book, connection=f"socket {n}")
    gc.collect()
    assert len(cache.metrics_summary()["symbols"]) == 50
    alive = [item for item in gc.get_objects() if type(item) is OrderBook]
    assert len(alive) <= 60
    links = [
        item for item in gc.get_objects() if type(item).__name__ == "Connection" and item.name.startswith("socket")
    ]
    assert len(links) <= 1100
    assert cache.on_book("S19999", Delta([], [(101.0, 2.0)], 2), connection="socket 19999").value == "applied"


def test_a_views_map_is_bounded() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X", 50)
        for depth in range(1, 51):
            bench.cache.peek("X", depth)
        entry = bench.cache.entry("X")
        assert entry is not None
        assert len(entry.views) <= 8

    Bench().run(test)


def test_a_view_is_frozen_once_per_version_and_depth() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", Snapshot([("100", "1")], [("101", "1")], 10))
        first = bench.cache.peek("X", 5)
        assert bench.cache.peek("X", 5) is first
        assert (await bench.cache.get_orderbook("X", 5))[0] is first
        bench.cache.on_book("X", Delta([("99", "1")], [], 11))
        second = bench.cache.peek("X", 5)
        assert second is not first
        assert bench.cache.peek("X", 5) is second

    Bench(callback=False).run(test)


def test_a_failed_background_refresh_does_not_deepen_the_next_one() -> None:
    """A stale read of 40 levels starts a refresh that fails at 80 ms; a guard of 5 levels waits for the next: 5."""

    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X", 40)
        await bench.sleep_ms(180)
        bench.venue.latency_ms, bench.venue.failing = 80, True
        await bench.cache.get_orderbook("X", 40)
        await bench.sleep_ms(60)
        guard = asyncio.create_task(bench.cache.get_orderbook("X", 5, use_case="guards"))
        await bench.sleep_ms(22)
        bench.venue.failing = False
        assert (await guard)[1].status == "coalesced"
        assert [depth for _, depth in bench.venue.requests] == [40, 40, 5]

    Bench(guard_timeout_ms=500).run(test)
