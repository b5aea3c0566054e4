"""One socket of the bot: its messages go into the cache and the recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from calib.clock import NS_PER_MS, Clock
from calib.market import Delta, MDCache
from calib.simulation.records import Record

Sink = Callable[[str, Record], None]
"""Receives the kind of a feed and a record of it."""


class Socket:
    """Receives the streams of some symbols as a bot does.

    Parameters
    ----------
    name
        The name of the connection.
    cache
        Receives the messages; None if the stream does not fill the cache.
    clock
        The clock for the timestamps of recorded messages.
    """

    __slots__ = ("_cache", "_clock", "_connected_ns", "_last_ids", "_last_message_ns", "_name", "_sinks")

    def __init__(self, name: str, cache: MDCache | None, clock: Clock) -> None:
        self._name = name
        self._cache = cache
        self._clock = clock
        self._last_message_ns: int | None = None
        self._connected_ns = 0
        self._last_ids: dict[str, int] = {}
        self._sinks: dict[str, Sink] = {}

    def last_id(self, symbol: str) -> int | None:
        """The newest update id that the stream has shown; None if the stream does not fill the cache."""
        return None if self._cache is None else self._last_ids.get(symbol)

    def gap_ms(self) -> float | None:
        """Time since the last message on the socket, ms; None before the first."""
        return (
            None if self._last_message_ns is None else (self._clock.monotonic_ns() - self._last_message_ns) / NS_PER_MS
        )

    def idle_ms(self) -> float:
        """Time since the last message or since the connection was made, ms."""
        since_ns = max(self._connected_ns, self._last_message_ns or 0)
        return (self._clock.monotonic_ns() - since_ns) / NS_PER_MS

    def record_to(self, symbol: str, sink: Sink | None) -> None:
        """Start recording the messages of a symbol; None stops it."""
        if sink is None:
            self._sinks.pop(symbol, None)
        else:
            self._sinks[symbol] = sink

    def on_connect(self) -> None:
        self._connected_ns = self._clock.monotonic_ns()
        if self._cache is not None:
            self._cache.on_connect(self._name)

    def on_disconnect(self) -> None:
        self._last_ids.clear()
        if self._cache is not None:
            self._cache.on_disconnect(self._name)

    def on_ping(self) -> None:
        self._record_message()
        if self._cache is not None:
            self._cache.on_alive(self._name)

    def on_delta(self, symbol: str, delta: Delta) -> None:
        self._record_message()
        self._last_ids[symbol] = delta.last_id
        if symbol in self._sinks:
            record = self._book_record(symbol, "delta", delta.bids, delta.asks, delta.last_id, delta.first_id)
            self._sinks[symbol]("book", record)
        if self._cache is not None:
            self._cache.on_book(symbol, delta, connection=self._name)

    def on_trade(self, record: Record) -> None:
        self._record_message()
        if record["symbol"] in self._sinks:
            self._sinks[record["symbol"]]("trades", {"ts": self._clock.time(), **record})
        if self._cache is not None:
            self._cache.on_alive(self._name)

    def on_snapshot(self, symbol: str, body: Mapping[str, Any]) -> None:
        """A requested snapshot has arrived."""
        if symbol in self._sinks:
            record = self._book_record(symbol, "snapshot", body["bids"], body["asks"], body["update_id"], None)
            self._sinks[symbol]("book", record)

    def _record_message(self) -> None:
        self._last_message_ns = self._clock.monotonic_ns()

    def _book_record(
        self, symbol: str, kind: str, bids: Any, asks: Any, update_id: int | None, first_id: int | None
    ) -> Record:
        return {
            "ts": self._clock.time(),
            "symbol": symbol,
            "type": kind,
            "first_update_id": first_id,
            "update_id": update_id,
            "bids": [list(level) for level in bids],
            "asks": [list(level) for level in asks],
        }
