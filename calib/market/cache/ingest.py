"""Ingestion of stream messages: book updates, heartbeats, connects and disconnects."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from calib.clock import NS_PER_MS
from calib.market.cache.freshness import TrustLevel
from calib.market.cache.symbol_state import StreamSlot
from calib.market.stream.book_stream import BookStream
from calib.market.stream.checksum import Checksum
from calib.market.stream.connection import Connection
from calib.market.stream.messages import Action, Delta, Reason, Snapshot
from calib.market.stream.settings import StreamSettings

if TYPE_CHECKING:
    import random

    from calib.market.cache.config import MDCacheConfig
    from calib.market.cache.entry_table import EntryTable
    from calib.market.cache.snapshot_sync import SnapshotSync
    from calib.market.cache.symbol_state import SymbolState

ChecksumSource = Checksum | Callable[[str], Checksum]
"""A venue's checksum, copied for every stream, or a function that creates one for a symbol."""

_CONNECTIONS: Final = 1024
"""Maximum number of connections remembered: a bot that names each new socket differently must not exhaust memory."""


class Ingest:
    """Passes messages to the streams, and their outcomes to `SnapshotSync`.

    Parameters
    ----------
    config
        The bounds.
    table
        The cached entries.
    sync
        Carries out the effects of the streams.
    now_ns
        Monotonic time.
    rng
        Randomness for the backoff jitter of the streams.
    checksum
        The venue's checksum, if it sends one.
    """

    __slots__ = ("_by_connection", "_checksum", "_config", "_links", "_now_ns", "_rng", "_settings", "_sync", "_table")

    def __init__(
        self,
        config: MDCacheConfig,
        table: EntryTable,
        sync: SnapshotSync,
        now_ns: Callable[[], int],
        rng: random.Random,
        checksum: ChecksumSource | None,
    ) -> None:
        self._config = config
        self._table = table
        self._sync = sync
        self._now_ns = now_ns
        self._rng = rng
        self._checksum = checksum
        self._links: dict[str, Connection] = {}
        snapshots = "rest" if sync.can_fetch else "stream"
        self._settings = StreamSettings(sequence_rule=config.sequence_rule, snapshots=snapshots)
        self._by_connection = config.sequence_rule == "connection"

    # --- incoming messages

    def on_book(self, symbol: str, message: Snapshot | Delta, *, connection: str, depth: int | None = None) -> Action:
        """Process a message of a symbol's stream."""
        now_ns = self._now_ns()
        state = self._table.stream_state(symbol)
        if state is None:
            self._table.stats.refused_messages += 1
            return Action.DROPPED
        slot = self._slot(state, connection, depth, now_ns)
        stream = slot.stream
        link = stream.connection
        silences = link.silences
        if self._by_connection:
            self._number(link, message.last_id if isinstance(message, Delta) else message.update_id, now_ns)
        if isinstance(message, Delta):
            outcome = stream.on_delta(message, now_ns)
        else:
            outcome = stream.on_snapshot(message, now_ns)
        if link.silences != silences:
            self._suspect_all(link)
        if outcome.effects:
            self._sync.carry_out(state, slot, outcome.effects, now_ns)
        if outcome.action is Action.APPLIED and stream.live:
            self._sync.serve(state, slot, now_ns)
            if slot is state.standby:
                self._sync.take_over(state, now_ns)
        return outcome.action

    def on_alive(self, connection: str, sequence: int | None = None) -> None:
        """Process any frame of a connection; ``sequence`` is its number under the rule ``connection``."""
        link, now_ns = self._link(connection), self._now_ns()
        silences = link.silences
        link.alive(now_ns)
        if sequence is not None and self._by_connection:
            self._number(link, sequence, now_ns)
        if link.silences != silences:
            self._suspect_all(link)

    def on_connect(self, connection: str) -> None:
        """A connection was made (again): the books of the connection before it are dropped."""
        link, now_ns = self._link(connection), self._now_ns()
        for state, slot in self._slots(link):
            self._sync.carry_out(state, slot, slot.stream.connect(now_ns).effects, now_ns)
        link.connected(now_ns)

    def on_disconnect(self, connection: str) -> None:
        """A connection is gone: its books are not served until `on_connect`."""
        link, now_ns = self._link(connection), self._now_ns()
        link.disconnected()
        for state, slot in self._slots(link):
            self._sync.cancel(slot)
            self._sync.carry_out(state, slot, slot.stream.disconnect(now_ns).effects, now_ns)
            if slot is state.active and state.standby is not None:
                state.active, state.standby = state.standby, slot  # even if it is out of sync: it is still connected
            if slot is state.standby:
                state.standby = None

    # --- calls of the owner

    def keeps_book(self, state: SymbolState, reason: str) -> bool:
        """Whether the served book stays despite ``reason``: a price jump dropped the stream's book a moment ago."""
        stream = state.stream
        return (
            stream is not None
            and reason == "price_jump"
            and stream.live
            and not stream.may_request_snapshot(self._now_ns())
        )

    def reset_stream(self, state: SymbolState, reason: str) -> None:
        """The cached book was dropped on request: drop the books of the streams too, and resync."""
        now_ns = self._now_ns()
        known = Reason(reason) if reason in tuple(Reason) else Reason.MANUAL
        for slot in state.slots():
            slot.entry = None
            effects = slot.stream.drop(known, now_ns).effects[1:]  # the caller has dropped and counted it already
            self._sync.carry_out(state, slot, effects, now_ns)

    def resync(self, state: SymbolState) -> bool:
        """Resync the streams of a symbol soon; False if none is connected."""
        now_ns = self._now_ns()
        outcomes = [(slot, slot.stream.resync(now_ns)) for slot in state.slots()]
        for slot, outcome in outcomes:
            self._sync.carry_out(state, slot, outcome.effects, now_ns)
        return any(slot.stream.connected for slot, _ in outcomes)

    def connection(self, name: str) -> Connection | None:
        """The connection of that name; None if no message came on it."""
        return self._links.get(name)

    # --- internals

    def _slot(self, state: SymbolState, connection: str, depth: int | None, now_ns: int) -> StreamSlot:
        """The symbol's stream on that connection, created by the first message.

        A stream on a second connection is kept up to date beside the active one (make before break): the active book is
        served until its own connection fails or is closed, and then the other book is ready.
        """
        link = self._link(connection)
        slot = state.active
        if slot is None or slot.stream.connection is not link:
            standby = state.standby
            if slot is not None and standby is not None and standby.stream.connection is link:
                slot = standby
            else:
                slot = self._connect(state, link, depth, now_ns)
        if slot.deferred is not None:
            self._sync.check_timer(state, slot)
        if depth is not None:
            slot.depth = min(depth, self._config.max_depth)
            slot.stream.book.keep_levels = depth
        return slot

    def _connect(self, state: SymbolState, link: Connection, depth: int | None, now_ns: int) -> StreamSlot:
        settings = self._settings if depth is None else replace(self._settings, keep_levels=depth)
        stream = BookStream(
            state.symbol,
            link,
            random=self._rng.random,
            settings=settings,
            checksum=self._checksum_of(state.symbol),
            after=state.stream,
        )
        slot = StreamSlot(stream, self._config.max_depth)
        if state.active is None:
            state.active = slot
        else:
            if state.standby is not None:
                self._sync.cancel(state.standby)
            state.standby = slot
        silences = link.silences
        effects = stream.connect(now_ns).effects
        if link.silences != silences:
            self._suspect_all(link)
        self._sync.carry_out(state, slot, effects, now_ns)
        return slot

    def _checksum_of(self, symbol: str) -> Checksum | None:
        checksum = self._checksum
        if isinstance(checksum, type):
            return cast("Checksum", checksum())
        if checksum is None or isinstance(checksum, Checksum):
            return copy.deepcopy(checksum)
        return checksum(symbol)

    def _number(self, link: Connection, sequence: int, now_ns: int) -> None:
        """Under the rule ``connection`` a missing frame may belong to any book: drop them all."""
        if not link.number(sequence):
            for state, slot in self._slots(link):
                self._sync.carry_out(state, slot, slot.stream.drop(Reason.WS_GAP, now_ns).effects, now_ns)

    def _suspect_all(self, link: Connection) -> None:
        """A silence ended: every book of that connection is SUSPECT until its next delta."""
        for _, slot in self._slots(link):
            if slot.entry is not None:
                slot.entry.set_trust(TrustLevel.SUSPECT, self._table.bounds[TrustLevel.SUSPECT])

    def _link(self, name: str) -> Connection:
        link = self._links.get(name)
        if link is None:
            if len(self._links) >= _CONNECTIONS:
                self._forget_links()
            silence_ns = self._config.invalidate_on_ws_gap_ms * NS_PER_MS
            link = self._links[name] = Connection(name, silence_ns=silence_ns)
        return link

    def _forget_links(self) -> None:
        used = {slot.stream.connection.name for state in self._table.states.values() for slot in state.slots()}
        for name in [name for name in self._links if name not in used]:
            del self._links[name]

    def _slots(self, link: Connection) -> list[tuple[SymbolState, StreamSlot]]:
        return [
            (state, slot)
            for state in self._table.states.values()
            for slot in state.slots()
            if slot.stream.connection is link
        ]
