"""Books that must not be served, and symbols that must not go dark: each case was met on a live feed."""

from __future__ import annotations

import asyncio
import random
import zlib
from typing import Any

import pytest

from calib.clock import VirtualClock
from calib.errors import ConfigError
from calib.market import (
    Delta,
    KrakenChecksum,
    MDCache,
    MDCacheConfig,
    MDCacheInvalidator,
    Reason,
    Snapshot,
    StreamState,
)
from calib.pipeline import StageMetrics
from calib.virtual_loop import run
from tests.market.cache.cache_venue import Bench

BOOK = Snapshot([("100", "1"), ("99", "1")], [("101", "1"), ("102", "1")], 10)


def state(cache: MDCache, symbol: str = "X") -> StreamState:
    stream = cache.stream(symbol)
    assert stream is not None
    return stream.state_at(cache.now_ns())


class Following:
    """A venue whose snapshots have the newest id that the test has made."""

    def __init__(self, latency_ms: float = 20, **settings: Any) -> None:
        self.clock = VirtualClock()
        self.latency_ms = latency_ms
        self.ids: dict[str, int] = {}
        self.calls = 0
        defaults: dict[str, Any] = {"enabled": True, "sequence_rule": "range"}
        config = MDCacheConfig(**(defaults | settings))
        self.metrics = StageMetrics()
        self.cache = MDCache(config, self.fetch, clock=self.clock, rng=random.Random(1), metrics=self.metrics)

    async def fetch(self, symbol: str, depth: int) -> Any:
        self.calls += 1
        await asyncio.sleep(self.latency_ms / 1000)
        return {"symbol": symbol, "bids": [("99", "1")], "asks": [("101", "1")], "update_id": self.ids.get(symbol, 1)}

    def step(self, symbol: str = "X", step: int = 1, connection: str = "c") -> None:
        update_id = self.ids[symbol] = self.ids.get(symbol, 10) + step
        delta = Delta([("99", str(update_id))], [], update_id, first_id=update_id)
        self.cache.on_book(symbol, delta, connection=connection)

    def run(self, body: Any) -> Any:
        async def main() -> Any:
            try:
                return await body(self)
            finally:
                await self.cache.close()

        return run(main(), clock=self.clock)


# --- a wrong book


@pytest.mark.parametrize("delta_first", [True, False])
def test_a_reader_whose_stream_is_lost_before_it_wakes_gets_no_book(delta_first: bool) -> None:
    """Neither an emptied one nor that of before the gap."""

    async def test(bench: Bench) -> None:
        cache = bench.cache
        cache.on_book("X", BOOK)

        def frames() -> None:
            if delta_first:
                cache.on_book("X", Delta([("99", "1")], [], 11))
            cache.on_book("X", Delta([("98", "1")], [], 13))

        async def fetch(symbol: str, depth: int) -> Any:
            await asyncio.sleep(0.01)
            asyncio.get_running_loop().call_soon(frames)
            return {"bids": [("100", "1")], "asks": [("101", "1")], "update_id": 10}

        bench.venue.fetch = fetch  # type: ignore[method-assign]
        await bench.sleep_ms(70)
        book, meta = await cache.get_orderbook("X", 5, use_case="guards")
        assert (book, meta.status) == (None, "unavailable")
        await cache.close()

    bench = Bench()
    bench.cache = MDCache(bench.config, lambda *args: bench.venue.fetch(*args), clock=bench.clock, rng=random.Random(1))
    bench.run(test)


def test_levels_beyond_a_subscriptions_depth_are_dropped() -> None:
    """Kraken: 103 falls out of a depth of 3 and is cancelled there unseen; then 101.5 goes and 104 comes in."""

    async def test(bench: Bench) -> None:
        def feed(message: Snapshot | Delta) -> None:
            bench.cache.on_book("X", message, depth=3)

        bids = [("90", "1"), ("89", "1"), ("88", "1")]
        feed(Snapshot(bids, [("101", "1"), ("102", "1"), ("103", "1")], 1))
        feed(Delta([], [("101.5", "1")], 2))
        feed(Delta([], [("101.5", "0"), ("104", "1")], 3))
        book, _ = await bench.cache.get_orderbook("X", 3, use_case="guards")
        assert book is not None
        assert book.asks == ((101.0, 1.0), (102.0, 1.0), (104.0, 1.0))

    Bench(callback=False).run(test)


