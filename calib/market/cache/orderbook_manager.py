"""Order books of live streams only, as the caching policy requires."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from calib.clock import NS_PER_S, Clock
from calib.errors import InvalidSnapshot
from calib.market.book.order_book import BookView, OrderBook
from calib.market.cache.config import MDCacheConfig
from calib.market.cache.freshness import Source
from calib.market.cache.md_cache import MDCache
from calib.market.cache.snapshot_payload import read_body
from calib.market.stream.messages import Action, Delta, Snapshot
from calib.policy import ORDER_BOOK, ConnectionHealth, ConnectionState, lookup


class OrderbookManager:
    """Books pushed by a stream, served up to 5 s after the last frame of their connection, never while it is down.

    The books are stored in an `MDCache`, whose sequence rules decide whether a book is valid. A reader that needs a
    bound below 5 s (pricing, guards) reads that cache.

    Parameters
    ----------
    cache
        An enabled cache; None: a new one, filled only by `update_orderbook`.
    clock
        The clock of the cache that is created here.

    >>> books = OrderbookManager()
    >>> _ = books.update_orderbook("BTCUSDT", {"bids": [[99.0, 1.0]], "asks": [[101.0, 2.0]], "update_id": 7})
    >>> books.get_orderbook("BTCUSDT").mid
    100.0
    >>> books.get_orderbook("ETHUSDT") is None
    True
    """

    __slots__ = ("_limit", "cache")

    def __init__(self, cache: MDCache | None = None, *, clock: Clock | None = None) -> None:
        self.cache = MDCache(MDCacheConfig(enabled=True, max_depth=200), None, clock=clock) if cache is None else cache
        self._limit = lookup(ORDER_BOOK)

    def update_orderbook(
        self,
        symbol: str,
        book: Snapshot | Delta | OrderBook | BookView | Mapping[str, Any],
        *,
        connection: str = "main",
        depth: int | None = None,
    ) -> Action:
        """Process a message of the stream: a whole book, which replaces the one before, or a `Delta`.

        Parameters
        ----------
        symbol
            The instrument.
        book
            A `Snapshot` or `Delta`; or a whole book as a mapping ``{"bids", "asks", "update_id"?}``, an `OrderBook` or
            a `BookView`.
        connection
            The socket it came on; see `MDCache.on_alive`, `MDCache.on_connect` and `MDCache.on_disconnect`.
        depth
            Levels per side of a subscription with limited depth; None: the depth of a view, and any other book is
            complete.

        Returns
        -------
        calib.market.stream.messages.Action
            What was done with it.

        Raises
        ------
        calib.errors.InvalidSnapshot, calib.errors.BadLevel
            If it is not a book, or one that was requested (``"source": "rest"``).
        """
        if isinstance(book, Snapshot | Delta):
            return self.cache.on_book(symbol, book, connection=connection, depth=depth)
        if isinstance(book, Mapping):
            book = {"update_id": None, **book}
        if depth is None and isinstance(book, BookView):
            depth = min(book.depth, self.cache.config.max_depth)
        view, source = read_body(symbol, book, self._levels(book), Source.STREAM)
        if source is not Source.STREAM:
            raise InvalidSnapshot(
                f"{symbol}: the source of the book is {source.value}, expected stream",
                hint="Only books of a stream are accepted",
            )
        update_id = view.update_id
        if update_id is None:  # a venue without ids: number the whole books in order of arrival
            stream = self.cache.stream(symbol)
            update_id = 1 if stream is None or stream.last_id is None else stream.last_id + 1
        snapshot = Snapshot(view.bids, view.asks, update_id)
        return self.cache.on_book(symbol, snapshot, connection=connection, depth=depth)

    def get_orderbook(self, symbol: str, depth: int | None = None) -> BookView | None:
        """Return the stream's book; None if there is none, it is older than 5 s, or its connection is down.

        Parameters
        ----------
        symbol
            The instrument.
        depth
            Levels per side; None: all that the stream has, up to the cache's ``max_depth``. None is also returned for a
            depth that the stream does not have.
        """
        entry, stream = self.cache.entry(symbol), self.cache.stream(symbol)
        if entry is None or stream is None or not stream.live or entry.source != Source.STREAM:
            return None
        now_ns = self.cache.now_ns()
        if stream.connection.state(now_ns) is ConnectionState.DOWN:
            return None
        age_ns = stream.connection.age_ns(now_ns)
        if age_ns is None or not self._limit.allows_age(age_ns / NS_PER_S):
            return None
        return entry.view(entry.depth if depth is None else depth)

    def connection(self, name: str = "main") -> ConnectionHealth | None:
        """The health of a connection, as the cache's own object; None if no message came on it."""
        return self.cache.connection(name)

    def _levels(self, book: object) -> int:
        """Levels of the deeper side, at most what the cache may hold."""
        most = self.cache.config.max_depth
        if isinstance(book, OrderBook):
            return most
        if isinstance(book, BookView):
            return min(book.depth, most)
        if not isinstance(book, Mapping):
            return most  # not a book: `read_body` raises the error
        sides = [book.get(name) for name in ("bids", "asks")]
        return min(max((len(side) for side in sides if isinstance(side, list | tuple | dict)), default=1) or 1, most)
