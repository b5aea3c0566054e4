"""The classic cases of the market-data cache, by name; expected values are worked out from the contract."""

from __future__ import annotations

import asyncio

import pytest

from calib.errors import DepthError, MaxAgeError, UseCaseError
from calib.market import BookView, Delta, MDCacheEntry, MDCacheInvalidator, Snapshot, TrustLevel
from calib.market.cache.entry import Bounds, LastSeen
from tests.market.cache.cache_venue import Bench

MS = 1_000_000


def test_fresh_only_forces_sync_refresh() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")  # answered at 20 ms, thus 20 ms old
        await bench.sleep_ms(31)  # 51 ms old: past guard_max_age 50, within ttl 100
        book, meta = await bench.cache.get_orderbook("X", fresh_only=True)
        assert book is not None
        assert (meta.status, meta.update_id, meta.age_ms, meta.cache_hit) == ("miss", 2, 20.0, False)
        assert bench.venue.calls == 2

    Bench().run(test)


def test_fresh_only_within_guard_max_age_is_served_without_a_refresh() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        await bench.sleep_ms(30)
        _, meta = await bench.cache.get_orderbook("X", fresh_only=True)
        assert (meta.status, meta.age_ms) == ("fresh", 50.0)
        assert bench.venue.calls == 1

    Bench().run(test)


@pytest.mark.parametrize("read", [{"fresh_only": True}, {"use_case": "guards"}])
def test_fresh_only_timeout_is_unavailable(read: dict[str, object]) -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        bench.venue.latency_ms = 300
        await bench.sleep_ms(60)
        begin = bench.now_ms
        book, meta = await bench.cache.get_orderbook("X", **read)  # type: ignore[arg-type]
        assert book is None
        assert (meta.status, meta.used_stale, meta.age_ms) == ("unavailable", False, None)
        assert bench.now_ms - begin == 50
        await bench.sleep_ms(400)
        assert bench.cache.peek("X") is None  # the late answer was stored, but is 300 ms old by now

    Bench().run(test)


def test_fresh_only_timeout_with_stale_last_resort_serves_the_old_book_marked() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        bench.venue.latency_ms = 300
        await bench.sleep_ms(60)
        book, meta = await bench.cache.get_orderbook("X", fresh_only=True)
        assert book is not None
        assert (meta.status, meta.used_stale, meta.age_ms, meta.update_id) == ("stale", True, 130.0, 1)
        assert bench.cache.metrics_summary()["pricing_on_stale"] == {"pricing_threshold": 0, "guard_block": 1}
        await bench.sleep_ms(400)

    Bench(guard_on_timeout="stale_last_resort").run(test)


def test_pricing_threshold_triggers_async_refresh() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        await bench.sleep_ms(50)  # 70 ms old: past fresh_ms_for_pricing 60, within ttl
        begin = bench.now_ms
        book, meta = await bench.cache.get_orderbook("X", use_case="pricing")
        assert bench.now_ms == begin  # nobody waited
        assert book is not None
        assert (meta.status, meta.used_stale, meta.cache_hit, meta.age_ms) == ("stale", True, True, 70.0)
        await bench.sleep_ms(21)
        assert bench.venue.calls == 2
        _, meta = await bench.cache.get_orderbook("X", use_case="pricing")
        assert (meta.status, meta.update_id) == ("fresh", 2)
        assert bench.cache.metrics_summary()["pricing_on_stale"]["pricing_threshold"] == 1

    Bench().run(test)


def test_skip_pricing_on_stale_withholds_and_refreshes() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        await bench.sleep_ms(50)
        book, meta = await bench.cache.get_orderbook("X", use_case="pricing")
        assert book is None
        assert (meta.status, meta.cache_hit, meta.age_ms) == ("withheld", False, 70.0)
        await bench.sleep_ms(21)
        _, meta = await bench.cache.get_orderbook("X", use_case="pricing")
        assert (meta.status, meta.update_id) == ("fresh", 2)
        assert bench.cache.metrics_summary()["pricing_on_stale"]["pricing_threshold"] == 0  # nothing stale was priced

    Bench(skip_pricing_on_stale=True).run(test)