def test_a_checksum_can_be_given_and_every_stream_has_its_own() -> None:
    """The text is written out by hand: three asks, then one bid, without points and leading zeros."""
    asks = [("5.005", "1"), ("5.010", "1"), ("5.015", "1")]
    right = zlib.crc32(b"50051501015015150002")
    config = MDCacheConfig(enabled=True, sequence_rule="checksum")
    cache = MDCache(config, None, clock=VirtualClock(), checksum=KrakenChecksum())
    for symbol in ("X", "Y"):
        cache.on_book(symbol, Snapshot([("5.000", "2")], asks, 0, checksum=right))
        assert state(cache, symbol) is StreamState.LIVE
    cache.on_book("X", Delta([("4.999", "1")], [], 0, checksum=right))
    assert (state(cache, "X"), state(cache, "Y")) == (StreamState.GAP, StreamState.LIVE)


def test_the_rule_checksum_without_a_checksum_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no checksum is given"):
        MDCache(MDCacheConfig(enabled=True, sequence_rule="checksum"), None)


def test_a_view_deeper_than_what_the_price_left_known_is_a_depth_miss() -> None:
    """A snapshot of 3 levels; the best bid is consumed, so of the bids 2 are known: 3 are fetched for the reader."""

    async def test(bench: Bench) -> None:
        bench.venue.next_id = 10
        bench.cache.on_book("X", Delta([], [], 11, first_id=10))
        await bench.sleep_ms(300)
        assert state(bench.cache) is StreamState.LIVE
        bench.cache.on_book("X", Delta([(100.0, 0.0)], [], 12, first_id=12))
        bench.venue.next_id = 9
        entry = bench.cache.entry("X")
        assert entry is not None
        assert entry.known_depth() == 2
        assert (await bench.cache.get_orderbook("X", 2, use_case="guards"))[1].status == "fresh"
        book, meta = await bench.cache.get_orderbook("X", 3)
        assert book is not None
        assert (meta.depth_miss, meta.cached_depth, meta.source, len(book.bids)) == (True, 2, "rest", 3)

    Bench(sequence_rule="range", max_depth=3, source=None).run(test)


def test_a_side_whose_known_levels_are_all_gone_is_not_served() -> None:
    async def test(bench: Bench) -> None:
        bench.venue.next_id = 10
        bench.cache.on_book("X", Delta([], [], 11, first_id=10))
        await bench.sleep_ms(300)
        gone = [(100.0 - level / 2, 0.0) for level in range(3)]
        bench.cache.on_book("X", Delta([*gone, (90.0, 1.0)], [], 12, first_id=12))
        assert bench.cache.peek("X", 1, "guards") is None
        assert bench.cache.metrics_summary()["invalidations"] == {"depth": 1}
        await bench.cache.close()

    Bench(sequence_rule="range", max_depth=3).run(test)


@pytest.mark.parametrize("use_case", ["guards", "pricing"])
def test_a_book_with_an_empty_side_is_for_general_reads_alone(use_case: str) -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", Snapshot([("100", "1")], [], 10))
        assert (await bench.cache.get_orderbook("X"))[1].status == "fresh"
        book, meta = await bench.cache.get_orderbook("X", use_case=use_case)
        assert (book, meta.status) == (None, "unavailable")
        assert bench.cache.peek("X", 50, use_case) is None
        bench.cache.on_book("X", Delta([], [("101", "1")], 11))
        assert (await bench.cache.get_orderbook("X", use_case=use_case))[1].status == "fresh"

    Bench(callback=False, guard_on_timeout="stale_last_resort").run(test)


@pytest.mark.parametrize("use_case", ["general", "guards"])
def test_a_body_without_any_level_is_a_failed_refresh(use_case: str) -> None:
    async def test(bench: Bench) -> None:
        bench.venue.levels = 0
        book, meta = await bench.cache.get_orderbook("X", use_case=use_case)
        assert (book, meta.status) == (None, "unavailable")
        assert bench.cache.entry("X") is None
        assert bench.cache.metrics_summary()["refresh_failures"] == 1

    Bench().run(test)


