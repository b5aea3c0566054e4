"""The cache filled by a stream: integrity, silence, confirmation, resync, failure."""

from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest

from calib.market import Delta, Snapshot, StreamState, TrustLevel
from tests.market.cache.cache_venue import Bench

BOOK = Snapshot([("100", "1"), ("99", "1")], [("101", "1"), ("102", "1")], 10)


def state(bench: Bench, symbol: str = "X") -> StreamState:
    stream = bench.cache.stream(symbol)
    assert stream is not None
    return stream.state_at(bench.clock.monotonic_ns())


def delta(update_id: int, **ids: Any) -> Delta:
    return Delta([("100", str(update_id))], [], update_id, **ids)


def test_a_quiet_synced_book_is_fresh_by_its_connections_signs_of_life() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        for _ in range(100):  # 25 s without a word of X: pings every 250 ms
            await bench.sleep_ms(250)
            bench.cache.on_alive()
        book, meta = await bench.cache.get_orderbook("X", use_case="guards")
        assert book is not None
        assert (meta.status, meta.age_ms, meta.source) == ("fresh", 0.0, "stream")
        entry = bench.cache.entry("X")
        assert entry is not None
        assert entry.change_age_ms(bench.clock.monotonic_ns()) == 25_000.0
        assert state(bench) is StreamState.LIVE
        assert bench.venue.calls == 0

    Bench().run(test)


def test_other_symbols_messages_vouch_for_a_book_too_but_not_those_of_another_connection() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK, connection="a")
        bench.cache.on_book("Z", BOOK, connection="b")
        await bench.sleep_ms(200)
        bench.cache.on_book("Y", BOOK, connection="a")
        assert bench.cache.get_cache_age_ms("X") == 0.0
        assert bench.cache.get_cache_age_ms("Z") == 200.0

    Bench(callback=False).run(test)


def test_a_silence_makes_a_book_suspect_and_the_next_delta_makes_it_live() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        await bench.sleep_ms(301)
        assert state(bench) is StreamState.SUSPECT
        bench.cache.on_alive()  # a ping after the silence does not whitewash it
        entry = bench.cache.entry("X")
        assert entry is not None
        assert entry.trust is TrustLevel.SUSPECT
        _, general = await bench.cache.get_orderbook("X")
        _, pricing = await bench.cache.get_orderbook("X", use_case="pricing")
        _, guard = await bench.cache.get_orderbook("X", use_case="guards")
        assert (general.status, general.age_ms) == ("fresh", 0.0)  # kept
        assert (pricing.status, pricing.used_stale) == ("stale", True)
        assert guard.status == "unavailable"
        bench.cache.on_book("X", delta(11))
        assert state(bench) is StreamState.LIVE
        assert (await bench.cache.get_orderbook("X", use_case="guards"))[1].status == "fresh"
        assert bench.cache.metrics_summary()["invalidations"] == {}

    Bench(callback=False, guard_on_timeout="stale_last_resort").run(test)


def test_a_silence_of_exactly_the_bound_is_none() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        await bench.sleep_ms(300)
        assert state(bench) is StreamState.LIVE
        bench.cache.on_alive()
        assert (await bench.cache.get_orderbook("X", use_case="guards"))[1].status == "fresh"

    Bench(callback=False).run(test)


def test_while_the_silence_lasts_a_wide_freshness_does_not_serve_guards_or_call_pricing_fresh() -> None:
    """Freshness of 1 s, silence of 300 ms: 301 ms into it the book is suspect, whatever its age would allow."""

    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        await bench.sleep_ms(301)
        assert bench.cache.peek("X", 5, "pricing") is None
        assert (await bench.cache.get_orderbook("X", use_case="pricing"))[1].status == "stale"
        assert (await bench.cache.get_orderbook("X", use_case="guards"))[1].status == "unavailable"

    Bench(callback=False, ttl_ms=1000, fresh_ms_for_pricing=1000, guard_max_age_ms=1000).run(test)