@pytest.mark.parametrize(("expected", "reason"), [(3, "ws_gap"), (0, "rewind")])
def test_sequence_gap_invalidates(expected: int, reason: str) -> None:
    """Cached id 1: 3 is past 1 + 1, a gap; 0 lies before it, a rewind."""

    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        assert bench.cache.metrics_summary()["sequence_gaps"] == 0
        bench.venue.next_id = 7
        _, meta = await bench.cache.get_orderbook("X", expected_update_id=expected)
        assert (meta.sequence_gap, meta.status, meta.update_id) == (True, "miss", 7)
        assert bench.cache.metrics_summary()["invalidations"] == {reason: 1}
        assert bench.cache.metrics_summary()["sequence_gaps"] == 1
        _, meta = await bench.cache.get_orderbook("X", expected_update_id=7)
        assert (meta.sequence_gap, meta.status) == (False, "fresh")
        assert bench.cache.metrics_summary()["sequence_gaps"] == 1

    Bench().run(test)


def test_rewind_invalidates() -> None:
    async def test(bench: Bench) -> None:
        bench.venue.next_id = 10
        await bench.cache.get_orderbook("X")
        _, meta = await bench.cache.get_orderbook("X", expected_update_id=9)
        assert (meta.sequence_gap, meta.status, meta.update_id) == (True, "miss", 11)
        assert bench.cache.metrics_summary()["invalidations"] == {"rewind": 1}

    Bench().run(test)


@pytest.mark.parametrize("expected", [1, 2])
def test_expected_update_id_equal_or_next_is_a_hit(expected: int) -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        _, meta = await bench.cache.get_orderbook("X", expected_update_id=expected)
        assert (meta.status, meta.sequence_gap) == ("fresh", False)

    Bench().run(test)


@pytest.mark.parametrize(("expected", "status"), [(1, "fresh"), (4, "fresh"), (5, "fresh"), (6, "miss"), (9, "miss")])
def test_ranged_mode_refreshes_only_where_we_are_behind(expected: int, status: str) -> None:
    async def test(bench: Bench) -> None:
        bench.venue.next_id = 5
        await bench.cache.get_orderbook("X")
        bench.venue.next_id = 20
        _, meta = await bench.cache.get_orderbook("X", expected_update_id=expected)
        assert meta.status == status
        assert bench.cache.metrics_summary()["invalidations"] == {}

    Bench(sequence_mode="ranged").run(test)


def test_a_body_that_is_still_behind_the_stream_is_not_served() -> None:
    async def test(bench: Bench) -> None:
        book, meta = await bench.cache.get_orderbook("X", expected_update_id=50)
        assert book is None
        assert (meta.status, meta.sequence_gap) == ("unavailable", True)

    Bench().run(test)


def test_depth_miss_no_upscaling() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X", 10)
        book, meta = await bench.cache.get_orderbook("X", 20)
        assert book is not None
        assert (len(book.bids), len(book.asks), book.depth) == (20, 20, 20)
        assert (meta.depth_miss, meta.cached_depth, meta.status, meta.cache_hit) == (True, 10, "miss", False)
        assert [depth for _, depth in bench.venue.requests] == [10, 20]
        assert bench.cache.metrics_summary()["depth_misses"] == 1

    Bench().run(test)


def test_depth_hit_downscaling() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X", 50)
        book, meta = await bench.cache.get_orderbook("X", 2)
        assert book is not None
        assert book.bids == ((100.0, 1.0), (99.5, 2.0))
        assert book.asks == ((101.0, 1.0), (101.5, 2.0))
        assert (meta.depth_miss, meta.status, meta.cached_depth, book.depth) == (False, "fresh", 50, 2)

    Bench().run(test)


def test_a_venue_with_fewer_levels_is_no_depth_miss() -> None:
    async def test(bench: Bench) -> None:
        bench.venue.levels = 3
        await bench.cache.get_orderbook("X", 50)
        book, meta = await bench.cache.get_orderbook("X", 50)
        assert book is not None
        assert (len(book.bids), meta.status, meta.depth_miss, bench.venue.calls) == (3, "fresh", False, 1)

    Bench().run(test)


def test_stale_ok_returns_stale_and_refreshes() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        await bench.sleep_ms(180)  # 200 ms old
        begin = bench.now_ms
        book, meta = await bench.cache.get_orderbook("X")
        assert book is not None
        assert (meta.status, meta.used_stale, meta.age_ms, bench.now_ms) == ("stale", True, 200.0, begin)
        await bench.sleep_ms(21)
        _, meta = await bench.cache.get_orderbook("X")
        assert (meta.status, meta.update_id, bench.venue.calls) == ("fresh", 2, 2)

    Bench().run(test)


@pytest.mark.parametrize("use_case", ["general", "analytics", "pricing"])
def test_without_stale_ok_every_stale_serve_waits(use_case: str) -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        await bench.sleep_ms(180)
        _, meta = await bench.cache.get_orderbook("X", use_case=use_case)
        assert (meta.status, meta.used_stale, meta.update_id) == ("miss", False, 2)

    Bench(stale_ok=False).run(test)