def test_a_suspect_book_stays_refused_to_guards_after_a_confirming_body() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        bench.venue.next_id = 10
        await bench.sleep_ms(400)
        book, meta = await bench.cache.get_orderbook("X", use_case="guards")
        assert (book, meta.status) == (None, "unavailable")
        bench.venue.next_id = 10
        book, meta = await bench.cache.get_orderbook("X", max_age_ms=0)
        assert book is not None
        assert (meta.source, meta.age_ms) == ("stream", 20.0)  # confirmed for general reads
        assert bench.cache.peek("X", 5, "guards") is None
        bench.cache.on_book("X", Delta([], [], 11))
        assert bench.cache.peek("X", 5, "guards") is not None

    Bench(source=None).run(test)


@pytest.mark.parametrize(
    ("use_case", "latency_ms", "stale"),
    [("pricing", 60, False), ("pricing", 61, True), ("general", 100, False), ("general", 101, True)],
)
def test_a_body_that_arrives_past_its_use_cases_bound_is_used_stale(
    use_case: str, latency_ms: float, stale: bool
) -> None:
    async def test(bench: Bench) -> None:
        _, meta = await bench.cache.get_orderbook("X", use_case=use_case)
        assert (meta.status, meta.age_ms, meta.used_stale) == ("miss", latency_ms, stale)

    Bench(latency_ms=latency_ms).run(test)


def test_a_body_that_arrives_late_is_withheld_from_pricing_that_skips_stale_books() -> None:
    async def test(bench: Bench) -> None:
        book, meta = await bench.cache.get_orderbook("X", use_case="pricing")
        assert (book, meta.status, meta.source, meta.update_id) == (None, "withheld", None, None)

    Bench(latency_ms=61, skip_pricing_on_stale=True).run(test)


# --- a symbol that goes dark


@pytest.mark.parametrize("watch_first", [True, False])
def test_the_watch_burns_no_attempt_of_a_stream_that_is_getting_in_sync(watch_first: bool) -> None:
    """A quiet, healthy pair: a delta every 2 s, looked at each 100 ms, in either order of the two calls."""

    async def test(venue: Following) -> None:
        watch = MDCacheInvalidator(venue.cache)
        for n in range(400):
            if n % 20 == 0:
                if watch_first:
                    watch.on_message("X", 99.0, 101.0, connection="c")
                venue.step()
                if not watch_first:
                    watch.on_message("X", 99.0, 101.0, connection="c")
            await asyncio.sleep(0.1)
            watch.check()
        assert state(venue.cache) in (StreamState.LIVE, StreamState.SUSPECT)
        assert venue.calls <= 3

    Following().run(test)


def test_price_jumps_do_not_keep_a_lively_market_from_getting_in_sync() -> None:
    async def test(venue: Following) -> int:
        watch = MDCacheInvalidator(venue.cache)
        live, mid, rng = 0, 60_000.0, random.Random(7)
        for n in range(11, 311):
            mid += rng.gauss(0, 1.0)
            venue.ids["X"] = n
            venue.cache.on_book("X", Delta([(99.0, n)], [], n, first_id=n), connection="c")
            watch.on_message("X", mid - 0.5, mid + 0.5, connection="c")
            stream = venue.cache.stream("X")
            live += stream is not None and stream.live
            await asyncio.sleep(0.1)
        return live

    # The book never shows the watch's prices: one is dropped per second, and the book is back half a second later.
    assert Following(latency_ms=300, tick_sizes={"X": 0.01}).run(test) > 100


def test_a_reader_that_lags_is_served_and_counted() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        for use_case in ("pricing", "guards", "general"):
            _, meta = await bench.cache.get_orderbook("X", 2, expected_update_id=8, use_case=use_case)
            assert (meta.status, meta.update_id, meta.sequence_gap) == ("fresh", 10, False)
        summary = bench.cache.metrics_summary()
        assert (summary["lagging_reads"], summary["invalidations"], bench.venue.calls) == (3, {}, 0)

    Bench().run(test)


