"""Delivers the recorded stream to the cache, with injected faults."""

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
    """Delivers recorded messages to a cache, as the socket of its bot would.

    Parameters
    ----------
    cache
        Receives the messages.
    clock
        The virtual clock.
    faults
        silence: messages are delayed until its end. gap: they are lost. reconnect: they are lost, and the connection
        is made again. In seconds from the clock's time at construction.

    Attributes
    ----------
    lost, held_back
        Number of messages so far.
    coalesce_us
        Time after a heartbeat during which only the newest of the following ones must be delivered: it is the shortest
        silence that has an effect, so none of them ends one.
    """

    def __init__(self, cache: MDCache, clock: VirtualClock, faults: FaultScript) -> None:
        self.lost = 0
        self.held_back = 0
        self._cache = cache
        self._clock = clock
        self._faults = faults
        self._start_ns = clock.monotonic_ns()
        self._without_faults = not any(
            faults.of(kind) for kind in (FaultKind.SILENCE, FaultKind.GAP, FaultKind.RECONNECT)
        )
        self.coalesce_us = cache.config.invalidate_on_ws_gap_ms * 1000 if self._without_faults else 0
        self._held: list[Callable[[], None]] = []
        self._flush_ns = 0
        self._down = 0
        self._last_ids: dict[str, int] = {}

    def connect(self) -> None:
        """Schedule the reconnect faults; call it while the loop is running."""
        loop = asyncio.get_running_loop()
        for fault in self._faults.of(FaultKind.RECONNECT):
            loop.call_later(fault.start_s, self._drop, fault)
            loop.call_later(fault.start_s + fault.span_s, self._restore, fault)

    def last_id(self, symbol: str) -> int | None:
        """The newest id of that symbol on the bot's socket."""
        return self._last_ids.get(symbol)

    def on_book(self, symbol: str, message: Snapshot | Delta) -> None:
        """Deliver a book message. Requested snapshots are skipped: the bot makes its own requests."""
        if isinstance(message, Delta):
            last_id = message.last_id
        elif message.epoch is None:
            last_id = message.update_id
        else:
            return
        if self._without_faults:
            self._deliver(symbol, message, last_id)
        else:
            self._send(symbol, lambda: self._deliver(symbol, message, last_id))

    def on_alive(self, symbol: str) -> None:
        """Deliver a heartbeat: a trade or any other frame."""
        if self._without_faults:
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
        # Queue it behind delayed messages: a connection does not reorder.
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
            return  # a later silence has started; its own timer delivers the messages
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
