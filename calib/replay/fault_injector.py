"""The recorded stream on its way to the cache, and the faults that strike it there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from calib.clock import NS_PER_S, VirtualClock
from calib.exchange_sim.faults import Fault, FaultKind, FaultScript
from calib.market import Delta

if TYPE_CHECKING:
    from calib.market import MDCache, Snapshot

CONNECTION: Final = "recorded"


class FaultInjector:
    """Hands what was recorded to a cache, as its bot's socket would.

    Parameters
    ----------
    cache
        Fed with the stream.
    clock
        The virtual clock.
    faults
        silence: messages wait for its end. gap: they are lost. reconnect: they are lost, and the connection is made
        again. Seconds from the clock's time at construction.

    Attributes
    ----------
    lost, held_back
        Messages, so far.
    alike_us
        How long after a heartbeat only the newest of those that follow counts: within the shortest silence none is
        the end of one.
    """

    def __init__(self, cache: MDCache, clock: VirtualClock, faults: FaultScript) -> None:
        self.lost = 0
        self.held_back = 0
        self._cache = cache
        self._clock = clock
        self._faults = faults
        self._start_ns = clock.monotonic_ns()
        self._quiet = not any(faults.of(kind) for kind in (FaultKind.SILENCE, FaultKind.GAP, FaultKind.RECONNECT))
        self.alike_us = cache.config.invalidate_on_ws_gap_ms * 1000 if self._quiet else 0
        self._held: list[Callable[[], None]] = []
        self._flush_ns = 0
        self._down = 0
        self._last_ids: dict[str, int] = {}

    def connect(self) -> None:
        """Schedule the drops of the connection; call it on the running loop."""
        loop = asyncio.get_running_loop()
        for fault in self._faults.of(FaultKind.RECONNECT):
            loop.call_later(fault.start_s, self._drop, fault)
            loop.call_later(fault.start_s + fault.span_s, self._restore, fault)

    def last_id(self, symbol: str) -> int | None:
        """The newest id that the bot's socket has shown of that symbol."""
        return self._last_ids.get(symbol)

    def on_book(self, symbol: str, message: Snapshot | Delta) -> None:
        """A message of a book. Snapshots that were asked for never were this bot's: it asks for its own."""
        if isinstance(message, Delta):
            last_id = message.last_id
        elif message.epoch is None:
            last_id = message.update_id
        else:
            return
        if self._quiet:
            self._deliver(symbol, message, last_id)
        else:
            self._send(symbol, lambda: self._deliver(symbol, message, last_id))

    def on_alive(self, symbol: str) -> None:
        """A trade, or any other frame: a heartbeat."""
        if self._quiet:
            self._cache.on_alive(CONNECTION)
        else:
            self._send(symbol, lambda: self._cache.on_alive(CONNECTION))

    def _deliver(self, symbol: str, message: Snapshot | Delta, last_id: int) -> None:
        self._last_ids[symbol] = last_id
        self._cache.on_book(symbol, message, connection=CONNECTION)

    def _send(self, symbol: str, deliver: Callable[[], None]) -> None:
        now_ns = self._clock.monotonic_ns()
        elapsed_s = (now_ns - self._start_ns) / NS_PER_S
        if self._down or self._faults.active(FaultKind.GAP, symbol, elapsed_s):
            self.lost += 1
            return
        until_ns = max((self._end_ns(fault) for fault in self._silences(symbol, elapsed_s)), default=0)
        if not self._held and until_ns <= now_ns:
            deliver()
            return
        # Behind what is held back already: a connection does not reorder.
        self.held_back += 1
        self._held.append(deliver)
        if until_ns > self._flush_ns:
            self._flush_ns = until_ns
            asyncio.get_running_loop().call_later((until_ns - now_ns) / NS_PER_S, self._flush)

    def _silences(self, symbol: str, at_s: float) -> list[Fault]:
        silences = self._faults.of(FaultKind.SILENCE)
        return [
            fault
            for fault in silences
            if fault.symbol in (None, symbol) and fault.start_s <= at_s < fault.start_s + fault.span_s
        ]

    def _end_ns(self, fault: Fault) -> int:
        return self._start_ns + round((fault.start_s + fault.span_s) * NS_PER_S)

    def _flush(self) -> None:
        if self._clock.monotonic_ns() < self._flush_ns:
            return  # a later silence has begun meanwhile, and its own timer ends it
        held, self._held = self._held, []
        for deliver in held:
            deliver()

    def _drop(self, fault: Fault) -> None:
        self._down += 1
        self.lost += len(self._held)
        self._held.clear()
        self._last_ids.clear()
        self._cache.on_disconnect(CONNECTION)

    def _restore(self, fault: Fault) -> None:
        self._down -= 1
        if not self._down:
            self._cache.on_connect(CONNECTION)
