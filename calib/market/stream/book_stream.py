"""The stream of one symbol: builds the book from snapshots and deltas and tracks whether it can be trusted.

A pure state machine: every call takes ``now_ns`` and returns an `Outcome` whose effects the owner carries out. It
reads no clock, starts no task and does no I/O; randomness for the jitter is passed in.

    DOWN --connect--> SYNCING --snapshot bridged--> LIVE <--silence / next delta--> SUSPECT
    LIVE --gap, rewind, crossed ...--> GAP --resync_started--> SYNCING
    LIVE --a newer snapshot--> SYNCING --a delta reaches it--> LIVE
    GAP, SYNCING --fast attempts used up--> FAILED --good snapshot--> LIVE
    any --disconnect--> DOWN
"""

from __future__ import annotations

import warnings
from collections import Counter
from typing import TYPE_CHECKING, Final

from calib.clock import NS_PER_MS
from calib.errors import BadLevel
from calib.market.book.order_book import BookView, OrderBook
from calib.market.stream.buffer import DeltaBuffer
from calib.market.stream.known_depth import KnownDepth
from calib.market.stream.messages import (
    Action,
    Delta,
    Effect,
    Failed,
    Invalidated,
    Outcome,
    Reason,
    Resync,
    Snapshot,
    StreamState,
)
from calib.market.stream.numbering import Numbering
from calib.market.stream.sequence import NO_PREVIOUS, RULES, SequenceState, SequenceVerdict
from calib.market.stream.settings import StreamSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from calib.market.stream.checksum import Checksum
    from calib.market.stream.connection import Connection

APPLIED = Outcome(Action.APPLIED)
BUFFERED = Outcome(Action.BUFFERED)
DROPPED = Outcome(Action.DROPPED)
REFUSED = Outcome(Action.REFUSED)
CONFIRMED = Outcome(Action.CONFIRMED)

# Module constants, because the attribute lookup on an enum costs as much as a dictionary read, several times per delta.
_state: Final = tuple.__new__  # creates a SequenceState at half the cost of its constructor
_LIVE = StreamState.LIVE
_ACCEPT = SequenceVerdict.ACCEPT
_OLD = SequenceVerdict.OLD

_LOSSES = {
    SequenceVerdict.GAP: Reason.WS_GAP,
    SequenceVerdict.REWIND: Reason.REWIND,
    SequenceVerdict.DUPLICATE: Reason.DUPLICATE,
    SequenceVerdict.RESTART: Reason.RESTART,
}
_RENAMED: Final = {
    "ask": "request_snapshot",
    "lags": "report_newer_id",
    "may_doubt": "may_request_snapshot",
}
_OTHER_NUMBERING: Final = 100
"""Used to detect a snapshot with unrelated ids (Bybit's REST ids are those of its deepest stream): if, at the end of
``bridge_wait_ms``, the ids still missing to a newer snapshot exceed this multiple of the ids covered since."""