def test_a_reader_ahead_by_a_gap_asks_for_one_resync_and_the_book_stays() -> None:
    async def test(bench: Bench) -> None:
        bench.cache.on_book("X", BOOK)
        bench.venue.next_id = 15
        readers = [bench.cache.get_orderbook("X", 5, expected_update_id=15, use_case="pricing") for _ in range(5)]
        answers = await asyncio.gather(*readers)
        assert {(meta.update_id, meta.source) for _, meta in answers} == {(15, "rest")}
        assert bench.venue.calls == 1
        view = bench.cache.peek("X", 2, "guards")
        assert view is not None
        assert (view.update_id, state(bench.cache)) == (10, StreamState.LIVE)
        for update_id in range(11, 17):
            bench.cache.on_book("X", Delta([], [], update_id))
        assert state(bench.cache) is StreamState.LIVE
        assert bench.cache.metrics_summary()["invalidations"] == {}

    Bench(source=None).run(test)


def test_a_metrics_object_that_raises_ends_no_resync() -> None:
    async def test(venue: Following) -> None:
        def broken(*_: object) -> None:
            raise RuntimeError("the metrics server is gone")

        for name in dir(venue.metrics):
            if name.startswith("record_"):
                setattr(venue.metrics, name, broken)
        for n in range(60):
            venue.step(step=6 if n == 30 else 1)
            await venue.cache.get_orderbook("X", use_case="pricing")
            await asyncio.sleep(0.1)
        assert state(venue.cache) is StreamState.LIVE
        assert venue.cache.metrics_summary()["metrics_errors"] > 0

    Following().run(test)


@pytest.mark.parametrize("how", ["raises", "hangs past its cancellation"])
def test_a_callback_that_fails_or_hangs_for_a_while_does_not_end_the_resync(how: str) -> None:
    async def test(venue: Following) -> None:
        good, until_s = venue.fetch, 20.0

        async def fetch(symbol: str, depth: int) -> Any:
            now_s = venue.clock.monotonic_ns() / 1e9
            if now_s >= until_s:
                return await good(symbol, depth)
            if how == "raises":
                raise OSError("down")
            while venue.clock.monotonic_ns() / 1e9 < until_s:
                try:
                    await asyncio.sleep(until_s - now_s)
                except asyncio.CancelledError:
                    task = asyncio.current_task()
                    assert task is not None
            return await good(symbol, depth)

        venue.cache = MDCache(venue.cache.config, fetch, clock=venue.clock, rng=random.Random(1))
        for _ in range(900):
            venue.step()
            await asyncio.sleep(0.1)
        assert state(venue.cache) is StreamState.LIVE

    Following().run(test)


def test_more_symbols_than_places_keep_the_books_of_those_that_have_one() -> None:
    """22 streams, 20 places, each a message every 100 ms for 10 s: the two that do not fit are refused, and counted."""

    async def test(venue: Following) -> None:
        names = [f"S{n}" for n in range(22)]
        for _ in range(100):
            for name in names:
                venue.step(name)
            await asyncio.sleep(0.1)
        live = sum(stream is not None and stream.live for stream in map(venue.cache.stream, names))
        summary = venue.cache.metrics_summary()
        assert live == 20
        assert venue.calls < 60
        assert summary["refused_messages"] > 100
        for _ in range(120):  # two go quiet: after ten seconds their places are given to the two that wait
            for name in names[4:]:
                venue.step(name)
            await asyncio.sleep(0.1)
        assert sum(stream is not None and stream.live for stream in map(venue.cache.stream, names[4:])) >= 17

    Following(max_symbols=20).run(test)


def test_resync_revives_one_symbol_without_touching_the_others_of_its_socket() -> None:
    cache = MDCache(MDCacheConfig(enabled=True), None, clock=VirtualClock(), rng=random.Random(1))
    for symbol in ("X", "Y"):
        cache.on_book(symbol, BOOK)
    for _ in range(12):
        cache.on_book("X", Delta([], [], 15))
        cache.on_book("X", Snapshot([("102", "1")], [("101", "1")], 10))
    assert state(cache) is StreamState.FAILED
    assert cache.resync("X") is True
    assert (state(cache), state(cache, "Y")) == (StreamState.GAP, StreamState.LIVE)
    cache.on_book("X", BOOK)
    assert state(cache) is StreamState.LIVE
    assert cache.resync("nosuch") is False
    cache.on_disconnect()
    assert cache.resync("X") is False