def test_cache_disabled() -> None:
    async def test(bench: Bench) -> None:
        for expected_id in (1, 2):
            book, meta = await bench.cache.get_orderbook("X", 5)
            assert book is not None
            assert (meta.status, meta.cache_hit, book.update_id, len(book.bids)) == ("direct", False, expected_id, 5)
        bench.cache.on_book("X", Snapshot([(1, 1)], [(2, 1)], 9))
        assert bench.cache.peek("X") is None
        assert bench.cache.get_hit_ratio("X") is None
        bench.venue.failing = True
        book, meta = await bench.cache.get_orderbook("X")
        assert (book, meta.status) == (None, "unavailable")

    Bench(enabled=False).run(test)


def test_cache_miss_first_call() -> None:
    async def test(bench: Bench) -> None:
        book, meta = await bench.cache.get_orderbook("X")
        assert book is not None
        assert meta == (False, 20.0, False, False, False, "miss", "stream", 1, None)

    Bench().run(test)


def test_cache_hit_within_ttl() -> None:
    async def test(bench: Bench) -> None:
        first, _ = await bench.cache.get_orderbook("X")
        await bench.sleep_ms(80)  # exactly ttl
        book, meta = await bench.cache.get_orderbook("X")
        assert book == first
        assert meta == (True, 100.0, False, False, False, "fresh", "stream", 1, 50)
        await bench.sleep_ms(0.001)
        _, meta = await bench.cache.get_orderbook("X")
        assert meta.status == "stale"
        await bench.sleep_ms(21)

    Bench().run(test)


def _entry(age_from_ns: int) -> MDCacheEntry:
    book = BookView("X", ((99.0, 1.0),), ((101.0, 1.0),), 1, 5)
    return MDCacheEntry(book, 5, TrustLevel.LIVE, LastSeen(age_from_ns), Bounds({}, {}), age_from_ns)


def test_entry_age() -> None:
    assert _entry(10 * MS).age_ms(52_500_000) == 42.5
    assert _entry(10 * MS).age_ms(9 * MS) == 0.0  # last_seen is newer than the clock reading


def test_entry_is_stale() -> None:
    entry = _entry(0)
    assert not entry.is_stale(100 * MS, ttl_ms=100)
    assert entry.is_stale(100 * MS + 1, ttl_ms=100)


def test_invalidate() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        assert bench.cache.invalidate("X") is True
        assert bench.cache.invalidate("X") is False
        assert bench.cache.invalidate("never seen") is False
        assert bench.cache.peek("X") is None
        _, meta = await bench.cache.get_orderbook("X")
        assert meta.status == "miss"
        assert bench.cache.metrics_summary()["invalidations"] == {"manual": 1}

    Bench().run(test)


def test_invalidate_all() -> None:
    async def test(bench: Bench) -> None:
        for symbol in ("A", "B", "C"):
            await bench.cache.get_orderbook(symbol)
        assert bench.cache.invalidate_all("reconnect") == 3
        assert [bench.cache.peek(symbol) for symbol in ("A", "B", "C")] == [None] * 3
        assert bench.cache.metrics_summary()["invalidations"] == {"reconnect": 3}

    Bench().run(test)


def test_metrics_summary() -> None:
    """Two misses (X, Y), three fresh reads of X, one that joins: hit ratio 3 / 6; refreshes of 20 and 40 ms."""

    async def test(bench: Bench) -> None:
        cache = bench.cache
        assert cache.metrics_summary()["hit_ratio"] is None
        await cache.get_orderbook("X")
        for _ in range(3):
            await cache.get_orderbook("X")
        bench.venue.latency_ms = 40
        await asyncio.gather(cache.get_orderbook("Y"), cache.get_orderbook("Y"))
        summary = cache.metrics_summary()
        assert summary["reads"] == {
            "fresh": 3, "stale": 0, "coalesced": 1, "miss": 2, "withheld": 0, "unavailable": 0, "direct": 0
        }  # fmt: skip
        assert summary["hit_ratio"] == cache.get_hit_ratio() == 0.5
        assert cache.get_hit_ratio("X") == 0.75
        assert cache.get_hit_ratio("Y") == 0.0
        assert cache.get_hit_ratio("Z") is None
        assert summary["refresh_latency_p95_ms"] == pytest.approx(39.0)  # linear between 20 and 40 at 0.95
        assert (cache.get_refresh_latency_p95("X"), cache.get_refresh_latency_p95("Z")) == (20.0, None)
        assert (cache.get_cache_age_ms("X"), cache.get_cache_age_ms("Z")) == (60.0, None)
        assert (summary["size"], summary["refreshes"], summary["inflight_refreshes"]) == (2, 2, 0)
        assert list(summary["symbols"]) == ["X", "Y"]

    Bench().run(test)