class BookStream:
    """The book of one symbol on one connection.

    Parameters
    ----------
    symbol
        The market.
    connection
        The connection whose heartbeats count; shared by all streams of a socket.
    random
        Returns a number in [0, 1) for the jitter; seed it if runs must be repeatable.
    settings
        The venue's rules.
    checksum
        The venue's checksum, if it publishes one.
    book
        An empty book of that symbol to use; None: a new one that keeps ``settings.keep_levels``.
    after
        Another stream of the symbol, whose ids are taken over.

    Attributes
    ----------
    book
        The book. Read it only while `live`; `view` does.
    epoch
        Incremented with each resync: a snapshot requested in an earlier epoch is refused.
    counts
        Number of events: by `Reason`, and ``late_snapshot``, ``dropped``, ``confirmed``, ``check``, ``resync``.

    >>> from calib.market import Connection
    >>> link = Connection("spot", silence_ns=300 * NS_PER_MS)
    >>> stream = BookStream("BTCUSDT", link, random=lambda: 0.0, settings=StreamSettings(sequence_rule="range"))
    >>> stream.connect(0).effects
    (Resync(epoch=1, delay_ns=0, attempt=1, reason=<Reason.CONNECT: 'connect'>),)
    >>> stream.on_delta(Delta([("99", "2")], [], 12, first_id=9), 5).action.value
    'buffered'
    >>> stream.on_snapshot(Snapshot([("98", "1")], [("101", "1")], 10, epoch=1), 9).action.value
    'applied'
    >>> stream.state_at(9).value, stream.view(1).bids, stream.view(1).update_id
    ('live', ((99.0, 2.0),), 12)
    >>> stream.on_delta(Delta([], [("101", "0")], 15, first_id=14), 11).effects[0]
    Invalidated(reason=<Reason.WS_GAP: 'ws_gap'>)
    >>> stream.state_at(11).value, stream.view(1)
    ('gap', None)
    """

    __slots__ = (
        "_at",
        "_attempt",
        "_behind_from_id",
        "_buffer",
        "_check_pending",
        "_check_reason",
        "_checksum",
        "_failure_reported",
        "_known",
        "_lost_ns",
        "_newer_id",
        "_newer_ns",
        "_newer_snapshot",
        "_numbering",
        "_other_numbering",
        "_out_of_sync_ns",
        "_random",
        "_requested_ns",
        "_rule",
        "_snapshot_ns",
        "_state",
        "book",
        "changed_ns",
        "connection",
        "counts",
        "epoch",
        "live_since_ns",
        "settings",
        "symbol",
    )

    def __init__(
        self,
        symbol: str,
        connection: Connection,
        *,
        random: Callable[[], float],
        settings: StreamSettings | None = None,
        checksum: Checksum | None = None,
        book: OrderBook | None = None,
        after: BookStream | None = None,
    ) -> None:
        self.settings = StreamSettings() if settings is None else settings
        self.symbol = symbol
        self.connection = connection
        self.book = OrderBook(symbol, keep_levels=self.settings.keep_levels) if book is None else book
        self.epoch = 0
        self.counts: Counter[str] = Counter()
        self.changed_ns: int | None = None
        self.live_since_ns: int | None = None
        self._random = random
        self._rule = RULES[self.settings.sequence_rule]
        self._checksum = checksum
        self._buffer = DeltaBuffer(
            self._rule, max_deltas=self.settings.buffer_deltas, max_levels=self.settings.buffer_levels
        )
        lag_ns = round(self.settings.copy_lag_ms * NS_PER_MS)
        self._numbering = Numbering(lag_ns) if after is None else after.numbering
        self._known = KnownDepth()
        self._state = StreamState.DOWN
        self._at: SequenceState | None = None
        self._attempt = 0
        self._failure_reported = False
        self._snapshot_ns = 0
        self._lost_ns: int | None = None
        self._out_of_sync_ns = 0
        # Set while the book is behind a newer snapshot: that snapshot's id, and the snapshot if it is deep enough. The
        # book is still updated meanwhile.
        self._newer_id: int | None = None
        self._newer_snapshot: Snapshot | None = None
        self._newer_ns = self._behind_from_id = 0
        self._other_numbering = False
        # A snapshot was requested while the book stays in use; the deltas since the request are buffered.
        self._check_pending = False
        self._check_reason = Reason.MANUAL
        self._requested_ns: int | None = None

    # -- properties ----------------------------------------------------------------------------------------------------

    @property
    def live(self) -> bool:
        """Whether the book's ids are verified: LIVE or SUSPECT."""
        return self._state is _LIVE

    @property
    def last_id(self) -> int | None:
        """The newest id in the book; None if there is no verified book."""
        return self._at.last_id if self._at is not None and self.live else None

    @property
    def buffered(self) -> int:
        """Number of buffered deltas."""
        return len(self._buffer)

    @property
    def numbering(self) -> Numbering:
        """A copy of the record of ids seen so far."""
        if self._at is not None and self._at.bridged:
            self._numbering.reach(self._at.last_id)
        return self._numbering.copy()

    @property
    def known_depth(self) -> int:
        """Known levels per side of a verified book; `ALL_LEVELS` if the whole book is known."""
        return self._known.levels(self.book)

    @property
    def is_thin(self) -> bool:
        """Whether less than half of the depth requested for the snapshot of a verified book is still known."""
        return self._known.limited and self._state is _LIVE and self._known.is_thin(self.book)

    @property
    def connected(self) -> bool:
        """Whether the stream is connected."""
        return self._state is not StreamState.DOWN

    def may_request_snapshot(self, now_ns: int) -> bool:
        """Whether the last snapshot request or doubt is at least ``doubt_pause_ms`` ago."""
        return self._may_request(self.settings.doubt_pause_ms, now_ns)

    def state_at(self, now_ns: int) -> StreamState:
        """The state at ``now_ns``: SUSPECT follows from silence, FAILED from the number of attempts."""
        state = self._state
        if state is _LIVE:
            return StreamState.SUSPECT if self.suspect(now_ns) else state
        if state is not StreamState.DOWN and self._attempt > self.settings.backoff.max_attempts:
            return StreamState.FAILED
        return state

    def suspect(self, now_ns: int) -> bool:
        """Whether the connection is silent too long, or was and no delta has continued the ids since."""
        link = self.connection
        ended = link.silence_ended_ns
        return link.silent(now_ns) or (ended is not None and self.changed_ns is not None and ended > self.changed_ns)

    def view(self, depth: int) -> BookView | None:
        """The best levels of the book; None unless it is verified and known to that depth."""
        if self._state is not _LIVE or (self._known.limited and depth > self._known.levels(self.book)):
            return None
        return self.book.view(depth)

    def book_age_ns(self, now_ns: int) -> int | None:
        """Time since a message of this symbol was last applied; None without a verified book."""
        return now_ns - self.changed_ns if self.live and self.changed_ns is not None else None

    def feed_age_ns(self, now_ns: int) -> int | None:
        """Time since the last heartbeat of the connection; None before the first."""
        return self.connection.age_ns(now_ns)

    def out_of_sync_ns(self, now_ns: int) -> int:
        """Total time without a verified book, since the first connect."""
        return self._out_of_sync_ns + (0 if self._lost_ns is None else now_ns - self._lost_ns)

    # -- inputs --------------------------------------------------------------------------------------------------------

    def connect(self, now_ns: int) -> Outcome:
        """A new connection was made: drop the book and the buffer, keep the record of ids."""
        lost = self._reset(Reason.RECONNECT, now_ns)
        self.connection.alive(now_ns)
        self._state = StreamState.SYNCING
        self._reset_attempts()
        self._other_numbering = False
        self.epoch += 1
        return Outcome(Action.APPLIED, (*lost, *self._next_attempt(Reason.CONNECT)))

    def disconnect(self, now_ns: int) -> Outcome:
        """The connection is gone; nothing is served until `connect`."""
        lost = self._reset(Reason.DISCONNECT, now_ns)
        self._state = StreamState.DOWN
        self.epoch += 1
        return Outcome(Action.LOST, lost)

    def on_delta(self, delta: Delta, now_ns: int) -> Outcome:
        """Process a delta."""
        self.connection.alive(now_ns)
        at = self._at
        if self._state is _LIVE:
            assert at is not None
            verdict = self._rule(at, delta)
            if verdict is not _ACCEPT:
                return self._bridge_newer(verdict, delta, self._record_ids(delta, now_ns), now_ns)
            if self._check_pending:
                self._buffer.push(delta)
            if self._newer_id is not None and self._has_caught_up(delta.last_id, self._newer_id, now_ns):
                self._newer_snapshot = self._newer_id = None
            return self._apply(delta, now_ns)
        if self._state is StreamState.DOWN:
            self.counts["dropped"] += 1
            return DROPPED
        ids_went_back = self._record_ids(delta, now_ns)
        if delta.prev_id == NO_PREVIOUS and self.settings.sequence_rule == "previous":
            return self._discontinuity(SequenceVerdict.RESTART, delta, now_ns)
        if at is None:
            return self._buffer_delta(delta, now_ns)
        if self._newer_id is not None:
            return self._catch_up(delta, at, self._newer_id, ids_went_back, now_ns)
        return self._bridge(delta, at, ids_went_back, now_ns)

    def on_snapshot(self, snapshot: Snapshot, now_ns: int) -> Outcome:
        """Process a snapshot: requested (with its epoch) or pushed by the venue (without)."""
        pushed = snapshot.epoch is None
        if pushed:
            self.connection.alive(now_ns)
        if self._state is StreamState.DOWN or (not pushed and snapshot.epoch != self.epoch):
            self.counts["late_snapshot"] += 1
            return REFUSED
        if pushed:
            if self._at is not None and self._at.bridged:
                self._numbering.reach(self._at.last_id)
            self._numbering.see(snapshot.update_id, snapshot.update_id, now_ns)
            return self._install(snapshot, now_ns, ())
        if self._numbering.may_be_older(snapshot.update_id, now_ns):
            return self._refuse(Reason.OTHER_NUMBERING)
        if self._at is not None:
            return self._compare(snapshot, self._at, now_ns)
        waiting = self._not_included(snapshot)
        if waiting and self._verdict_on(snapshot, waiting[0]) is not _ACCEPT:
            # The snapshot ends before the buffer begins. Keep the buffer: from a source that lags by half a minute, a
            # snapshot bridges once it is newer than our oldest delta; clearing the buffer would prevent that for ever.
            return self._refuse(Reason.STALE_SNAPSHOT)
        return self._install(snapshot, now_ns, waiting)

    def resync_started(self, epoch: int, now_ns: int) -> bool:
        """Whether the snapshot of that `Resync` is still needed; if so, record that it is being fetched."""
        if epoch != self.epoch or self._state is StreamState.DOWN:
            return False
        if self._at is None:
            self._state = StreamState.SYNCING
        elif not (self._check_pending or self._lacks_snapshot):
            return False
        self.counts["resync"] += 1
        return True

    def resync_failed(self, epoch: int, now_ns: int) -> Outcome:
        """The snapshot of that `Resync` could not be fetched in time."""
        if epoch != self.epoch or self._state is StreamState.DOWN:
            return DROPPED
        return self._refuse(Reason.NO_SNAPSHOT)

    def drop(self, reason: Reason, now_ns: int) -> Outcome:
        """Drop a verified book for a reason that no message shows, and resync as after a gap.

        Does nothing while the stream is syncing: the ids will show whether its snapshot is good, and no attempt is
        used up. A `PRICE_JUMP` is accepted at most once per ``doubt_pause_ms``.
        """
        if not self.live or (reason is Reason.PRICE_JUMP and not self.may_request_snapshot(now_ns)):
            return DROPPED
        if reason in (Reason.MANUAL, Reason.PRICE_JUMP):
            self._requested_ns = now_ns
            self._reset_attempts()  # not a failure of the stream: it must not count towards FAILED
        return self._lose(reason, now_ns)

    def request_snapshot(self, reason: Reason, now_ns: int) -> Outcome:
        """Request a snapshot while a verified book stays in use; at most once per ``doubt_pause_ms``.

        The snapshot shows whether the book is behind, and restores its full known depth. Requests to restore the depth
        (`Reason.DEPTH`) are limited to one per shortest backoff delay instead.
        """
        pause_ms = self.settings.backoff.base_ms if reason is Reason.DEPTH else self.settings.doubt_pause_ms
        if not self.live or self._check_pending or not self._may_request(pause_ms, now_ns):
            return DROPPED
        self._requested_ns = now_ns
        self._check_pending, self._check_reason = True, reason
        self._buffer.clear()
        self.counts["check"] += 1
        return Outcome(Action.APPLIED, (Resync(self.epoch, 0, 0, reason),))

    def report_newer_id(self, update_id: int, now_ns: int) -> Outcome:
        """A body too shallow to be a snapshot has a newer id: stop serving the book until deltas reach that id."""
        at = self._at
        if not self.live or at is None or update_id <= at.last_id or self._other_numbering:
            return DROPPED
        lost = self._fall_behind(update_id, None, at, now_ns)
        resync = self._next_attempt(Reason.BEHIND)
        self._state = StreamState.SYNCING
        return Outcome(Action.LOST, (*lost, *resync))

    def resync(self, now_ns: int) -> Outcome:
        """Resync soon on request of the owner; the count of attempts starts over."""
        if self._state is StreamState.DOWN:
            return DROPPED
        if self.live:
            return self.request_snapshot(Reason.MANUAL, now_ns)
        self._reset_attempts()
        if self._at is not None:
            return self._lose(Reason.MANUAL, now_ns)
        return Outcome(Action.APPLIED, self._next_attempt(Reason.MANUAL))

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> object:
            """Return a method by its name in version 0.1, with a warning; removed in 0.3."""
            if name in _RENAMED:
                warnings.warn(f"BookStream.{name} is now {_RENAMED[name]}", DeprecationWarning, stacklevel=2)
                return getattr(self, _RENAMED[name])
            raise AttributeError(f"'BookStream' object has no attribute {name!r}")

    def _may_request(self, pause_ms: float, now_ns: int) -> bool:
        return self._requested_ns is None or now_ns - self._requested_ns >= pause_ms * NS_PER_MS

    # -- deltas --------------------------------------------------------------------------------------------------------

    def _apply(self, delta: Delta, now_ns: int) -> Outcome:
        """Apply a delta that continues the book, then check the result."""
        book, at = self.book, self._at
        try:
            book.delta(delta.bids, delta.asks, delta.last_id)
        except BadLevel:
            return self._lose(Reason.BAD_LEVEL, now_ns)
        if at is not None and delta.last_id < at.last_id:  # OKX may continue from a lower id without a gap
            self._record_ids(delta, now_ns)
        self._at = _state(SequenceState, (delta.last_id, True))
        self.changed_ns = now_ns
        if book.crossed:
            return self._lose(Reason.CROSSED, now_ns, delta)
        if self._checksum is not None and not self._checksum.holds(book, delta):
            return self._lose(Reason.CHECKSUM, now_ns, delta)
        if self._known.limited and not self._known.holds(book):
            return self._depth_exhausted(delta, now_ns)
        return APPLIED

    def _depth_exhausted(self, delta: Delta, now_ns: int) -> Outcome:
        """The price moved through all known levels of a side: no message was lost, so no attempt is used up."""
        if not self._check_pending:
            self._reset_attempts()
            return self._lose(Reason.DEPTH, now_ns, delta)
        self.counts[Reason.DEPTH] += 1
        kept = tuple(self._buffer)  # needed by the snapshot that is being fetched
        lost = self._reset(Reason.DEPTH, now_ns)
        for since in kept:
            self._buffer.push(since)
        self._state = StreamState.SYNCING
        return Outcome(Action.LOST, lost)

    def _record_ids(self, delta: Delta, now_ns: int) -> bool:
        """Record the ids of a delta; returns whether they went back."""
        if self._at is not None and self._at.bridged:
            self._numbering.reach(self._at.last_id)
        return self._numbering.see(delta.last_id if delta.first_id is None else delta.first_id, delta.last_id, now_ns)

    def _discontinuity(self, verdict: SequenceVerdict, delta: Delta, now_ns: int) -> Outcome:
        """A delta does not continue the book: resync, unless it is marked as a snapshot."""
        if verdict is SequenceVerdict.RESTART and delta.prev_id == NO_PREVIOUS:
            whole = Snapshot(delta.bids, delta.asks, delta.last_id, checksum=delta.checksum)
            return self._install(whole, now_ns, ())
        return self._lose(_LOSSES[verdict], now_ns, delta)

    def _buffer_delta(self, delta: Delta, now_ns: int) -> Outcome:
        """Buffer a delta until there is a snapshot."""
        verdict = self._buffer.push(delta)
        if verdict is _ACCEPT:
            return BUFFERED
        self.counts[_LOSSES[verdict]] += 1
        if verdict in (SequenceVerdict.REWIND, SequenceVerdict.RESTART):
            # The ids went back. A snapshot requested before has ids of the old numbering: bridged with it, every later
            # delta would be dropped as old. A new epoch refuses that snapshot and requests another one.
            self.epoch += 1
            self._state = StreamState.GAP
            return Outcome(Action.BUFFERED, self._next_attempt(_LOSSES[verdict]))
        return DROPPED if verdict is SequenceVerdict.DUPLICATE else BUFFERED

    def _bridge(self, delta: Delta, at: SequenceState, ids_went_back: bool, now_ns: int) -> Outcome:
        """The snapshot is installed but not bridged: wait for a delta that covers or follows its id."""
        verdict = self._rule(at, delta)
        if verdict is _ACCEPT:
            outcome = self._apply(delta, now_ns)
            return self._enter_live(now_ns) if outcome is APPLIED else outcome
        if verdict is not _OLD:
            return self._discontinuity(verdict, delta, now_ns)
        if ids_went_back:
            # If deltas of the new numbering were dropped as old, a later one would reach the snapshot's id and bridge
            # it: the book would mix two numberings.
            return self._lose(Reason.REWIND, now_ns, delta)
        if self._waited_too_long(self._snapshot_ns, now_ns):
            return self._lose(Reason.UNBRIDGED, now_ns, delta)
        self.counts["dropped"] += 1
        return DROPPED

    def _catch_up(self, delta: Delta, at: SequenceState, newer_id: int, ids_went_back: bool, now_ns: int) -> Outcome:
        """The book is behind a snapshot: apply deltas until it has caught up, or bridge the snapshot after a gap."""
        verdict = self._rule(at, delta)
        if verdict is not _ACCEPT:
            return self._bridge_newer(verdict, delta, ids_went_back, now_ns)
        outcome = self._apply(delta, now_ns)
        if outcome is not APPLIED or not self._has_caught_up(delta.last_id, newer_id, now_ns):
            return outcome
        self._newer_snapshot = self._newer_id = None
        return self._enter_live(now_ns)

    def _has_caught_up(self, last_id: int, newer_id: int, now_ns: int) -> bool:
        """Whether the book has reached the newer snapshot's id, or that id turned out not to be comparable."""
        if last_id >= newer_id:
            return True
        covered = max(1, last_id - self._behind_from_id)
        if newer_id - last_id <= _OTHER_NUMBERING * covered or not self._waited_too_long(self._newer_ns, now_ns):
            return False
        self._other_numbering = True
        self.counts[Reason.OTHER_NUMBERING] += 1
        return True

    def _bridge_newer(self, verdict: SequenceVerdict, delta: Delta, ids_went_back: bool, now_ns: int) -> Outcome:
        """The delta does not continue the book; try to bridge the newer snapshot with it."""
        ahead = self._newer_snapshot
        if ahead is None or ids_went_back or self._verdict_on(ahead, delta) not in (_ACCEPT, _OLD):
            return self._discontinuity(verdict, delta, now_ns)
        if self.live:  # else it was counted when the book fell behind the snapshot
            self.counts[_LOSSES[verdict]] += 1
        lost = self._reset(_LOSSES[verdict], now_ns)
        self._state = StreamState.SYNCING
        self.epoch += 1
        outcome = self._install(ahead, now_ns, ())
        if outcome is APPLIED and self._at is not None:
            outcome = self._bridge(delta, self._at, False, now_ns)
        return self._with_effects(lost, outcome)

    def _waited_too_long(self, since_ns: int, now_ns: int) -> bool:
        return now_ns - since_ns > self.settings.bridge_wait_ms * NS_PER_MS

    # -- snapshots -----------------------------------------------------------------------------------------------------

    def _verdict_on(self, snapshot: Snapshot, delta: Delta) -> SequenceVerdict:
        return self._rule(SequenceState(snapshot.update_id, False), delta)

    def _not_included(self, snapshot: Snapshot) -> tuple[Delta, ...]:
        """The buffered deltas that the snapshot does not include."""
        return tuple(delta for delta in self._buffer if self._verdict_on(snapshot, delta) is not _OLD)

    def _compare(self, snapshot: Snapshot, at: SequenceState, now_ns: int) -> Outcome:
        """Compare a snapshot with the book. It never overwrites a verified book: it confirms it or shows it is behind.

        An older snapshot does not replace one that waits for its bridge either: the deltas between them are gone.
        """
        if self._newer_id is not None and not self.live:
            return self._compare_behind(snapshot, at)
        if snapshot.update_id <= at.last_id:
            self.counts["confirmed" if self.live else "late_snapshot"] += 1
            return self._extend_known_depth(snapshot, at, now_ns) if self.live else REFUSED
        if not self.live:
            self._reset(Reason.BEHIND, now_ns)
            self._state = StreamState.SYNCING
            self.epoch += 1
            return self._install(snapshot, now_ns, ())
        for_reader = self._check_pending and self._check_reason is Reason.READER
        self._end_check()
        if self._other_numbering:
            self.counts["late_snapshot"] += 1
            return REFUSED
        if for_reader:  # the reader had received more: the book will catch up, or the sequence rule will show a gap
            self._newer_id, self._newer_snapshot = snapshot.update_id, snapshot
            self._newer_ns, self._behind_from_id = now_ns, at.last_id
            return CONFIRMED
        return Outcome(Action.APPLIED, self._fall_behind(snapshot.update_id, snapshot, at, now_ns))

    def _compare_behind(self, snapshot: Snapshot, at: SequenceState) -> Outcome:
        """While the book is behind, keep the snapshot: a delta that does not continue the book may bridge it."""
        if self._newer_snapshot is None and snapshot.update_id > at.last_id:
            self._newer_snapshot = snapshot
            return APPLIED
        self.counts["late_snapshot"] += 1
        return self._refuse(Reason.STALE_SNAPSHOT) if self._lacks_snapshot else REFUSED

    @property
    def _lacks_snapshot(self) -> bool:
        """Whether the book is behind and no snapshot is available in case it cannot catch up."""
        return self._newer_id is not None and self._newer_snapshot is None and not self.live

    def _fall_behind(
        self, update_id: int, snapshot: Snapshot | None, at: SequenceState, now_ns: int
    ) -> tuple[Effect, ...]:
        """A newer id is known: stop serving the book until its deltas have reached that id."""
        self.counts[Reason.BEHIND] += 1
        self._note_stability(now_ns)
        self._end_check()
        self._newer_id, self._newer_snapshot = update_id, snapshot
        self._newer_ns, self._behind_from_id = now_ns, at.last_id
        self._numbering.reach(at.last_id)
        self._state = StreamState.SYNCING
        self._lost_ns = now_ns
        self.epoch += 1
        return (Invalidated(Reason.BEHIND),)

    def _extend_known_depth(self, snapshot: Snapshot, at: SequenceState, now_ns: int) -> Outcome:
        """Rebuild the same book from the confirming snapshot and all deltas since, which extends its known depth."""
        if not self._check_pending:
            return CONFIRMED
        waiting = self._not_included(snapshot)
        self._end_check()
        reaches = waiting[-1].last_id if waiting else snapshot.update_id
        bridged = not waiting or self._verdict_on(snapshot, waiting[0]) is _ACCEPT
        if self._checksum is not None or not bridged or reaches != at.last_id:
            return CONFIRMED
        try:
            self.book.snapshot(snapshot.bids, snapshot.asks, snapshot.update_id)
            self._known.set_from_snapshot(self.book, snapshot.depth)
            for delta in waiting:
                self.book.delta(delta.bids, delta.asks, delta.last_id)
        except BadLevel:
            return self._lose(Reason.BAD_LEVEL, now_ns)
        if self.book.crossed:
            return self._lose(Reason.CROSSED, now_ns)
        return CONFIRMED if self._known.holds(self.book) else self._lose(Reason.DEPTH, now_ns)

    def _install(self, snapshot: Snapshot, now_ns: int, waiting: tuple[Delta, ...]) -> Outcome:
        """Replace the book by the snapshot, apply the buffered deltas, and check the result."""
        lost: tuple[Effect, ...] = ()
        if snapshot.epoch is None and self.last_id is not None and snapshot.update_id < self.last_id:
            self.counts[Reason.RESTART] += 1
            lost = self._reset(Reason.RESTART, now_ns)
        try:
            self.book.snapshot(snapshot.bids, snapshot.asks, snapshot.update_id)
        except BadLevel:
            return self._with_effects(lost, self._lose(Reason.BAD_LEVEL, now_ns))
        self._known.set_from_snapshot(self.book, snapshot.depth)
        self._at = SequenceState(snapshot.update_id, snapshot.epoch is None)
        self._snapshot_ns = self.changed_ns = now_ns
        self._newer_snapshot = self._newer_id = None
        self._end_check()
        self._buffer.clear()
        if self.book.crossed:
            return self._with_effects(lost, self._lose(Reason.CROSSED, now_ns))
        if self._checksum is not None and not self._checksum.holds(self.book, snapshot):
            return self._with_effects(lost, self._lose(Reason.CHECKSUM, now_ns))
        for rank, delta in enumerate(waiting):
            outcome = self._apply(delta, now_ns)
            if outcome is not APPLIED:
                for later in waiting[rank + 1 :]:
                    self._buffer.push(later)
                return self._with_effects(lost, outcome)
        return self._with_effects(lost, self._enter_live(now_ns) if self._at.bridged else APPLIED)

    def _refuse(self, reason: Reason) -> Outcome:
        """Refuse a snapshot; if there is no book, request another snapshot."""
        if self._at is None:
            self.counts[reason] += 1
            return Outcome(Action.REFUSED, self._next_attempt(reason))
        if self._lacks_snapshot:
            self.counts[reason] += 1
            resync = self._next_attempt(reason)
            self._state = StreamState.SYNCING
            return Outcome(Action.REFUSED, resync)
        self._end_check()
        return DROPPED

    # -- states --------------------------------------------------------------------------------------------------------

    def _enter_live(self, now_ns: int) -> Outcome:
        """Enter LIVE: the book matches the venue's."""
        if self._state is not _LIVE:
            self._state = _LIVE
            self.live_since_ns = now_ns
            self._failure_reported = False
            if self._lost_ns is not None:
                self._out_of_sync_ns += now_ns - self._lost_ns
                self._lost_ns = None
        return APPLIED

    def _lose(self, reason: Reason, now_ns: int, delta: Delta | None = None) -> Outcome:
        """Resync: drop the book; the delta is buffered for the next snapshot."""
        self.counts[reason] += 1
        if self.live:
            self._note_stability(now_ns)
        lost = self._reset(reason, now_ns)
        self._state = StreamState.GAP
        self.epoch += 1
        if delta is not None:
            self._buffer.push(delta)
        return Outcome(Action.LOST, (*lost, *self._next_attempt(reason)))

    def _reset(self, reason: Reason, now_ns: int) -> tuple[Effect, ...]:
        was_live = self.live
        if self._at is not None and self._at.bridged:
            self._numbering.reach(self._at.last_id)
        self.book.clear()
        self._known.whole()
        self._buffer.clear()
        self._at = self._newer_snapshot = self._newer_id = self.changed_ns = self.live_since_ns = None
        self._check_pending = False
        self._lost_ns = now_ns if self._lost_ns is None else self._lost_ns
        self._state = StreamState.GAP
        return (Invalidated(reason),) if was_live else ()

    def _end_check(self) -> None:
        if self._check_pending:
            self._check_pending = False
            self._buffer.clear()

    # -- attempts ------------------------------------------------------------------------------------------------------

    def _reset_attempts(self) -> None:
        self._attempt = 0
        self._failure_reported = False

    def _note_stability(self, now_ns: int) -> None:
        """Reset the backoff if the book was LIVE for at least ``stable_ms``."""
        since_ns = self.live_since_ns
        if since_ns is not None and now_ns - since_ns >= self.settings.stable_ms * NS_PER_MS:
            self._attempt = 0

    def _next_attempt(self, reason: Reason) -> tuple[Effect, ...]:
        settings = self.settings
        self._attempt += 1
        if self._state is not StreamState.SYNCING or reason is not Reason.CONNECT:
            self._state = StreamState.GAP
        alarm: tuple[Effect, ...] = ()
        if self._attempt > settings.backoff.max_attempts and not self._failure_reported:
            self._failure_reported = True
            alarm = (Failed(self._attempt - 1, reason),)
        if settings.snapshots == "stream" and reason is Reason.CONNECT:
            delay_ns = round(settings.snapshot_wait_ms * NS_PER_MS)
        else:
            delay_ns = settings.backoff.delay_ns(self._attempt, self._random)
        return (*alarm, Resync(self.epoch, delay_ns, self._attempt, reason))

    @staticmethod
    def _with_effects(lost: tuple[Effect, ...], outcome: Outcome) -> Outcome:
        return Outcome(outcome.action, (*lost, *outcome.effects)) if lost else outcome