def test_deltas_that_end_a_silence_of_another_symbol_leave_it_suspect() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        bench.cache.on_book("Y", BOOK)
        await bench.sleep_ms(400)
        bench.cache.on_book("Y", delta(11))
        assert (await bench.cache.get_orderbook("Y", use_case="guards"))[1].status == "fresh"
        assert (await bench.cache.get_orderbook("X", use_case="guards"))[1].status == "unavailable"

    Bench(callback=False).run(test)


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (delta(12), "ws_gap"),
        (delta(9), "rewind"),
        (Delta([("101.5", "1")], [], 11), "ws_gap"),  # crossed: messages were lost
    ],
)
def test_a_gap_a_rewind_and_a_crossed_book_are_invalidated_at_the_write(message: Delta, reason: str) -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        bench.cache.on_book("X", message)
        assert bench.cache.peek("X") is None
        assert state(bench) is StreamState.GAP
        assert bench.cache.metrics_summary()["invalidations"] == {reason: 1}
        book, meta = await bench.cache.get_orderbook("X")
        assert (book, meta.status) == (None, "unavailable")

    Bench(callback=False).run(test)


def test_a_gap_is_resynced_through_the_callback_and_bridged_by_the_buffered_deltas() -> None:
    """Binance spot's rule. Lost: 13. The snapshot 20 arrives while 15..22 wait: it is live at once, at 22."""

    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        bench.cache.on_book("X", delta(12, first_id=11))
        bench.venue.next_id = 20
        bench.cache.on_book("X", delta(15, first_id=14))
        bench.cache.on_book("X", delta(22, first_id=16))
        assert bench.cache.peek("X") is None
        for _ in range(6):  # connecting was the first attempt; the second waits 250..500 ms, the venue takes 20
            await bench.sleep_ms(100)
            bench.cache.on_alive()
        assert state(bench) is StreamState.LIVE
        entry = bench.cache.entry("X")
        assert entry is not None
        assert (entry.update_id, entry.trust, entry.depth) == (22, TrustLevel.LIVE, 50)
        assert bench.venue.requests[0][1] == 50
        bench.cache.on_book("X", delta(23, first_id=23))
        book, meta = await bench.cache.get_orderbook("X", use_case="guards")
        assert book is not None
        assert (meta.source, book.update_id, book.bids[0]) == ("stream", 23, (100.0, 23.0))

    Bench(sequence_rule="range").run(test)


def test_a_snapshot_that_was_asked_for_before_a_second_gap_is_refused() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        bench.cache.on_book("X", delta(15, first_id=14))
        bench.venue.next_id, bench.venue.latency_ms = 14, 500
        while bench.venue.calls == 0:
            await bench.sleep_ms(1)
        bench.cache.on_connect()  # the socket was made anew meanwhile
        bench.cache.on_book("X", delta(40, first_id=39))
        await bench.sleep_ms(510)
        assert state(bench) is not StreamState.LIVE
        assert bench.cache.stream("X").counts["late_snapshot"] <= 1  # type: ignore[union-attr]
        entry = bench.cache.entry("X")
        assert entry is None or entry.trust is TrustLevel.REST
        await bench.cache.close()

    Bench(sequence_rule="range", source=None).run(test)


def test_attempts_back_off_then_a_failed_stream_serves_nothing_and_ends_by_itself_with_a_good_snapshot() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        bench.venue.failing = True
        bench.cache.on_book("X", delta(20))
        await bench.sleep_ms(200_000)
        assert state(bench) is StreamState.FAILED
        starts = [ms for ms, _ in bench.venue.requests]
        pauses = [later - earlier for earlier, later in itertools.pairwise(starts)]
        # 250 ms doubling to a cap of 30 s, each drawn from its upper half, plus the 20 ms of the failing answer
        for n, pause in enumerate(pauses, start=3):
            whole = min(30_000, 250 * 2 ** (n - 1))
            assert whole / 2 <= pause - 20 <= whole + 1
        assert len(pauses) > 10  # past the tenth attempt they go on, at the longest pause
        calls = bench.venue.calls
        for use_case in ("general", "pricing", "guards"):
            book, meta = await bench.cache.get_orderbook("X", use_case=use_case)
            assert (book, meta.status) == (None, "unavailable")
        assert bench.venue.calls == calls
        bench.venue.failing, bench.venue.next_id = False, 20
        await bench.sleep_ms(30_021)
        bench.cache.on_book("X", delta(21))
        assert state(bench) is StreamState.LIVE
        assert (await bench.cache.get_orderbook("X", use_case="guards"))[1].status == "fresh"

    Bench().run(test)