def test_ws_gap() -> None:
    """301 ms without a message: what a callback brought is dropped; 300 ms are still fine."""

    async def test(bench: Bench) -> None:
        watch = MDCacheInvalidator(bench.cache)
        watch.on_message("X")
        await bench.cache.get_orderbook("X")
        await bench.sleep_ms(280)
        assert watch.on_message("X") is None
        await bench.sleep_ms(301)
        assert watch.on_message("X") == "ws_gap"
        assert bench.cache.entry("X") is None
        assert bench.cache.metrics_summary()["invalidations"] == {"ws_gap": 1}

    Bench().run(test)


def test_price_jump() -> None:
    """Tick 0.5, limit 4 ticks: 2.0 is no jump, 2.5 is one."""

    async def test(bench: Bench) -> None:
        watch = MDCacheInvalidator(bench.cache)
        await bench.cache.get_orderbook("X")
        assert watch.on_message("X", 100.0, 101.0) is None
        assert watch.on_message("X", 102.0, 103.0) is None
        assert watch.on_message("X", 99.5, 103.0) == "price_jump"
        assert bench.cache.entry("X") is None
        assert watch.on_message("no tick size", 1.0, 2.0) is None
        assert watch.on_message("no tick size", 100.0, 200.0) is None

    Bench(price_jump_ticks=4, tick_sizes={"X": 0.5}).run(test)


@pytest.mark.parametrize("depth", [0, -1, 51, True, 2.0, "5"])
def test_a_depth_out_of_range_is_a_named_error(depth: object) -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        with pytest.raises(DepthError, match="50"):
            await bench.cache.get_orderbook("X", depth)  # type: ignore[arg-type]

    Bench().run(test)


def test_an_unknown_use_case_is_a_named_error() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        with pytest.raises(UseCaseError, match="general, analytics, pricing, guards"):
            await bench.cache.get_orderbook("X", use_case="quoting")
        with pytest.raises(UseCaseError):
            bench.cache.peek("X", 5, "quoting")

    Bench().run(test)


@pytest.mark.parametrize("max_age_ms", [-1, float("nan"), float("inf")])
def test_a_max_age_that_is_none_is_a_named_error(max_age_ms: float) -> None:
    async def test(bench: Bench) -> None:
        with pytest.raises(MaxAgeError):
            await bench.cache.get_orderbook("X", max_age_ms=max_age_ms)

    Bench().run(test)


def test_max_age_tightens_never_widens() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X")
        _, meta = await bench.cache.get_orderbook("X", max_age_ms=20)
        assert meta.status == "fresh"
        _, meta = await bench.cache.get_orderbook("X", max_age_ms=19.9)
        assert (meta.status, meta.update_id) == ("miss", 2)  # not served stale: nothing older was asked for
        await bench.sleep_ms(180)
        _, meta = await bench.cache.get_orderbook("X", max_age_ms=5000)
        assert meta.status == "stale"  # 200 ms are past the ttl, whatever the caller would accept
        await bench.sleep_ms(21)

    Bench().run(test)


def test_peek_serves_what_is_fresh_and_counts_no_read() -> None:
    async def test(bench: Bench) -> None:
        assert bench.cache.peek("X") is None
        book, _ = await bench.cache.get_orderbook("X", 10)
        assert bench.cache.peek("X", 10) == book
        assert bench.cache.peek("X", 11) is None
        await bench.sleep_ms(45)  # 65 ms old: stale for pricing, fresh for general reads
        assert bench.cache.peek("X", 10, "pricing") is None
        assert bench.cache.peek("X", 10) == book
        await bench.sleep_ms(40)
        assert bench.cache.peek("X", 10) is None
        assert bench.cache.get_hit_ratio("X") == 0.0

    Bench().run(test)


def test_a_delta_is_served_at_once_and_an_old_view_stays_what_it_was() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", Snapshot([("100", "1")], [("101", "1")], 10))
        before = bench.cache.peek("X", 5)
        bench.cache.on_book("X", Delta([("100", "0"), ("99", "3")], [], 11))
        after, meta = await bench.cache.get_orderbook("X", 5, use_case="guards")
        assert before is not None
        assert after is not None
        assert (before.bids, after.bids) == (((100.0, 1.0),), ((99.0, 3.0),))
        assert (meta.source, meta.update_id, meta.status) == ("stream", 11, "fresh")

    Bench(callback=False).run(test)
