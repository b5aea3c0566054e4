"""Invalidation before a book reaches its maximum age: after silence, a price jump or a reconnect."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import NamedTuple

from calib.clock import NS_PER_MS
from calib.market.cache.freshness import TrustLevel
from calib.market.cache.md_cache import MDCache


class _LastMessage(NamedTuple):
    """The last message of a symbol."""

    connection: str
    bid: float | None
    ask: float | None


class MDCacheInvalidator:
    """Watches a bot's stream and drops cached books that may be wrong.

    For books that a callback fills. Books that the cache builds itself (`MDCache.on_book`) are checked there: silence
    only makes them SUSPECT, and a price jump that the book itself shows is no reason to drop it.

    Parameters
    ----------
    cache
        The cache; its configuration has the bounds (``invalidate_on_ws_gap_ms``, ``price_jump_ticks``,
        ``tick_sizes``, ``max_symbols``).

    Reasons counted: ``ws_gap``, ``price_jump``, ``reconnect``.
    """

    __slots__ = ("_cache", "_last_frame_ns", "_last_messages")

    def __init__(self, cache: MDCache) -> None:
        self._cache = cache
        self._last_frame_ns: OrderedDict[str, int] = OrderedDict()
        self._last_messages: OrderedDict[str, _LastMessage] = OrderedDict()

    def on_message(
        self, symbol: str, best_bid: float | None = None, best_ask: float | None = None, *, connection: str = "main"
    ) -> str | None:
        """Process a message of a symbol's stream; returns the reason if its book was dropped.

        Parameters
        ----------
        symbol
            The instrument.
        best_bid, best_ask
            The best prices in the message, if it has them; NaN and None are ignored.
        connection
            The socket.
        """
        before = self._last_messages.get(symbol)
        silent = self._record_frame(connection)
        bid, ask = _price(best_bid), _price(best_ask)
        self._remember(symbol, connection, before, bid, ask)
        if before is not None and self._jumped(symbol, before, bid, ask) and not self._book_shows(symbol, bid, ask):
            self._cache.invalidate(symbol, "price_jump")
            return "price_jump"
        return "ws_gap" if symbol in silent else None

    def on_alive(self, connection: str = "main") -> list[str]:
        """Process any other frame of a connection; returns the symbols dropped because it ended a silence."""
        return self._record_frame(connection)

    def check(self) -> list[str]:
        """Drop the books of connections that are silent now and return their symbols. Call it from a timer."""
        now_ns = self._cache.now_ns()
        dropped: list[str] = []
        for connection, last_frame_ns in self._last_frame_ns.items():
            if self._silent(last_frame_ns, now_ns):
                dropped += self._drop_silent(connection)
        return dropped

    def on_reconnect(self, connection: str = "main") -> list[str]:
        """The connection was made again: drop its books and return their symbols."""
        self._last_frame_ns[connection] = self._cache.now_ns()
        self._cache.on_connect(connection)
        symbols = [symbol for symbol, seen in self._last_messages.items() if seen.connection == connection]
        for symbol in symbols:
            self._last_messages[symbol] = _LastMessage(
                connection, None, None
            )  # a jump is not measured across a reconnect
        return [
            symbol
            for symbol in symbols
            if not self._is_stream_book(symbol) and self._cache.invalidate(symbol, "reconnect")
        ]

    def _record_frame(self, connection: str) -> list[str]:
        now_ns = self._cache.now_ns()
        last_frame_ns = self._last_frame_ns.get(connection)
        self._last_frame_ns[connection] = now_ns
        if len(self._last_frame_ns) > self._cache.config.max_symbols:
            self._last_frame_ns.popitem(last=False)
        self._cache.on_alive(connection)
        return (
            self._drop_silent(connection) if last_frame_ns is not None and self._silent(last_frame_ns, now_ns) else []
        )

    def _silent(self, last_frame_ns: int, now_ns: int) -> bool:
        return now_ns - last_frame_ns > self._cache.config.invalidate_on_ws_gap_ms * NS_PER_MS

    def _drop_silent(self, connection: str) -> list[str]:
        """Drop what came by that connection; verified books are left out, the cache makes them SUSPECT itself."""
        symbols = [symbol for symbol, seen in self._last_messages.items() if seen.connection == connection]
        return [
            symbol
            for symbol in symbols
            if not self._is_stream_book(symbol) and self._cache.invalidate(symbol, "ws_gap")
        ]

    def _is_stream_book(self, symbol: str) -> bool:
        """Whether the cached book is built by the cache from a stream, with verified ids."""
        stream = self._cache.stream(symbol)
        return stream is not None and stream.live

    def _remember(
        self, symbol: str, connection: str, before: _LastMessage | None, bid: float | None, ask: float | None
    ) -> None:
        if before is not None:
            bid, ask = before.bid if bid is None else bid, before.ask if ask is None else ask
        self._last_messages[symbol] = _LastMessage(connection, bid, ask)
        self._last_messages.move_to_end(symbol)
        if len(self._last_messages) > self._cache.config.max_symbols:
            self._last_messages.popitem(last=False)

    def _jumped(self, symbol: str, before: _LastMessage, bid: float | None, ask: float | None) -> bool:
        config = self._cache.config
        tick, limit = config.tick_sizes.get(symbol), config.price_jump_ticks
        if tick is None or limit is None:
            return False
        pairs = ((before.bid, bid), (before.ask, ask))
        return any(_ticks(old, new, tick) > limit for old, new in pairs if old is not None and new is not None)

    def _book_shows(self, symbol: str, bid: float | None, ask: float | None) -> bool:
        """Whether a verified book has the best prices of the message, so that the jump is confirmed."""
        entry = self._cache.entry(symbol)
        if entry is None or entry.trust is TrustLevel.REST or not self._is_stream_book(symbol):
            return False
        view = entry.view(1)
        if view is None:
            return False
        best_bid, best_ask = view.best_bid, view.best_ask
        bid_shown = bid is None or (best_bid is not None and best_bid[0] == bid)
        return bid_shown and (ask is None or (best_ask is not None and best_ask[0] == ask))


def _price(price: float | None) -> float | None:
    return price if price is not None and math.isfinite(price) and price > 0 else None


def _ticks(old: float, new: float, tick: float) -> int:
    """Distance of two prices in whole ticks; rounded, because 0.3 - 0.2 is not exactly 0.1.

    >>> _ticks(100.2, 100.5, 0.1)
    3
    """
    return round(abs(new - old) / tick)