def test_crossed_pushes_fail_a_stream_and_a_good_push_revives_it() -> None:
    async def test(bench: Bench) -> None:
        for _ in range(15):
            bench.cache.on_book("X", Snapshot([("102", "1")], [("101", "1")], 10))
        assert state(bench) is StreamState.FAILED
        bench.cache.on_book("X", BOOK)
        assert state(bench) is StreamState.LIVE

    Bench(callback=False).run(test)


def test_a_body_that_is_not_newer_confirms_a_live_book_with_the_age_of_its_request() -> None:
    """The book at id 10, silent for 200 ms: the guard's refresh brings id 10; the book is 20 ms old from then on."""

    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        bench.venue.next_id = 10
        await bench.sleep_ms(200)
        book, meta = await bench.cache.get_orderbook("X", use_case="guards")
        assert book is not None
        assert (meta.status, meta.source, meta.age_ms, book.bids) == (
            "miss",
            "stream",
            20.0,
            ((100.0, 1.0), (99.0, 1.0)),
        )
        await bench.sleep_ms(30)
        _, meta = await bench.cache.get_orderbook("X", use_case="guards")
        assert (meta.status, meta.age_ms) == ("fresh", 50.0)
        bench.cache.on_alive()
        assert bench.cache.get_cache_age_ms("X") == 0.0  # the connection vouches again
        assert bench.cache.peek("X", 5, "guards") is not None

    Bench(source=None).run(test)


def test_a_lagging_body_does_not_vouch_for_a_suspect_book() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        bench.venue.next_id = 9
        await bench.sleep_ms(400)
        book, meta = await bench.cache.get_orderbook("X", use_case="guards")
        assert (book, meta.status) == (None, "unavailable")

    Bench().run(test)


def test_a_newer_body_beside_a_live_book_starts_a_resync_and_never_overwrites_it_by_a_shallow_one() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        bench.venue.next_id = 30
        await bench.sleep_ms(200)
        _, meta = await bench.cache.get_orderbook("X", 5, use_case="guards")
        assert (meta.status, meta.source, meta.update_id) == ("miss", "rest", 30)
        assert state(bench) in (StreamState.GAP, StreamState.SYNCING)
        await bench.sleep_ms(521)
        assert bench.venue.requests[1][1] == 50
        bench.cache.on_book("X", delta(32))
        assert state(bench) is StreamState.LIVE
        entry = bench.cache.entry("X")
        assert entry is not None
        assert (entry.update_id, entry.depth, entry.source) == (32, 50, "stream")

    Bench(source=None).run(test)


def test_a_depth_the_subscription_does_not_cover_is_a_miss_answered_by_a_body() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK, depth=2)
        bench.venue.next_id = 9
        book, meta = await bench.cache.get_orderbook("X", 10)
        assert book is not None
        assert (len(book.bids), meta.depth_miss, meta.cached_depth, meta.source) == (10, True, 2, "rest")
        _, meta = await bench.cache.get_orderbook("X", 2)
        assert (meta.status, meta.source) == ("fresh", "stream")  # the stream's book stayed

    Bench(source=None).run(test)


