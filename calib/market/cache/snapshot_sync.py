"""How snapshots get into the cache: asked for when a stream needs one, accepted, and reconciled with its book."""

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

_LABELS: Final = {
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
"""The reasons of streams in the few words of the metrics; every other means that messages were lost: ``ws_gap``."""


class SnapshotSync:
    """The host of all refreshes, and the only writer of what a symbol's streams wait for.

    One way: a stream's effect (`carry_out`) times a request (`schedule`), which starts the symbol's refresh (`_fetch`);
    what that brings comes back once (`accept`), goes to the streams (`_reconcile`), and what they make of it is carried
    out here again.

    Parameters
    ----------
    store
        Where the books stand.
    now_ns
        Monotonic time.
    default_source
        Of bodies that do not say where they are from.
    can_fetch
        Whether snapshots can be had from a callback, and their ids compared with the stream's.
    """

    __slots__ = ("_default_source", "_now_ns", "_store", "can_fetch")

    def __init__(
        self, store: EntryTable, now_ns: Callable[[], int], default_source: Source, *, can_fetch: bool
    ) -> None:
        self._store = store
        self._now_ns = now_ns
        self._default_source = default_source
        self.can_fetch = can_fetch

    # --- what a stream asks for

    def carry_out(self, state: SymbolState, slot: StreamSlot, effects: tuple[Effect, ...], now_ns: int) -> None:
        """Do what a stream's outcome asks of its owner."""
        for effect in effects:
            match effect:
                case Invalidated(reason):
                    self._lost(state, slot, reason, now_ns)
                case Resync(epoch, delay_ns):
                    slot.pending_snapshot = None
                    slot.deferred = (epoch, now_ns + delay_ns)
                    if delay_ns or not self.can_fetch or _running_loop() is None:
                        self.keep_time(state, slot)
                    else:
                        self._fetch(state, slot, epoch)
                case Failed():
                    if slot is state.active:
                        self._store.drop(state, "ws_gap")

    def serve(self, state: SymbolState, slot: StreamSlot, now_ns: int) -> None:
        """A stream's book has changed and is verified: if it is the active one's, readers get it from now on."""
        entry, stream, store = slot.entry, slot.stream, self._store
        if entry is None:
            pulse: LastSeen = stream.connection  # type: ignore[assignment]  # a connection that has spoken is a LastSeen
            entry = slot.entry = MDCacheEntry(
                stream.book, slot.depth, TrustLevel.LIVE, pulse, store.live_bounds, now_ns, state.ledger.reads, stream
            )
        else:
            entry.changed(now_ns)
            entry.pulse = stream.connection  # type: ignore[assignment]  # likewise
            if entry.standing is not TrustLevel.LIVE:
                entry.stand(TrustLevel.LIVE, store.live_bounds)
        if slot is state.active:
            store.put(state, entry)
        if stream.is_thin and self.can_fetch:
            self.carry_out(state, slot, stream.ask(Reason.DEPTH, now_ns).effects, now_ns)

    def take_over(self, state: SymbolState, now_ns: int) -> bool:
        """Let the standby's book be served where the active one's cannot be trusted and that can; whether it is."""
        standby, active = state.standby, state.active
        if standby is None or active is None or standby.entry is None:
            return False
        if not standby.stream.live:
            return False
        if active.stream.live and (standby.stream.suspect(now_ns) or not active.stream.suspect(now_ns)):
            return False
        state.active, state.standby = standby, active
        state.refresh.invalidated()  # a reader that was given the other book has not woken yet, perhaps
        self._store.put(state, standby.entry)
        return True

    def doubt(self, state: SymbolState, reason: Reason, now_ns: int) -> None:
        """A reader's doubt about the served book: one snapshot is asked for behind it, unless one is on its way."""
        if state.active is not None and self.can_fetch:
            self.carry_out(state, state.active, state.active.stream.ask(reason, now_ns).effects, now_ns)

    # --- asking for it

    def keep_time(self, state: SymbolState, slot: StreamSlot) -> None:
        """Time the request that is deferred, on the loop that runs now; without one the next call sees to it."""
        if not self.can_fetch:
            slot.deferred = None  # the venue pushes one, or the owner brings one
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
        """Time a deferred request again whose loop is no longer the one that runs."""
        if slot.deferred is not None and (slot.timer is None or slot.timer_loop is not _running_loop()):
            self.keep_time(state, slot)

    def cancel(self, slot: StreamSlot) -> None:
        """No snapshot is wanted any more."""
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

    # --- what the refreshes report

    def now_ns(self) -> int:
        """Monotonic time."""
        return self._now_ns()

    def refresh_started(self, symbol: str) -> None:
        """A refresh runs: stale reads need not start one."""
        self._store.states[symbol].ledger.reads.refreshing = True

    def begins(self, symbol: str) -> Ticket:
        """A request is about to be made: the streams' epochs go with it."""
        return tuple((slot, slot.stream.epoch) for slot in self._store.states[symbol].slots())

    def accept(self, symbol: str, result: RefreshResult) -> MDCacheEntry | None:
        """Check and store a body; None: begin again."""
        view, source = read_body(symbol, result.body, result.depth, self._default_source)
        state = self._store.states[symbol]  # it is there: a symbol whose refresh runs is not evicted
        now_ns = self._now_ns()
        restart = any(self._is_superseded(slot, result) for slot in state.slots())
        entry = self._reconcile(state, view, result, now_ns)
        if entry is None:
            if result.superseded or restart:
                return None
            if state.failed(now_ns):
                raise InvalidSnapshot(
                    f"{symbol}: its stream is out of sync", hint="Nothing is served until it is in sync"
                )
            entry = self._entry_of(state, view, source, result, now_ns)
            if entry is None:
                return None
        state.pause.succeeded()
        self._store.ledger.refreshed(symbol, state.ledger, (now_ns - result.began_ns) / NS_PER_MS)
        return entry

    def refresh_failed(self, symbol: str, error: BaseException | str) -> None:
        """Count a failed refresh, and pause."""
        state = self._store.states[symbol]
        self._store.ledger.failed(state.ledger, error if isinstance(error, str) else repr(error))
        state.pause.failed(self._now_ns())
        self._give_up(state)

    def refresh_ended(self, symbol: str) -> None:
        """Nothing runs for that symbol any more: it may be evicted."""
        state = self._store.states[symbol]
        state.ledger.reads.refreshing = False
        self._give_up(state)
        self._store.evict()

    # --- how

    def _lost(self, state: SymbolState, slot: StreamSlot, reason: Reason, now_ns: int) -> None:
        if reason not in _LABELS:
            slot.stream.connection.lost_continuity()
        if slot is not state.active or self.take_over(state, now_ns):
            slot.entry = None
        else:
            self._store.drop(state, _LABELS.get(reason, "ws_gap"))

    def _give_up(self, state: SymbolState) -> None:
        """What was being fetched did not come: the streams that wait for it try again later."""
        for slot in state.slots():
            if slot.pending_snapshot is not None:
                now_ns, epoch = self._now_ns(), slot.pending_snapshot
                slot.pending_snapshot = None
                self.carry_out(state, slot, slot.stream.resync_failed(epoch, now_ns).effects, now_ns)

    @staticmethod
    def _is_superseded(slot: StreamSlot, result: RefreshResult) -> bool:
        """Whether a stream waits for a snapshot that this body cannot be: it was asked for in an earlier epoch."""
        return slot.pending_snapshot == slot.stream.epoch != _epoch_of(slot, result)

    def _entry_of(
        self, state: SymbolState, view: BookView, source: Source, result: RefreshResult, now_ns: int
    ) -> MDCacheEntry | None:
        """The body as an entry of its own, kept where no stream's book is; None where it lies behind the last one."""
        standing = TrustLevel.REST if source is Source.REST else TrustLevel.LIVE
        bounds, reads = self._store.bounds[standing], state.ledger.reads
        entry = MDCacheEntry(view, result.depth, standing, LastSeen(result.began_ns), bounds, now_ns, reads)
        cached = self._store.entries.get(state.symbol)
        if cached is not None and cached is not state.live and _rewinds(cached.update_id, view.update_id):
            # A lagging copy, or a venue that began its numbering again: no one can tell. Begin again from nothing.
            self._store.drop(state, "rewind")
            return None
        if state.live is None:
            self._store.put(state, entry)
        return entry

    def _reconcile(self, state: SymbolState, view: BookView, result: RefreshResult, now_ns: int) -> MDCacheEntry | None:
        """Let the streams have the body; the served book's entry where that answers the waiters better.

        Raises
        ------
        calib.errors.InvalidSnapshot
            Where it shows that it lags behind a book which itself is in doubt.
        """
        if view.update_id is None or not self.can_fetch:
            return None
        for slot in state.slots():
            self._offer(state, slot, view, view.update_id, result, now_ns)
        entry = self._store.current_entry(state, now_ns)
        if entry is None or entry is not state.live:
            return None
        return self._confirm(state, entry, view.update_id, result, now_ns)

    def _offer(
        self, state: SymbolState, slot: StreamSlot, view: BookView, update_id: int, result: RefreshResult, now_ns: int
    ) -> None:
        """A body as deep as the stream's book is its snapshot, if it was asked for in the present epoch."""
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
            self.carry_out(state, slot, stream.lags(update_id, now_ns).effects, now_ns)

    def _settle(self, state: SymbolState, slot: StreamSlot, outcome: Outcome, now_ns: int) -> None:
        if outcome.effects:
            self.carry_out(state, slot, outcome.effects, now_ns)
        if outcome.action is Action.APPLIED and slot.stream.live:
            self.serve(state, slot, now_ns)
            self.take_over(state, now_ns)

    def _confirm(
        self, state: SymbolState, entry: MDCacheEntry, update_id: int, result: RefreshResult, now_ns: int
    ) -> MDCacheEntry | None:
        """The served book after the body was shown to its stream: confirmed, if the body is not newer."""
        stream = entry.stream
        if stream is None or entry.update_id is None or update_id > entry.update_id:
            return None
        if entry.standing is TrustLevel.SUSPECT and update_id < entry.update_id:
            raise InvalidSnapshot(
                f"{state.symbol}: the body's id {update_id} lies behind the suspect book's {entry.update_id}",
                hint="A stale snapshot cannot confirm the book of a silent stream",
            )
        if result.depth > entry.known_depth():
            return None  # the body serves its waiters; the book stays
        if result.began_ns > entry.pulse.alive_ns:
            entry.pulse = LastSeen(result.began_ns)
        return entry


def _epoch_of(slot: StreamSlot, result: RefreshResult) -> int | None:
    """The epoch of that stream at the time of the request; None where it did not exist."""
    ticket: Ticket = result.ticket
    return next((epoch for known, epoch in ticket if known is slot), None)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _rewinds(cached: int | None, brought: int | None) -> bool:
    return cached is not None and brought is not None and brought < cached
