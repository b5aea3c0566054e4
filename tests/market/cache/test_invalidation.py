"""The invalidator: silence, jumps, reconnects, and what it leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from calib.market import Delta, MDCacheInvalidator, Snapshot, StreamState
from tests.market.cache.cache_venue import Bench

TICKS: dict[str, Any] = {"price_jump_ticks": 4, "tick_sizes": {"X": 0.1}}


def test_check_finds_a_silence_without_a_message() -> None:
    async def test(bench: Bench) -> None:
        watch = MDCacheInvalidator(bench.cache)
        watch.on_message("X")
        watch.on_message("Y", connection="other")
        await bench.cache.get_orderbook("X")
        await bench.cache.get_orderbook("Y")
        await bench.sleep_ms(250)
        watch.on_alive("other")  # a ping keeps Y's connection alive
        await bench.sleep_ms(50)
        assert watch.check() == ["X"]
        assert watch.check() == []  # once
        assert bench.cache.entry("Y") is not None

    Bench().run(test)


def test_a_reconnect_drops_the_books_of_that_connection_alone() -> None:
    async def test(bench: Bench) -> None:
        watch = MDCacheInvalidator(bench.cache)
        for symbol, connection in (("X", "a"), ("Y", "b")):
            watch.on_message(symbol, 1.0, 2.0, connection=connection)
            await bench.cache.get_orderbook(symbol)
        assert watch.on_reconnect("a") == ["X"]
        assert bench.cache.entry("X") is None
        assert bench.cache.entry("Y") is not None
        assert watch.on_message("X", 9.0, 9.5, connection="a") is None  # prices of before say nothing
        assert bench.cache.metrics_summary()["invalidations"] == {"reconnect": 1}

    Bench(price_jump_ticks=1, tick_sizes={"X": 0.1}).run(test)


def test_a_silence_leaves_a_verified_book_and_makes_it_suspect() -> None:
    async def test(bench: Bench) -> None:
        watch = MDCacheInvalidator(bench.cache)
        bench.cache.on_book("X", Snapshot([("100", "1")], [("101", "1")], 1))
        watch.on_message("X")
        await bench.sleep_ms(400)
        assert watch.on_message("X") is None
        stream = bench.cache.stream("X")
        assert stream is not None
        assert stream.state_at(bench.clock.monotonic_ns()) is StreamState.SUSPECT
        assert bench.cache.metrics_summary()["invalidations"] == {}

    Bench(callback=False).run(test)


@pytest.mark.parametrize(("bid", "reason"), [(100.4, None), (100.5, "price_jump"), (99.6, None), (99.5, "price_jump")])
def test_a_jump_is_counted_in_whole_ticks_either_way(bid: float, reason: str | None) -> None:
    """Tick 0.1, limit 4: 100.4 is four ticks away although 100.4 - 100.0 is 0.40000000000000568."""

    async def test(bench: Bench) -> None:
        watch = MDCacheInvalidator(bench.cache)
        await bench.cache.get_orderbook("X")
        watch.on_message("X", 100.0, 110.0)
        assert watch.on_message("X", bid, 110.0) == reason
        assert (bench.cache.entry("X") is None) == (reason is not None)

    Bench(**TICKS).run(test)


def test_a_jump_of_the_ask_alone_counts_and_no_price_is_no_jump() -> None:
    async def test(bench: Bench) -> None:
        watch = MDCacheInvalidator(bench.cache)
        watch.on_message("X", 100.0, 110.0)
        assert watch.on_message("X", None, float("nan")) is None
        assert watch.on_message("X", 0.0, -1.0) is None
        assert watch.on_message("X", 100.0, 120.0) == "price_jump"

    Bench(**TICKS).run(test)


def test_a_verified_book_that_shows_the_jump_itself_is_kept_one_that_does_not_is_dropped() -> None:
    async def test(bench: Bench) -> None:
        watch = MDCacheInvalidator(bench.cache)
        bench.cache.on_book("X", Snapshot([("100", "1")], [("110", "1")], 1))
        watch.on_message("X", 100.0, 110.0)
        bench.cache.on_book("X", Delta([("105", "1")], [], 2))
        assert watch.on_message("X", 105.0, 110.0) is None
        assert bench.cache.peek("X") is not None
        assert watch.on_message("X", 99.0, 110.0) == "price_jump"
        assert bench.cache.peek("X") is None

    Bench(callback=False, **TICKS).run(test)


def test_what_it_remembers_is_bounded() -> None:
    async def test(bench: Bench) -> None:
        watch = MDCacheInvalidator(bench.cache)
        for n in range(500):
            watch.on_message(f"S{n}", connection=f"c{n}")
        assert len(watch._last_messages) <= 5
        assert len(watch._last_frame_ns) <= 5

    Bench(max_symbols=5).run(test)