def test_rest_bodies_serve_their_waiters_and_general_reads_never_pricing_or_guards_later() -> None:
    async def test(bench: Bench) -> None:
        _, meta = await bench.cache.get_orderbook("X", use_case="pricing")
        assert (meta.status, meta.source) == ("miss", "rest")
        assert (await bench.cache.get_orderbook("X"))[1].status == "fresh"
        assert bench.cache.peek("X", 5, "pricing") is None
        assert bench.cache.peek("X", 5, "guards") is None
        for use_case, calls in (("pricing", 2), ("guards", 3)):
            _, meta = await bench.cache.get_orderbook("X", use_case=use_case)
            assert (meta.status, bench.venue.calls) == ("miss", calls)
        bench.venue.failing = True
        book, meta = await bench.cache.get_orderbook("X", use_case="guards")
        assert (book, meta.status) == (None, "unavailable")  # not even as a last resort

    Bench(source=None, guard_on_timeout="stale_last_resort").run(test)


def test_refresh_source_stream_says_what_bodies_are() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X", use_case="pricing")
        assert (await bench.cache.get_orderbook("X", use_case="pricing"))[1].status == "fresh"

    Bench(source=None, refresh_source="stream").run(test)


def test_a_body_whose_id_went_back_is_a_rewind_and_asked_for_again() -> None:
    async def test(bench: Bench) -> None:
        bench.venue.next_id = 50
        await bench.cache.get_orderbook("X")
        bench.venue.next_id = 3  # a restart of the venue, or a lagging copy
        _, meta = await bench.cache.get_orderbook("X", max_age_ms=0)
        assert (meta.status, meta.update_id, bench.venue.calls) == ("miss", 4, 3)
        assert bench.cache.metrics_summary()["invalidations"] == {"rewind": 1}

    Bench().run(test)


def test_invalidating_a_streams_book_resyncs_it_and_never_brings_it_nearer_to_failing() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        for n in range(15):
            assert bench.cache.invalidate("X") is True
            assert bench.cache.peek("X") is None
            bench.cache.on_book("X", Snapshot(BOOK.bids, BOOK.asks, 20 + n))
        assert bench.cache.metrics_summary()["invalidations"] == {"manual": 15}
        assert state(bench) is StreamState.LIVE

    Bench(callback=False).run(test)


def test_nothing_is_served_after_a_disconnect_until_a_new_snapshot() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        bench.cache.on_disconnect()
        assert bench.cache.peek("X") is None
        bench.cache.on_book("X", delta(11))
        assert bench.cache.peek("X") is None
        bench.cache.on_connect()
        bench.cache.on_book("X", Snapshot([("5", "1")], [("6", "1")], 3))
        assert bench.cache.peek("X") is not None
        assert bench.cache.metrics_summary()["invalidations"] == {"reconnect": 1}

    Bench(callback=False).run(test)


def test_make_before_break_serves_a_book_at_every_moment_of_the_hand_over() -> None:
    """Two sockets for ten messages, then the old one is closed: guards have a fresh book throughout."""

    async def test(bench: Bench) -> None:
        cache = bench.cache
        cache.on_book("X", BOOK, connection="old")
        cache.on_book("X", Snapshot(BOOK.bids, BOOK.asks, 10), connection="new")
        for update_id in range(11, 21):
            for connection in ("old", "new"):
                cache.on_book("X", delta(update_id), connection=connection)
                book, meta = await cache.get_orderbook("X", 5, use_case="guards")
                assert (book is not None, meta.status) == (True, "fresh")
            await bench.sleep_ms(20)
        cache.on_disconnect("old")
        cache.on_book("X", delta(21), connection="new")
        book, meta = await cache.get_orderbook("X", 5, use_case="guards")
        assert book is not None
        assert (meta.status, book.update_id, book.bids[0]) == ("fresh", 21, (100.0, 21.0))
        assert cache.metrics_summary()["invalidations"] == {}

    Bench(callback=False).run(test)


