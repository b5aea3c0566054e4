"""The policy's face of the cache: streams only, 5 s at most, nothing while the connection is down."""

from __future__ import annotations

from typing import Any

import pytest

from calib import virtual_loop
from calib.clock import VirtualClock
from calib.errors import BadLevel, InvalidSnapshot
from calib.market import Delta, MDCache, MDCacheConfig, OrderBook, OrderbookManager, Snapshot
from calib.policy import CacheComplianceMonitor, ConnectionState

BOOK = {"bids": [[99.0, 1.0], [98.0, 2.0]], "asks": [[101.0, 1.0]], "update_id": 7}


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def books(clock: VirtualClock) -> OrderbookManager:
    return OrderbookManager(clock=clock)


def test_a_book_is_served_up_to_five_seconds(books: OrderbookManager, clock: VirtualClock) -> None:
    books.update_orderbook("X", BOOK)
    clock.advance_ms(5000)
    found = books.get_orderbook("X")
    assert found is not None
    assert found.bids == ((99.0, 1.0), (98.0, 2.0))
    clock.advance_ns(1)
    assert books.get_orderbook("X") is None


def test_a_quiet_book_on_a_live_connection_is_served(books: OrderbookManager, clock: VirtualClock) -> None:
    books.update_orderbook("X", BOOK)
    for _ in range(100):
        clock.advance_ms(200)
        books.cache.on_alive("main")
    assert books.get_orderbook("X") is not None


def test_nothing_is_served_while_the_connection_is_down(books: OrderbookManager) -> None:
    books.update_orderbook("X", BOOK)
    books.cache.on_disconnect("main")
    assert books.get_orderbook("X") is None
    books.cache.on_alive("main")
    assert books.get_orderbook("X") is None
    books.cache.on_connect("main")
    assert books.get_orderbook("X") is None  # what was before the connection is void
    books.update_orderbook("X", BOOK)
    assert books.get_orderbook("X") is not None


def test_a_gap_takes_the_book_away(books: OrderbookManager) -> None:
    books.update_orderbook("X", Snapshot([(99.0, 1.0)], [(101.0, 1.0)], 7))
    books.update_orderbook("X", Delta([(99.5, 1.0)], [], 8))
    found = books.get_orderbook("X")
    assert found is not None
    assert found.best_bid == (99.5, 1.0)
    books.update_orderbook("X", Delta([(99.6, 1.0)], [], 10))
    assert books.get_orderbook("X") is None
    health = books.connection()
    assert health is not None
    assert health.gaps == 1


def test_a_callbacks_body_is_not_a_streams_book(clock: VirtualClock) -> None:
    async def fetch(symbol: str, depth: int) -> dict[str, Any]:
        return {"symbol": symbol, "bids": [(99.0, 1.0)], "asks": [(101.0, 1.0)], "update_id": 7, "source": "stream"}

    async def main() -> None:
        cache = MDCache(MDCacheConfig(enabled=True), fetch, clock=clock)
        assert (await cache.get_orderbook("X", 1))[0] is not None
        assert OrderbookManager(cache).get_orderbook("X", 1) is None

    virtual_loop.run(main(), clock=clock)


def test_a_book_that_was_asked_for_is_refused(books: OrderbookManager) -> None:
    with pytest.raises(InvalidSnapshot, match="rest"):
        books.update_orderbook("X", BOOK | {"source": "rest"})
    assert books.get_orderbook("X") is None


def test_books_without_ids_replace_each_other(books: OrderbookManager) -> None:
    for price in (99.0, 99.5, 98.0):
        books.update_orderbook("X", {"bids": [[price, 1.0]], "asks": [[101.0, 1.0]]})
    found = books.get_orderbook("X")
    assert found is not None
    assert found.bids == ((98.0, 1.0),)


def test_the_bots_own_book_is_frozen(books: OrderbookManager) -> None:
    book = OrderBook("X")
    book.snapshot([(99.0, 1.0)], [(101.0, 1.0)], 3)
    books.update_orderbook("X", book)
    book.snapshot([(50.0, 1.0)], [(51.0, 1.0)], 4)
    found = books.get_orderbook("X", 1)
    assert found is not None
    assert found.best_bid == (99.0, 1.0)


def test_a_deeper_view_than_the_stream_has_is_none(books: OrderbookManager) -> None:
    books.update_orderbook("X", BOOK, depth=2)  # a subscription of two levels
    assert books.get_orderbook("X", 2) is not None
    assert books.get_orderbook("X", 3) is None


@pytest.mark.parametrize("book", [{"bids": []}, {"bids": 5, "asks": []}, 7, {"bids": [[99, 1]], "asks": [[98, 1]]}])
def test_what_is_not_a_book_is_refused(books: OrderbookManager, book: Any) -> None:
    with pytest.raises((InvalidSnapshot, BadLevel)):
        books.update_orderbook("X", book)


def test_the_cache_the_manager_and_the_stream_share_one_health_object(
    books: OrderbookManager, clock: VirtualClock
) -> None:
    assert books.connection("main") is None
    books.update_orderbook("X", BOOK)
    health = books.connection("main")
    stream = books.cache.stream("X")
    assert health is not None
    assert stream is not None
    assert health is books.cache.connection("main") is stream.connection
    clock.advance_ms(301)
    assert health.state(clock.monotonic_ns()) is ConnectionState.SILENT
    books.cache.on_disconnect("main")
    books.cache.on_connect("main")
    assert (health.reconnects, health.state(clock.monotonic_ns())) == (1, ConnectionState.UP)


def test_a_disabled_cache_serves_nothing(books: OrderbookManager) -> None:
    books.update_orderbook("X", BOOK)
    books.cache.disable_cache("test")
    assert books.get_orderbook("X") is None


def test_the_manager_adds_no_second_store() -> None:
    cache = MDCache(MDCacheConfig(enabled=True), None, policy=CacheComplianceMonitor())
    assert OrderbookManager.__slots__ == ("_limit", "cache")
    assert OrderbookManager(cache).cache is cache
