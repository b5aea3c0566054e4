"""What makes a cached book doubtful before its age does: silence, a jump of the price, a new connection."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import NamedTuple

from calib.clock import NS_PER_MS
from calib.market.cache.freshness import TrustLevel
from calib.market.cache.md_cache import MDCache


class _Seen(NamedTuple):
    """The last message of a symbol."""

    connection: str
    bid: float | None
    ask: float | None


class MDCacheInvalidator:
    """Watches a bot's stream and drops the books of a cache that it makes doubtful.

    For caches that a callback fills. A book that the cache builds itself (`MDCache.on_book`) is watched there: its
    silences only make it suspect, and a jump that its own best prices show already is no doubt.

    Parameters
    ----------
    cache
        Whose books are dropped; its configuration has the bounds (``invalidate_on_ws_gap_ms``, ``price_jump_ticks``,
        ``tick_sizes``, ``max_symbols``).

    Reasons counted: ``ws_gap``, ``price_jump``, ``reconnect``.
    """

    __slots__ = ("_cache", "_heard_ns", "_seen")

    def __init__(self, cache: MDCache) -> None:
        self._cache = cache
        self._heard_ns: OrderedDict[str, int] = OrderedDict()
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def on_message(
        self, symbol: str, best_bid: float | None = None, best_ask: float | None = None, *, connection: str = "main"
    ) -> str | None:
        """A message of a symbol's stream arrived; the reason for which its book was dropped, if it was.

        Parameters
        ----------
        symbol
            The instrument.
        best_bid, best_ask
            The best prices that it shows, where it does; NaN and None are no prices.
        connection
            The socket.
        """
        before = self._seen.get(symbol)
        silent = self._hear(connection)
        bid, ask = _price(best_bid), _price(best_ask)
        self._remember(symbol, connection, before, bid, ask)
        if before is not None and self._jumped(symbol, before, bid, ask) and not self._shows(symbol, bid, ask):
            self._cache.invalidate(symbol, "price_jump")
            return "price_jump"
        return "ws_gap" if symbol in silent else None

    def on_alive(self, connection: str = "main") -> list[str]:
        """Any other frame of a connection; the symbols whose books were dropped because it ended a silence."""
        return self._hear(connection)

    def check(self) -> list[str]:
        """Look for connections that are silent now; the symbols whose books were dropped. Call it from a timer."""
        now_ns = self._cache.now_ns()
        dropped: list[str] = []
        for connection, heard_ns in self._heard_ns.items():
            if self._silent(heard_ns, now_ns):
                dropped += self._drop_silent(connection)
        return dropped

    def on_reconnect(self, connection: str = "main") -> list[str]:
        """The connection was made again: what it vouched for is void; the symbols whose books were dropped."""
        self._heard_ns[connection] = self._cache.now_ns()
        self._cache.on_connect(connection)
        symbols = [symbol for symbol, seen in self._seen.items() if seen.connection == connection]
        for symbol in symbols:
            self._seen[symbol] = _Seen(connection, None, None)  # prices of before say nothing of a jump now
        return [symbol for symbol in symbols if not self._built(symbol) and self._cache.invalidate(symbol, "reconnect")]

    def _hear(self, connection: str) -> list[str]:
        now_ns = self._cache.now_ns()
        heard_ns = self._heard_ns.get(connection)
        self._heard_ns[connection] = now_ns
        if len(self._heard_ns) > self._cache.config.max_symbols:
            self._heard_ns.popitem(last=False)
        self._cache.on_alive(connection)
        return self._drop_silent(connection) if heard_ns is not None and self._silent(heard_ns, now_ns) else []

    def _silent(self, heard_ns: int, now_ns: int) -> bool:
        return now_ns - heard_ns > self._cache.config.invalidate_on_ws_gap_ms * NS_PER_MS

    def _drop_silent(self, connection: str) -> list[str]:
        """The cache itself makes verified books suspect; whatever else the connection vouched for is dropped."""
        symbols = [symbol for symbol, seen in self._seen.items() if seen.connection == connection]
        return [symbol for symbol in symbols if not self._built(symbol) and self._cache.invalidate(symbol, "ws_gap")]

    def _built(self, symbol: str) -> bool:
        """Whether the cached book is one that the cache builds itself, with verified ids."""
        stream = self._cache.stream(symbol)
        return stream is not None and stream.live

    def _remember(
        self, symbol: str, connection: str, before: _Seen | None, bid: float | None, ask: float | None
    ) -> None:
        if before is not None:
            bid, ask = before.bid if bid is None else bid, before.ask if ask is None else ask
        self._seen[symbol] = _Seen(connection, bid, ask)
        self._seen.move_to_end(symbol)
        if len(self._seen) > self._cache.config.max_symbols:
            self._seen.popitem(last=False)

    def _jumped(self, symbol: str, before: _Seen, bid: float | None, ask: float | None) -> bool:
        config = self._cache.config
        tick, limit = config.tick_sizes.get(symbol), config.price_jump_ticks
        if tick is None or limit is None:
            return False
        pairs = ((before.bid, bid), (before.ask, ask))
        return any(_ticks(old, new, tick) > limit for old, new in pairs if old is not None and new is not None)

    def _shows(self, symbol: str, bid: float | None, ask: float | None) -> bool:
        """Whether a verified book has followed the jump: its own best prices are those of the message."""
        entry = self._cache.entry(symbol)
        if entry is None or entry.standing is TrustLevel.REST or not self._built(symbol):
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
    """Whole ticks between two prices; rounded, because 0.3 - 0.2 is not 0.1.

    >>> _ticks(100.2, 100.5, 0.1)
    3
    """
    return round(abs(new - old) / tick)