def test_resync_fetches_a_snapshot_at_once() -> None:
    async def test(venue: Following) -> None:
        venue.step()
        await asyncio.sleep(0.3)
        venue.step()
        assert state(venue.cache) is StreamState.LIVE
        calls = venue.calls
        assert venue.cache.resync("X") is True
        await asyncio.sleep(0.03)
        assert (venue.calls, state(venue.cache)) == (calls + 1, StreamState.LIVE)
        stream = venue.cache.stream("X")
        assert stream is not None
        assert stream.counts["confirmed"] == 1

    Following().run(test)


def test_under_the_rule_connection_a_missing_frame_loses_every_book_of_the_socket() -> None:
    cache = MDCache(
        MDCacheConfig(enabled=True, sequence_rule="connection"), None, clock=VirtualClock(), rng=random.Random(1)
    )
    cache.on_book("X", Snapshot(BOOK.bids, BOOK.asks, 0))
    cache.on_book("Y", Snapshot(BOOK.bids, BOOK.asks, 1))
    cache.on_book("X", Delta([], [("103", "1")], 2))
    cache.on_alive("main", sequence=3)
    cache.on_book("Y", Delta([], [("103", "1")], 4))
    assert (state(cache, "X"), state(cache, "Y")) == (StreamState.LIVE, StreamState.LIVE)
    cache.on_alive("main", sequence=6)
    assert (state(cache, "X"), state(cache, "Y")) == (StreamState.GAP, StreamState.GAP)
    cache.on_book("X", Snapshot(BOOK.bids, BOOK.asks, 7))
    assert state(cache, "X") is StreamState.LIVE


# --- smaller


def test_a_refresh_that_times_out_is_counted_once_whatever_the_callback_makes_of_its_cancellation() -> None:
    async def test(venue: Following) -> None:
        async def fetch(symbol: str, depth: int) -> Any:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                raise ConnectionError("server disconnected") from None

        venue.cache = MDCache(venue.cache.config, fetch, clock=venue.clock, rng=random.Random(1))
        await venue.cache.get_orderbook("X", 5)
        await asyncio.sleep(0.001)
        assert venue.cache.metrics_summary()["refresh_failures"] == 1

    Following().run(test)


def test_reads_and_refreshes_of_evicted_symbols_stay_in_the_totals() -> None:
    async def test(venue: Following) -> None:
        async def fetch(symbol: str, depth: int) -> Any:
            await asyncio.sleep(0.001 if symbol == "A" else 0.05)
            return {"bids": [("99", "1")], "asks": [("101", "1")], "update_id": 1}

        venue.cache = MDCache(MDCacheConfig(enabled=True, max_symbols=1), fetch, clock=venue.clock)
        await asyncio.gather(*(venue.cache.get_orderbook(symbol, 5) for symbol in "ABC"))
        summary = venue.cache.metrics_summary()
        assert (sum(summary["reads"].values()), summary["refreshes"]) == (3, 3)

    Following().run(test)


def test_the_meta_of_a_withheld_read_names_no_source_and_no_id() -> None:
    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X", use_case="pricing")
        await bench.sleep_ms(70)
        book, meta = await bench.cache.get_orderbook("X", use_case="pricing")
        assert (book, meta.status, meta.source, meta.update_id, meta.cached_depth) == (None, "withheld", None, None, 50)
        assert meta["status"] == meta[5] == meta.get("status") == "withheld"
        assert meta.get("nosuch") is None
        with pytest.raises(KeyError):
            meta["nosuch"]
        await bench.sleep_ms(30)

    Bench(skip_pricing_on_stale=True).run(test)


def test_an_entry_names_its_symbol_its_book_and_its_time() -> None:
    async def test(bench: Bench) -> None:
        await bench.sleep_ms(5)
        bench.cache.on_book("X", BOOK)
        entry = bench.cache.entry("X")
        assert entry is not None
        assert (entry.symbol, entry.timestamp_ms) == ("X", 5.0)
        assert entry.orderbook == bench.cache.peek("X", 50)

    Bench(callback=False).run(test)


def test_every_reason_of_a_stream_has_a_plain_name() -> None:
    assert {reason.value for reason in Reason} >= {"depth", "reader", "other_numbering"}
