"""Snapshots for the cache: requested when a stream needs one, checked, and reconciled with its book."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from calib.clock import NS_PER_MS, NS_PER_S
from calib.errors import InvalidSnapshot
from calib.market.cache.entry import LastSeen, MDCacheEntry
from calib.market.cache.freshness import Source, TrustLevel
from calib.market.cache.snapshot_payload import read_body
from calib.market.stream.messages import Action, Effect, Failed, Invalidated, Outcome, Reason, Resync, Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable

    from calib.market.book.order_book import BookView
    from calib.market.cache.entry_table import EntryTable
    from calib.market.cache.refresh import RefreshResult
    from calib.market.cache.symbol_state import StreamSlot, SymbolState

Ticket = tuple[tuple["StreamSlot", int], ...]
"""The streams of a symbol and their epochs, at the time of a request."""

_METRIC_REASONS: Final = {
    Reason.REWIND: "rewind",
    Reason.DUPLICATE: "rewind",
    Reason.RESTART: "rewind",
    Reason.CONNECT: "reconnect",
    Reason.RECONNECT: "reconnect",
    Reason.DISCONNECT: "reconnect",
    Reason.MANUAL: "manual",
    Reason.PRICE_JUMP: "price_jump",
    Reason.DEPTH: "depth",
}
"""The metrics label of each reason; every reason not listed means that messages were lost: ``ws_gap``."""


class SnapshotSync:
    """The host of all refreshes; it alone writes the snapshot state of the streams.

    The flow: an effect of a stream (`carry_out`) schedules a request (`schedule`), which starts the symbol's refresh
    (`_fetch`); its result comes back once (`accept`) and goes to the streams (`_reconcile`), whose effects are carried
    out here again.

    Parameters
    ----------
    table
        The cached entries.
    now_ns
        Monotonic time.
    default_source
        Source of bodies that do not name one.
    can_fetch
        Whether a callback can fetch snapshots whose ids compare with the stream's.
    """

    __slots__ = ("_default_source", "_now_ns", "_table", "can_fetch")

    def __init__(
        self, table: EntryTable, now_ns: Callable[[], int], default_source: Source, *, can_fetch: bool
    ) -> None:
        self._table = table
        self._now_ns = now_ns
        self._default_source = default_source
        self.can_fetch = can_fetch

    # --- effects of a stream

    def carry_out(self, state: SymbolState, slot: StreamSlot, effects: tuple[Effect, ...], now_ns: int) -> None:
        """Carry out the effects of a stream's outcome."""
        for effect in effects:
            match effect:
                case Invalidated(reason):
                    self._lost(state, slot, reason, now_ns)
                case Resync(epoch, delay_ns):
                    slot.pending_snapshot = None
                    slot.deferred = (epoch, now_ns + delay_ns)
                    if delay_ns or not self.can_fetch or _running_loop() is None:
                        self.schedule(state, slot)
                    else:
                        self._fetch(state, slot, epoch)
                case Failed():
                    if slot is state.active:
                        self._table.drop(state, "ws_gap")

    def serve(self, state: SymbolState, slot: StreamSlot, now_ns: int) -> None:
        """A stream's book has changed and is verified: serve it if the stream is the active one."""
        entry, stream, table = slot.entry, slot.stream, self._table
        if entry is None:
            last_seen: LastSeen = stream.connection  # type: ignore[assignment]  # alive_ns is set, as in LastSeen
            entry = slot.entry = MDCacheEntry(
                stream.book,
                slot.depth,
                TrustLevel.LIVE,
                last_seen,
                table.live_bounds,
                now_ns,
                state.stats.reads,
                stream,
            )
        else:
            entry.changed(now_ns)
            entry.last_seen = stream.connection  # type: ignore[assignment]  # likewise
            if entry.trust is not TrustLevel.LIVE:
                entry.set_trust(TrustLevel.LIVE, table.live_bounds)
        if slot is state.active:
            table.put(state, entry)
        if stream.is_thin and self.can_fetch:
            self.carry_out(state, slot, stream.request_snapshot(Reason.DEPTH, now_ns).effects, now_ns)

    def take_over(self, state: SymbolState, now_ns: int) -> bool:
        """Serve the standby's book if it can be trusted and the active one's cannot; returns whether it is served."""
        standby, active = state.standby, state.active
        if standby is None or active is None or standby.entry is None:
            return False
        if not standby.stream.live:
            return False
        if active.stream.live and (standby.stream.suspect(now_ns) or not active.stream.suspect(now_ns)):
            return False
        state.active, state.standby = standby, active
        state.refresh.invalidated()  # a waiter may have been given the other book and not resumed yet
        self._table.put(state, standby.entry)
        return True

    def request_snapshot(self, state: SymbolState, reason: Reason, now_ns: int) -> None:
        """A read found the served book doubtful: request one snapshot, unless a request is pending."""
        if state.active is not None and self.can_fetch:
            self.carry_out(state, state.active, state.active.stream.request_snapshot(reason, now_ns).effects, now_ns)

    # --- requests

    def schedule(self, state: SymbolState, slot: StreamSlot) -> None:
        """Schedule the deferred request on the running loop; without a running loop the next call does it."""
        if not self.can_fetch:
            slot.deferred = None  # the venue or the owner provides the snapshot
        loop = _running_loop()
        if slot.deferred is None or loop is None:
            return
        epoch, at_ns = slot.deferred
        if slot.timer is not None:
            slot.timer.cancel()
        delay_s = max(0, at_ns - self._now_ns()) / NS_PER_S
        slot.timer = loop.call_later(delay_s, self._fetch, state, slot, epoch)
        slot.timer_loop = loop

    def check_timer(self, state: SymbolState, slot: StreamSlot) -> None:
        """Schedule a deferred request again if its event loop is not the running one."""
        if slot.deferred is not None and (slot.timer is None or slot.timer_loop is not _running_loop()):
            self.schedule(state, slot)

    def cancel(self, slot: StreamSlot) -> None:
        """Cancel the request for a snapshot."""
        slot.deferred = slot.pending_snapshot = None
        if slot.timer is not None:
            slot.timer.cancel()
        slot.timer = slot.timer_loop = None

    def _fetch(self, state: SymbolState, slot: StreamSlot, epoch: int) -> None:
        if slot.timer is not None:
            slot.timer.cancel()
        slot.timer = slot.timer_loop = slot.deferred = None
        if slot.stream.resync_started(epoch, self._now_ns()):
            slot.pending_snapshot = epoch
            state.refresh.start(slot.depth)

    # --- callbacks of the refreshes

    def now_ns(self) -> int:
        """Monotonic time."""
        return self._now_ns()

    def refresh_started(self, symbol: str) -> None:
        """A refresh runs: stale reads need not start another."""
        self._table.states[symbol].stats.reads.refreshing = True

    def begins(self, symbol: str) -> Ticket:
        """A request is about to be made: returns the epochs of the streams at this time."""
        return tuple((slot, slot.stream.epoch) for slot in self._table.states[symbol].slots())

    def accept(self, symbol: str, result: RefreshResult) -> MDCacheEntry | None:
        """Check and store a body; None restarts the refresh."""
        view, source = read_body(symbol, result.body, result.depth, self._default_source)
        state = self._table.states[symbol]  # present: a symbol with a running refresh is not evicted
        now_ns = self._now_ns()
        restart = any(self._is_superseded(slot, result) for slot in state.slots())
        entry = self._reconcile(state, view, result, now_ns)
        if entry is None:
            if result.superseded or restart:
                return None
            if state.failed(now_ns):
                raise InvalidSnapshot(
                    f"{symbol}: the stream is out of sync", hint="No book is served until it is in sync again"
                )
            entry = self._store_body(state, view, source, result, now_ns)
            if entry is None:
                return None
        state.backoff.succeeded()
        self._table.stats.refreshed(symbol, state.stats, (now_ns - result.began_ns) / NS_PER_MS)
        return entry

    def refresh_failed(self, symbol: str, error: BaseException | str) -> None:
        """Count a failed refresh, and start a backoff."""
        state = self._table.states[symbol]
        self._table.stats.failed(state.stats, error if isinstance(error, str) else repr(error))
        state.backoff.failed(self._now_ns())
        self._give_up(state)

    def refresh_ended(self, symbol: str) -> None:
        """The refresh of a symbol has ended: the symbol may be evicted."""
        state = self._table.states[symbol]
        state.stats.reads.refreshing = False
        self._give_up(state)
        self._table.evict()

    # --- internals

    def _lost(self, state: SymbolState, slot: StreamSlot, reason: Reason, now_ns: int) -> None:
        if reason not in _METRIC_REASONS:
            slot.stream.connection.lost_continuity()
        if slot is not state.active or self.take_over(state, now_ns):
            slot.entry = None
        else:
            self._table.drop(state, _METRIC_REASONS.get(reason, "ws_gap"))

    def _give_up(self, state: SymbolState) -> None:
        """The refresh did not succeed: streams that wait for it retry later."""
        for slot in state.slots():
            if slot.pending_snapshot is not None:
                now_ns, epoch = self._now_ns(), slot.pending_snapshot
                slot.pending_snapshot = None
                self.carry_out(state, slot, slot.stream.resync_failed(epoch, now_ns).effects, now_ns)

    @staticmethod
    def _is_superseded(slot: StreamSlot, result: RefreshResult) -> bool:
        """Whether a stream waits for a snapshot and this body was requested in an earlier epoch."""
        return slot.pending_snapshot == slot.stream.epoch != _epoch_of(slot, result)

    def _store_body(
        self, state: SymbolState, view: BookView, source: Source, result: RefreshResult, now_ns: int
    ) -> MDCacheEntry | None:
        """The body as an entry, stored unless a stream has a book; None if it is older than the cached one."""
        trust = TrustLevel.REST if source is Source.REST else TrustLevel.LIVE
        bounds, reads = self._table.bounds[trust], state.stats.reads
        entry = MDCacheEntry(view, result.depth, trust, LastSeen(result.began_ns), bounds, now_ns, reads)
        cached = self._table.entries.get(state.symbol)
        if cached is not None and cached is not state.live and _rewinds(cached.update_id, view.update_id):
            # A stale snapshot, or a venue that restarted its ids: this cannot be told apart. Start over without a book.
            self._table.drop(state, "rewind")
            return None
        if state.live is None:
            self._table.put(state, entry)
        return entry

    def _reconcile(self, state: SymbolState, view: BookView, result: RefreshResult, now_ns: int) -> MDCacheEntry | None:
        """Give the body to the streams; returns the entry of the served book if it is at least as new.

        Raises
        ------
        calib.errors.InvalidSnapshot
            If the body is older than a SUSPECT book.
        """
        if view.update_id is None or not self.can_fetch:
            return None
        for slot in state.slots():
            self._give_to_stream(state, slot, view, view.update_id, result, now_ns)
        entry = self._table.current_entry(state, now_ns)
        if entry is None or entry is not state.live:
            return None
        return self._confirm(state, entry, view.update_id, result, now_ns)

    def _give_to_stream(
        self, state: SymbolState, slot: StreamSlot, view: BookView, update_id: int, result: RefreshResult, now_ns: int
    ) -> None:
        """Use a body as the stream's snapshot if it is deep enough and was requested in the current epoch."""
        stream = slot.stream
        asked = slot.pending_snapshot == stream.epoch == _epoch_of(slot, result)
        if not asked and not stream.live:
            return
        if result.depth >= slot.depth and _epoch_of(slot, result) == stream.epoch:
            slot.pending_snapshot = None
            snapshot = Snapshot(view.bids, view.asks, update_id, epoch=stream.epoch, depth=result.depth)
            version = stream.book.version
            outcome = stream.on_snapshot(snapshot, now_ns)
            self._settle(state, slot, outcome, now_ns)
            if outcome.action is Action.CONFIRMED and stream.book.version != version and slot.entry is not None:
                slot.entry.changed(slot.entry.changed_ns)
        elif stream.live:
            self.carry_out(state, slot, stream.report_newer_id(update_id, now_ns).effects, now_ns)

    def _settle(self, state: SymbolState, slot: StreamSlot, outcome: Outcome, now_ns: int) -> None:
        if outcome.effects:
            self.carry_out(state, slot, outcome.effects, now_ns)
        if outcome.action is Action.APPLIED and slot.stream.live:
            self.serve(state, slot, now_ns)
            self.take_over(state, now_ns)

    def _confirm(
        self, state: SymbolState, entry: MDCacheEntry, update_id: int, result: RefreshResult, now_ns: int
    ) -> MDCacheEntry | None:
        """The served book's entry, confirmed as current if the body is not newer."""
        stream = entry.stream
        if stream is None or entry.update_id is None or update_id > entry.update_id:
            return None
        if entry.trust is TrustLevel.SUSPECT and update_id < entry.update_id:
            raise InvalidSnapshot(
                f"{state.symbol}: the body's id {update_id} is older than the suspect book's {entry.update_id}",
                hint="A stale snapshot cannot confirm the book of a silent stream",
            )
        if result.depth > entry.known_depth():
            return None  # the body is for its waiters only; the book stays
        if result.began_ns > entry.last_seen.alive_ns:
            entry.last_seen = LastSeen(result.began_ns)
        return entry


def _epoch_of(slot: StreamSlot, result: RefreshResult) -> int | None:
    """The epoch of that stream at the time of the request; None if it did not exist."""
    ticket: Ticket = result.ticket
    return next((epoch for known, epoch in ticket if known is slot), None)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _rewinds(cached: int | None, brought: int | None) -> bool:
    return cached is not None and brought is not None and brought < cached