@pytest.mark.parametrize("trouble", ["gap", "silence"])
def test_the_other_sockets_book_is_served_when_the_first_ones_cannot_be_trusted(trouble: str) -> None:
    async def test(bench: Bench) -> None:
        cache = bench.cache
        cache.on_book("X", BOOK, connection="old")
        cache.on_book("X", BOOK, connection="new")
        if trouble == "gap":
            cache.on_book("X", delta(15), connection="old")
        else:
            await bench.sleep_ms(200)
            cache.on_alive("new")
            await bench.sleep_ms(200)
        cache.on_book("X", delta(11), connection="new")
        book, meta = await cache.get_orderbook("X", 5, use_case="guards")
        assert book is not None
        assert (meta.status, book.update_id) == ("fresh", 11)

    Bench(callback=False).run(test)


def test_a_second_socket_that_is_not_in_sync_does_not_take_the_book_away() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK, connection="a")
        bench.cache.on_book("X", delta(99), connection="b")
        bench.cache.on_alive("a")
        assert (await bench.cache.get_orderbook("X", use_case="guards"))[1].update_id == 10

    Bench(callback=False).run(test)


def test_a_resync_that_no_loop_was_there_to_time_is_made_up_for_by_the_next_read() -> None:
    bench = Bench(sequence_rule="range")
    bench.venue.next_id = 14
    bench.cache.on_book("X", delta(12, first_id=11))  # outside of any loop
    bench.cache.on_book("X", delta(16, first_id=13))

    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        assert bench.venue.calls == 1
        await bench.sleep_ms(300)
        assert bench.venue.calls == 2
        stream = bench.cache.stream("X")
        assert stream is not None
        assert stream.last_id == 16

    bench.run(test)


def test_a_guard_that_timed_out_is_given_the_book_that_came_alive_meanwhile() -> None:
    async def test(bench: Bench) -> None:
        bench.venue.latency_ms = 300
        reader = asyncio.create_task(bench.cache.get_orderbook("X", use_case="guards"))
        await bench.sleep_ms(45)
        bench.cache.on_book("X", BOOK)
        book, meta = await reader
        assert book is not None
        assert (meta.status, meta.source, meta.age_ms) == ("fresh", "stream", 5.0)
        await bench.sleep_ms(700)

    Bench().run(test)


def test_guards_join_only_a_refresh_that_began_within_their_age_else_wait_for_the_next() -> None:
    """Venue 80 ms. A reads at 0. A guard at 20 joins (20 <= 50). One at 60 must not join: it waits
    for the next, which begins at 80 and ends at 160, within its timeout of 200."""

    async def test(bench: Bench) -> None:
        first = asyncio.create_task(bench.cache.get_orderbook("X"))
        await bench.sleep_ms(20)
        joining = asyncio.create_task(bench.cache.get_orderbook("X", use_case="guards"))
        await bench.sleep_ms(40)
        waiting = asyncio.create_task(bench.cache.get_orderbook("X", use_case="guards"))
        assert (await first)[1].update_id == 1
        assert (await joining)[1].update_id == 1
        _, meta = await waiting
        assert (meta.update_id, meta.status, bench.now_ms, meta.age_ms) == (2, "coalesced", 160.0, 80.0)
        assert [ms for ms, _ in bench.venue.requests] == [0.0, 80.0]

    Bench(latency_ms=80, guard_timeout_ms=200).run(test)


def test_a_body_that_arrives_older_than_pricing_allows_is_marked_stale_for_all_who_waited() -> None:
    """It began 100 ms before it arrived, past 60: as old as a stale cached book would be."""

    async def test(bench: Bench) -> None:
        bench.venue.latency_ms = 100
        first = asyncio.create_task(bench.cache.get_orderbook("X", use_case="pricing"))
        await bench.sleep_ms(50)
        second = asyncio.create_task(bench.cache.get_orderbook("X", use_case="pricing"))
        await bench.sleep_ms(20)
        third = asyncio.create_task(bench.cache.get_orderbook("X", use_case="pricing"))
        answers = [(await reader)[1] for reader in (first, second, third)]
        assert [meta.used_stale for meta in answers] == [True, True, True]
        assert [meta.status for meta in answers] == ["miss", "coalesced", "coalesced"]
        assert bench.cache.metrics_summary()["pricing_on_stale"]["pricing_threshold"] == 3

    Bench().run(test)
