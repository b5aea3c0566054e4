"""A simulated exchange: true books, a stream of their changes, and snapshots with latency."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from calib.clock import NS_PER_S, VirtualClock
from calib.exchange_sim.faults import FaultKind, FaultScript
from calib.exchange_sim.latency import Latency
from calib.exchange_sim.snapshot_endpoint import SnapshotEndpoint
from calib.market import Delta, OrderBook


class StreamListener(Protocol):
    """The receiver of the stream: the bot's side of the connection."""

    def on_connect(self) -> None:
        """The connection was made, with all its subscriptions."""

    def on_disconnect(self) -> None:
        """The connection was lost."""

    def on_delta(self, symbol: str, delta: Delta) -> None:
        """A delta of one book arrived."""

    def on_trade(self, record: dict[str, Any]) -> None:
        """A trade of the market arrived, as a record of the trades feed without its receive time."""

    def on_ping(self) -> None:
        """A heartbeat without content arrived."""


class SimulatedExchange:
    """An exchange with one stream connection.

    `publish` changes the true book at once; its message arrives later, in order, unless a fault of the script delays it
    (silence) or loses it (gap, reconnect). A snapshot is taken from the true book half-way through its latency: the
    venue reads the book when the request has arrived, and the reply then travels back.

    Parameters
    ----------
    clock
        The virtual clock of the running loop.
    symbols
        The symbols that are traded.
    snapshot_latency, stream_latency
        Latency of a snapshot request including its reply, and of one stream message.
    faults
        The fault script, in seconds from the clock's time at construction.
    alive_ms
        Interval between pings, ms.
    """

    def __init__(
        self,
        clock: VirtualClock,
        symbols: Iterable[str],
        *,
        snapshot_latency: Latency,
        stream_latency: Latency,
        faults: FaultScript | None = None,
        alive_ms: float = 1000.0,
    ) -> None:
        self.books: dict[str, OrderBook] = {symbol: OrderBook(symbol) for symbol in symbols}
        self.lost = 0
        self._clock = clock
        self._start_ns = clock.monotonic_ns()
        self._stream_latency = stream_latency
        self._alive_s = alive_ms / 1000
        self._faults = FaultScript() if faults is None else faults
        self._endpoint = SnapshotEndpoint(
            clock, lambda symbol, depth: self.books[symbol].view(depth), latency=snapshot_latency, faults=self._faults
        )
        self._listener: StreamListener | None = None
        self._connected = False
        self._connection = 0
        self._last_delivery_ns: dict[str | None, int] = {}

    def connect(self, listener: StreamListener) -> None:
        """Start streaming to ``listener``; schedules the connection's faults and its pings."""
        self._listener = listener
        self._connected = True
        loop = asyncio.get_running_loop()
        for fault in self._faults.of(FaultKind.RECONNECT):
            loop.call_later(fault.start_s - self._elapsed_s(), self._drop)
            loop.call_later(fault.start_s + fault.span_s - self._elapsed_s(), self._restore)
        listener.on_connect()
        loop.call_later(self._alive_s, self._ping)

    def reconnect(self) -> None:
        """The bot drops the connection and makes a new one: messages in flight are lost."""
        if self._connected:
            self._drop()
            self._restore()

    def close(self) -> None:
        """Stop streaming."""
        self._listener = None

    def publish(self, symbol: str, delta: Delta) -> None:
        """Apply a delta to the book of ``symbol`` now, and send it on the stream."""
        self.books[symbol].delta(delta.bids, delta.asks, delta.last_id)
        if not self._connected or self._faults.active(FaultKind.GAP, symbol, self._elapsed_s()):
            self.lost += 1
            return
        self._deliver(symbol, lambda listener: listener.on_delta(symbol, delta))

    def trade(self, symbol: str, record: dict[str, Any]) -> None:
        """Send a trade of ``symbol`` on the stream, with the same latency, order and losses as other messages."""
        if self._connected:
            self._deliver(symbol, lambda listener: listener.on_trade(record))
        else:
            self.lost += 1

    async def snapshot(self, symbol: str, depth: int) -> Mapping[str, Any]:
        """Return the reply to a request for a book, ``depth`` levels per side.

        Raises
        ------
        ConnectionError
            If the fault script refuses the request.
        """
        return await self._endpoint.snapshot(symbol, depth)

    @property
    def requests(self) -> int:
        """Number of snapshot requests."""
        return self._endpoint.requests

    def _elapsed_s(self) -> float:
        return (self._clock.monotonic_ns() - self._start_ns) / NS_PER_S

    def _deliver(self, symbol: str | None, notify: Callable[[StreamListener], None]) -> None:
        """Schedule a message after the previous one of its symbol: a connection does not reorder messages."""
        now_ns = self._clock.monotonic_ns()
        due_ns = now_ns + self._stream_latency.next_ns(now_ns)
        due_s = (due_ns - self._start_ns) / NS_PER_S
        for fault in self._faults.of(FaultKind.SILENCE):
            # Without a symbol the whole connection is silent; with one, only its messages wait.
            if fault.symbol in (None, symbol) and fault.start_s <= due_s < fault.start_s + fault.span_s:
                due_ns = self._start_ns + round((fault.start_s + fault.span_s) * NS_PER_S)
        due_ns = self._last_delivery_ns[symbol] = max(due_ns, self._last_delivery_ns.get(symbol, 0))
        asyncio.get_running_loop().call_later((due_ns - now_ns) / NS_PER_S, self._arrive, self._connection, notify)

    def _arrive(self, connection: int, notify: Callable[[StreamListener], None]) -> None:
        if self._listener is None or connection != self._connection or not self._connected:
            self.lost += 1  # in flight when the connection was lost
            return
        notify(self._listener)

    def _ping(self) -> None:
        if self._listener is None:
            return
        if self._connected:
            self._deliver(None, lambda listener: listener.on_ping())
        asyncio.get_running_loop().call_later(self._alive_s, self._ping)

    def _drop(self) -> None:
        self._connected = False
        self._connection += 1
        self._last_delivery_ns.clear()
        if self._listener is not None:
            self._listener.on_disconnect()

    def _restore(self) -> None:
        self._connected = True
        if self._listener is not None:
            self._listener.on_connect()
