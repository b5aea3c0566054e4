"""The streams of a cache: feeds them what arrives, and carries out what they ask for."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from calib.clock import NS_PER_MS, NS_PER_S
from calib.errors import InvalidSnapshot
from calib.market.cache.entry import LastSeen, MDCacheEntry
from calib.market.cache.freshness import TrustLevel
from calib.market.stream.book_stream import BookStream, StreamSettings
from calib.market.stream.connection import Connection
from calib.market.stream.messages import Action, Delta, Effect, Failed, Invalidated, Outcome, Reason, Resync, Snapshot

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from calib.market.book.order_book import BookView
    from calib.market.cache.config import MDCacheConfig
    from calib.market.cache.entry_table import EntryTable
    from calib.market.cache.refresh import RefreshResult
    from calib.market.cache.symbol_state import SymbolState

_CONNECTIONS = 1024
"""Connections remembered; a bot that names each new socket anew must not fill the memory."""

_LABELS: Final = {
    Reason.REWIND: "rewind",
    Reason.DUPLICATE: "rewind",
    Reason.RESTART: "rewind",
    Reason.CONNECT: "reconnect",
    Reason.RECONNECT: "reconnect",
    Reason.DISCONNECT: "reconnect",
    Reason.MANUAL: "manual",
    Reason.PRICE_JUMP: "price_jump",
}
"""The reasons of streams in the few words of the metrics; every other means that messages were lost: ``ws_gap``."""


class Ingest:
    """Feeds streams and keeps their books in the store.

    Parameters
    ----------
    config
        The bounds.
    store
        Where the books stand.
    now_ns
        Monotonic time.
    rng
        For the jitter of the streams' attempts.
    can_fetch
        Whether a callback is there that snapshots can be had from.
    """

    __slots__ = ("_can_fetch", "_config", "_links", "_now_ns", "_rng", "_settings", "_store")

    def __init__(
        self,
        config: MDCacheConfig,
        store: EntryTable,
        now_ns: Callable[[], int],
        rng: random.Random,
        *,
        can_fetch: bool,
    ) -> None:
        self._config = config
        self._store = store
        self._now_ns = now_ns
        self._rng = rng
        self._can_fetch = can_fetch
        self._links: dict[str, Connection] = {}
        self._settings = StreamSettings(sequence_rule=config.sequence_rule, snapshots="rest" if can_fetch else "stream")

    # --- what arrives

    def on_book(self, symbol: str, message: Snapshot | Delta, *, connection: str, depth: int | None = None) -> Action:
        """A message of a symbol's stream."""
        now_ns = self._now_ns()
        state = self._store.state(symbol)
        stream = self._stream(state, connection, now_ns)
        if depth is not None:
            state.stream_depth = min(depth, self._config.max_depth)
        link = stream.connection
        silences = link.silences
        if isinstance(message, Delta):
            outcome = stream.on_delta(message, now_ns)
        else:
            outcome = stream.on_snapshot(message, now_ns)
        if link.silences != silences:
            self._suspect_all(link)
        self._settle(state, stream, outcome, now_ns)
        return outcome.action

    def on_alive(self, connection: str) -> None:
        """Any frame of a connection."""
        link = self._link(connection)
        silences = link.silences
        link.alive(self._now_ns())
        if link.silences != silences:
            self._suspect_all(link)

    def on_connect(self, connection: str) -> None:
        """A connection was made (again): every book of the one before is void."""
        link, now_ns = self._link(connection), self._now_ns()
        for state, stream in self._streams(link):
            self._carry_out(state, stream.connect(now_ns).effects, now_ns)
        link.connected(now_ns)

    def on_disconnect(self, connection: str) -> None:
        """A connection is gone: nothing of it is served until `on_connect`."""
        link, now_ns = self._link(connection), self._now_ns()
        link.disconnected()
        for state, stream in self._streams(link):
            state.stop_timer()
            self._carry_out(state, stream.disconnect(now_ns).effects, now_ns)

    def doubt(self, state: SymbolState, reason: str) -> None:
        """The cached book was dropped for a reason of the owner's: the stream's own book is no better."""
        if state.stream is not None:
            now_ns = self._now_ns()
            known = Reason(reason) if reason in tuple(Reason) else Reason.MANUAL
            effects = state.stream.drop(known, now_ns).effects
            self._carry_out(state, [effect for effect in effects if not isinstance(effect, Invalidated)], now_ns)

    def connection(self, name: str) -> Connection | None:
        """The connection of that name, where anything came on it."""
        return self._links.get(name)

    # --- what a reader finds

    def look(self, state: SymbolState, now_ns: int) -> MDCacheEntry | None:
        """The cached entry as it must be judged now, its connection's later signs of life and silence considered."""
        entry = self._store.entries.get(state.symbol)
        stream = state.stream
        if stream is None:
            return entry
        if state.owed is not None:
            self._time(state, *state.owed)
        if entry is None or entry is not state.live:
            return entry
        alive_ns = stream.connection.alive_ns
        if alive_ns is not None and alive_ns > entry.pulse.alive_ns:
            entry.pulse = stream.connection  # type: ignore[assignment]  # a connection that has spoken is a LastSeen
        if entry.standing is TrustLevel.LIVE and stream.suspect(now_ns):
            entry.stand(TrustLevel.SUSPECT, self._store.bounds[TrustLevel.SUSPECT])
        return entry

    # --- what a callback brought

    def epoch(self, state: SymbolState) -> int:
        """The epoch in which a request is made."""
        return 0 if state.stream is None else state.stream.epoch

    def offer(self, state: SymbolState, view: BookView, arrival: RefreshResult, now_ns: int) -> MDCacheEntry | None:
        """Let the stream have a body that a callback brought; returns its entry where it serves the waiters better.

        Raises
        ------
        calib.errors.InvalidSnapshot
            Where it shows that it lags behind a book which itself is in doubt.
        """
        stream = state.stream
        if stream is None or view.update_id is None:
            return None
        if stream.live and state.live is not None and self.look(state, now_ns) is state.live:
            return self._compare(state, stream, state.live, view, arrival, now_ns)
        if state.due is not None and state.due == arrival.epoch == stream.epoch and arrival.depth >= self._full(state):
            return self._install(state, stream, view, arrival, now_ns)
        return None

    def unmet(self, state: SymbolState, arrival: RefreshResult) -> bool:
        """Whether a snapshot is due that this body cannot be: it was asked for in an earlier epoch."""
        return state.stream is not None and state.due == state.stream.epoch != arrival.epoch

    def fetch_failed(self, state: SymbolState) -> None:
        """The refresh failed that was to bring the stream's snapshot."""
        if state.stream is not None and state.due is not None:
            now_ns, epoch = self._now_ns(), state.due
            state.due = None
            self._carry_out(state, state.stream.resync_failed(epoch, now_ns).effects, now_ns)

    # --- how

    def _stream(self, state: SymbolState, connection: str, now_ns: int) -> BookStream:
        """The symbol's stream on that connection; the first message makes one, and so does another connection's."""
        link = self._link(connection)
        stream = state.stream
        if stream is None or stream.connection is not link:
            if stream is not None:
                self._carry_out(state, stream.disconnect(now_ns).effects, now_ns)
            stream = state.stream = BookStream(state.symbol, link, random=self._rng.random, settings=self._settings)
            state.stream_depth = self._config.max_depth
            silences = link.silences
            effects = stream.connect(now_ns).effects
            if link.silences != silences:
                self._suspect_all(link)
            self._carry_out(state, effects, now_ns)
        elif state.owed is not None:
            self._time(state, *state.owed)
        return stream

    def _settle(self, state: SymbolState, stream: BookStream, outcome: Outcome, now_ns: int) -> None:
        if outcome.effects:
            self._carry_out(state, outcome.effects, now_ns)
        if outcome.action is Action.APPLIED and stream.live:
            self._serve(state, stream, now_ns)

    def _serve(self, state: SymbolState, stream: BookStream, now_ns: int) -> MDCacheEntry:
        """The stream's book has changed and is verified: from now on it is what readers get."""
        entry, store = state.live, self._store
        if entry is None:
            pulse: LastSeen = stream.connection  # type: ignore[assignment]  # a connection that has spoken is a LastSeen
            entry = state.live = MDCacheEntry(
                stream.book, state.stream_depth, TrustLevel.LIVE, pulse, store.live_bounds, now_ns, state.ledger.reads
            )
        else:
            entry.changed(now_ns)
            entry.pulse = stream.connection  # type: ignore[assignment]  # likewise
            if entry.standing is not TrustLevel.LIVE:
                entry.stand(TrustLevel.LIVE, store.live_bounds)
        store.put(state, entry)
        return entry

    def _compare(
        self,
        state: SymbolState,
        stream: BookStream,
        entry: MDCacheEntry,
        view: BookView,
        arrival: RefreshResult,
        now_ns: int,
    ) -> MDCacheEntry | None:
        """A body beside a verified book never overwrites it: not newer, it confirms it; newer, the stream lags."""
        last_id = stream.last_id
        if view.update_id is None or last_id is None:
            return None
        if view.update_id > last_id:
            if arrival.epoch == stream.epoch and arrival.depth >= self._full(state):
                return self._install(state, stream, view, arrival, now_ns)
            self._carry_out(state, stream.drop(Reason.BEHIND, now_ns).effects, now_ns)
            return None
        if entry.standing is TrustLevel.SUSPECT and view.update_id < last_id:
            raise InvalidSnapshot(
                f"{state.symbol}: the body's id {view.update_id} lies behind the suspect book's {last_id}",
                hint="A lagging copy proves nothing about a silent stream",
            )
        if arrival.depth > entry.depth:
            return None  # the body serves its waiters; the book stays
        if arrival.began_ns > entry.pulse.alive_ns:
            entry.pulse = LastSeen(arrival.began_ns)
        return entry

    def _install(
        self, state: SymbolState, stream: BookStream, view: BookView, arrival: RefreshResult, now_ns: int
    ) -> MDCacheEntry | None:
        """The body is the snapshot that the stream needs."""
        state.due = None
        if view.update_id is None:
            return None
        snapshot = Snapshot(view.bids, view.asks, view.update_id, epoch=arrival.epoch)
        outcome = stream.on_snapshot(snapshot, now_ns)
        self._settle(state, stream, outcome, now_ns)
        return state.live if state.live is not None and state.live.depth >= arrival.depth else None

    def _full(self, state: SymbolState) -> int:
        """Depth that a snapshot must have to stand for the stream's book."""
        return min(state.stream_depth, self._config.max_depth)

    def _suspect_all(self, link: Connection) -> None:
        """A silence ended: every book of that connection is suspect until its next delta."""
        for state, _ in self._streams(link):
            if state.live is not None:
                state.live.stand(TrustLevel.SUSPECT, self._store.bounds[TrustLevel.SUSPECT])

    def _carry_out(self, state: SymbolState, effects: tuple[Effect, ...] | list[Effect], now_ns: int) -> None:
        for effect in effects:
            match effect:
                case Invalidated(reason):
                    if reason not in _LABELS and state.stream is not None:
                        state.stream.connection.lost_continuity()
                    self._store.drop(state, _LABELS.get(reason, "ws_gap"))
                case Resync(epoch, delay_ns):
                    state.due = None
                    self._time(state, epoch, now_ns + delay_ns)
                case Failed():
                    state.stop_timer()
                    state.due = None
                    self._store.drop(state, "ws_gap")

    def _time(self, state: SymbolState, epoch: int, at_ns: int) -> None:
        """Ask for a snapshot at that time; without a running loop the next read or message sees to it."""
        state.stop_timer()
        if not self._can_fetch:
            return  # the venue pushes one, or the owner brings one
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            state.owed = (epoch, at_ns)
            return
        delay_s = max(0, at_ns - self._now_ns()) / NS_PER_S
        state.timer = loop.call_later(delay_s, self._fetch, state, epoch)

    def _fetch(self, state: SymbolState, epoch: int) -> None:
        state.timer = None
        if state.stream is not None and state.stream.resync_started(epoch, self._now_ns()):
            state.due = epoch
            state.refresh.start(self._full(state))

    def _link(self, name: str) -> Connection:
        link = self._links.get(name)
        if link is None:
            if len(self._links) >= _CONNECTIONS:
                self._forget_links()
            silence_ns = self._config.invalidate_on_ws_gap_ms * NS_PER_MS
            link = self._links[name] = Connection(name, silence_ns=silence_ns)
        return link

    def _forget_links(self) -> None:
        used = {state.stream.connection.name for state in self._store.states.values() if state.stream is not None}
        for name in [name for name in self._links if name not in used]:
            del self._links[name]

    def _streams(self, link: Connection) -> list[tuple[SymbolState, BookStream]]:
        return [
            (state, state.stream)
            for state in self._store.states.values()
            if state.stream is not None and state.stream.connection is link
        ]
