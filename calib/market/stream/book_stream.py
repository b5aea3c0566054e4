"""One symbol's stream: it builds the book from snapshots and deltas, and knows when it cannot be trusted.

A pure state machine: every call takes ``now_ns`` and returns an `Outcome` whose effects the owner carries out. It
reads no clock, starts no task and asks no one; randomness for the jitter is handed in.

    DOWN --connect--> SYNCING --snapshot bridged--> LIVE <--silence / next delta--> SUSPECT
    LIVE --gap, rewind, crossed ...--> GAP --resync_started--> SYNCING
    LIVE --a newer snapshot--> SYNCING --a delta reaches it--> LIVE
    GAP, SYNCING --fast attempts used up--> FAILED --good snapshot--> LIVE
    any --disconnect--> DOWN
"""

from __future__ import annotations

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

# Looking a member up in its enum costs as much as a dictionary read; a delta would pay for it half a dozen times.
_state: Final = tuple.__new__  # half the cost of the constructor, for every delta
_LIVE = StreamState.LIVE
_ACCEPT = SequenceVerdict.ACCEPT
_OLD = SequenceVerdict.OLD

_LOSSES = {
    SequenceVerdict.GAP: Reason.WS_GAP,
    SequenceVerdict.REWIND: Reason.REWIND,
    SequenceVerdict.DUPLICATE: Reason.DUPLICATE,
    SequenceVerdict.RESTART: Reason.RESTART,
}
_OTHER_NUMBERING: Final = 100
"""A newer snapshot of which the ids, after all the time that a bridge may take, have not covered this part of the way
is of another numbering (Bybit's REST ids are those of its deepest stream)."""


class BookStream:
    """The book of one symbol on one connection.

    Parameters
    ----------
    symbol
        The market.
    connection
        Whose signs of life count; shared by all streams of a socket.
    random
        Draws from [0, 1) for the jitter; seeded where runs must repeat.
    settings
        What is known of the venue.
    checksum
        The venue's checksum rule, where it publishes one.
    book
        An empty book of that symbol to keep it in; None: a new one that keeps ``settings.keep_levels``.
    after
        Another stream of the symbol, whose ids it has seen too.

    Attributes
    ----------
    book
        The book. Read it only while `live`; `view` does.
    epoch
        Number of the present attempt's generation: a snapshot asked for in an older one is refused.
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
        "_ahead",
        "_ahead_from",
        "_ahead_id",
        "_ahead_ns",
        "_alarmed",
        "_asked_ns",
        "_at",
        "_attempt",
        "_buffer",
        "_checking",
        "_checking_for",
        "_checksum",
        "_known",
        "_lost_ns",
        "_numbering",
        "_other_numbering",
        "_out_of_sync_ns",
        "_random",
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
        self._alarmed = False
        self._snapshot_ns = 0
        self._lost_ns: int | None = None
        self._out_of_sync_ns = 0
        # The id of a snapshot newer than the book, until the deltas have reached it, and where it is deep enough the
        # snapshot; the book is kept up meanwhile.
        self._ahead_id: int | None = None
        self._ahead: Snapshot | None = None
        self._ahead_ns = self._ahead_from = 0
        self._other_numbering = False
        # A snapshot was asked for behind a book that stays; the deltas since are kept beside it.
        self._checking = False
        self._checking_for = Reason.MANUAL
        self._asked_ns: int | None = None

    # -- what it knows -------------------------------------------------------------------------------------------------

    @property
    def live(self) -> bool:
        """Whether the book's ids are verified: LIVE or SUSPECT."""
        return self._state is _LIVE

    @property
    def last_id(self) -> int | None:
        """The newest id in the book, None where there is no verified book."""
        return self._at.last_id if self._at is not None and self.live else None

    @property
    def buffered(self) -> int:
        """Number of deltas that wait for a snapshot."""
        return len(self._buffer)

    @property
    def numbering(self) -> Numbering:
        """A copy of what it remembers of the ids that it has seen."""
        if self._at is not None and self._at.bridged:
            self._numbering.reach(self._at.last_id)
        return self._numbering.copy()

    @property
    def known_depth(self) -> int:
        """Levels a side that are known of a verified book; `ALL_LEVELS` where it is known whole."""
        return self._known.levels(self.book)

    @property
    def is_thin(self) -> bool:
        """Whether a verified book is known to less than half the depth that its snapshot was asked for."""
        return self._known.limited and self._state is _LIVE and self._known.is_thin(self.book)

    @property
    def connected(self) -> bool:
        """Whether its connection was made and not lost."""
        return self._state is not StreamState.DOWN

    def may_doubt(self, now_ns: int) -> bool:
        """Whether the last doubt about it lies ``doubt_pause_ms`` back."""
        return self._may_ask(self.settings.doubt_pause_ms, now_ns)

    def state_at(self, now_ns: int) -> StreamState:
        """The state, a LIVE book's silence and the number of attempts taken into account."""
        state = self._state
        if state is _LIVE:
            return StreamState.SUSPECT if self.suspect(now_ns) else state
        if state is not StreamState.DOWN and self._attempt > self.settings.backoff.max_attempts:
            return StreamState.FAILED
        return state

    def suspect(self, now_ns: int) -> bool:
        """Whether the connection is silent for too long, or was and no delta has continued the ids since."""
        link = self.connection
        ended = link.silence_ended_ns
        return link.silent(now_ns) or (ended is not None and self.changed_ns is not None and ended > self.changed_ns)

    def view(self, depth: int) -> BookView | None:
        """The book's best levels, None unless it is verified and known to that depth."""
        if self._state is not _LIVE or (self._known.limited and depth > self._known.levels(self.book)):
            return None
        return self.book.view(depth)

    def book_age_ns(self, now_ns: int) -> int | None:
        """Time since the last message of this symbol was applied; None without a verified book."""
        return now_ns - self.changed_ns if self.live and self.changed_ns is not None else None

    def feed_age_ns(self, now_ns: int) -> int | None:
        """Time since the connection's last sign of life; None before the first."""
        return self.connection.age_ns(now_ns)

    def out_of_sync_ns(self, now_ns: int) -> int:
        """Time in all, since the first connection, without a verified book."""
        return self._out_of_sync_ns + (0 if self._lost_ns is None else now_ns - self._lost_ns)

    # -- what happens to it --------------------------------------------------------------------------------------------

    def connect(self, now_ns: int) -> Outcome:
        """A new connection was made: everything of the old one is void, but the ids that it has shown."""
        lost = self._forget(Reason.RECONNECT, now_ns)
        self.connection.alive(now_ns)
        self._state = StreamState.SYNCING
        self._begin_attempts()
        self._other_numbering = False
        self.epoch += 1
        return Outcome(Action.APPLIED, (*lost, *self._next_attempt(Reason.CONNECT)))

    def disconnect(self, now_ns: int) -> Outcome:
        """The connection is gone; nothing is served until `connect`."""
        lost = self._forget(Reason.DISCONNECT, now_ns)
        self._state = StreamState.DOWN
        self.epoch += 1
        return Outcome(Action.LOST, lost)

    def on_delta(self, delta: Delta, now_ns: int) -> Outcome:
        """A delta arrived on the connection."""
        self.connection.alive(now_ns)
        at = self._at
        if self._state is _LIVE:
            assert at is not None
            verdict = self._rule(at, delta)
            if verdict is not _ACCEPT:
                return self._bridge_ahead(verdict, delta, self._see(delta, now_ns), now_ns)
            if self._checking:
                self._buffer.push(delta)
            if self._ahead_id is not None and self._reaches_ahead(delta.last_id, self._ahead_id, now_ns):
                self._ahead = self._ahead_id = None
            return self._apply(delta, now_ns)
        if self._state is StreamState.DOWN:
            self.counts["dropped"] += 1
            return DROPPED
        went_back = self._see(delta, now_ns)
        if delta.prev_id == NO_PREVIOUS and self.settings.sequence_rule == "previous":
            return self._break(SequenceVerdict.RESTART, delta, now_ns)
        if at is None:
            return self._buffered(delta, now_ns)
        if self._ahead_id is not None:
            return self._catch_up(delta, at, self._ahead_id, went_back, now_ns)
        return self._bridge_with(delta, at, went_back, now_ns)

    def on_snapshot(self, snapshot: Snapshot, now_ns: int) -> Outcome:
        """A snapshot arrived, asked for (with its epoch) or pushed by the venue (without)."""
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
        waiting = self._waiting(snapshot)
        if waiting and self._judge(snapshot, waiting[0]) is not _ACCEPT:
            # It ends before the buffer begins. The buffer is kept, so that a source which lags by half a minute is
            # bridged as soon as its snapshots are as young as our oldest delta: dropping it would never end.
            return self._refuse(Reason.STALE_SNAPSHOT)
        return self._install(snapshot, now_ns, waiting)

    def resync_started(self, epoch: int, now_ns: int) -> bool:
        """Whether the snapshot of that `Resync` is still wanted; if so it is now being fetched."""
        if epoch != self.epoch or self._state is StreamState.DOWN:
            return False
        if self._at is None:
            self._state = StreamState.SYNCING
        elif not (self._checking or self._lacks_snapshot):
            return False
        self.counts["resync"] += 1
        return True

    def resync_failed(self, epoch: int, now_ns: int) -> Outcome:
        """The snapshot of that `Resync` could not be had, or did not come in time."""
        if epoch != self.epoch or self._state is StreamState.DOWN:
            return DROPPED
        return self._refuse(Reason.NO_SNAPSHOT)

    def drop(self, reason: Reason, now_ns: int) -> Outcome:
        """The owner doubts a verified book, for a reason that no message shows: out of sync, as after a gap.

        Nothing happens to a stream that is getting in sync: its ids will show what its snapshot is worth, and no
        attempt is lost. A `PRICE_JUMP` is heard once in ``doubt_pause_ms``.
        """
        if not self.live or (reason is Reason.PRICE_JUMP and not self.may_doubt(now_ns)):
            return DROPPED
        if reason in (Reason.MANUAL, Reason.PRICE_JUMP):
            self._asked_ns = now_ns
            self._begin_attempts()  # no fault of the stream's: it must not bring it nearer to FAILED
        return self._lose(reason, now_ns)

    def ask(self, reason: Reason, now_ns: int) -> Outcome:
        """Ask for one snapshot behind a verified book, which stays in use; at most once in ``doubt_pause_ms``.

        The snapshot shows whether the book lags, and makes it known to its full depth again. A book that is getting
        shallow (`Reason.DEPTH`) is no doubt: it is asked for once in the shortest pause of the backoff.
        """
        pause_ms = self.settings.backoff.base_ms if reason is Reason.DEPTH else self.settings.doubt_pause_ms
        if not self.live or self._checking or not self._may_ask(pause_ms, now_ns):
            return DROPPED
        self._asked_ns = now_ns
        self._checking, self._checking_for = True, reason
        self._buffer.clear()
        self.counts["check"] += 1
        return Outcome(Action.APPLIED, (Resync(self.epoch, 0, 0, reason),))

    def lags(self, update_id: int, now_ns: int) -> Outcome:
        """A newer id is known, from a body too shallow to be a snapshot: not served until deltas reach it."""
        at = self._at
        if not self.live or at is None or update_id <= at.last_id or self._other_numbering:
            return DROPPED
        lost = self._fall_behind(update_id, None, at, now_ns)
        resync = self._next_attempt(Reason.BEHIND)
        self._state = StreamState.SYNCING
        return Outcome(Action.LOST, (*lost, *resync))

    def resync(self, now_ns: int) -> Outcome:
        """The owner wants it in sync soon, whatever came before: the attempts begin again with the first."""
        if self._state is StreamState.DOWN:
            return DROPPED
        if self.live:
            return self.ask(Reason.MANUAL, now_ns)
        self._begin_attempts()
        if self._at is not None:
            return self._lose(Reason.MANUAL, now_ns)
        return Outcome(Action.APPLIED, self._next_attempt(Reason.MANUAL))

    def _may_ask(self, pause_ms: float, now_ns: int) -> bool:
        return self._asked_ns is None or now_ns - self._asked_ns >= pause_ms * NS_PER_MS

    # -- deltas --------------------------------------------------------------------------------------------------------

    def _apply(self, delta: Delta, now_ns: int) -> Outcome:
        """Apply a delta that continues the book, then look at what came out."""
        book, at = self.book, self._at
        try:
            book.delta(delta.bids, delta.asks, delta.last_id)
        except BadLevel:
            return self._lose(Reason.BAD_LEVEL, now_ns)
        if at is not None and delta.last_id < at.last_id:  # a venue may number on from below without a break (OKX)
            self._see(delta, now_ns)
        self._at = _state(SequenceState, (delta.last_id, True))
        self.changed_ns = now_ns
        if book.crossed:
            return self._lose(Reason.CROSSED, now_ns, delta)
        if self._checksum is not None and not self._checksum.holds(book, delta):
            return self._lose(Reason.CHECKSUM, now_ns, delta)
        if self._known.limited and not self._known.holds(book):
            return self._run_through(delta, now_ns)
        return APPLIED

    def _run_through(self, delta: Delta, now_ns: int) -> Outcome:
        """The price ran through all that was known of a side: no message was lost, so no attempt is."""
        if not self._checking:
            self._begin_attempts()
            return self._lose(Reason.DEPTH, now_ns, delta)
        self.counts[Reason.DEPTH] += 1
        kept = tuple(self._buffer)  # the snapshot that is on its way needs them
        lost = self._forget(Reason.DEPTH, now_ns)
        for since in kept:
            self._buffer.push(since)
        self._state = StreamState.SYNCING
        return Outcome(Action.LOST, lost)

    def _see(self, delta: Delta, now_ns: int) -> bool:
        """Remember the ids; whether they went back."""
        if self._at is not None and self._at.bridged:
            self._numbering.reach(self._at.last_id)
        return self._numbering.see(delta.last_id if delta.first_id is None else delta.first_id, delta.last_id, now_ns)

    def _break(self, verdict: SequenceVerdict, delta: Delta, now_ns: int) -> Outcome:
        """A delta that does not continue the book: out of sync, but for the marker that makes it a snapshot."""
        if verdict is SequenceVerdict.RESTART and delta.prev_id == NO_PREVIOUS:
            whole = Snapshot(delta.bids, delta.asks, delta.last_id, checksum=delta.checksum)
            return self._install(whole, now_ns, ())
        return self._lose(_LOSSES[verdict], now_ns, delta)

    def _buffered(self, delta: Delta, now_ns: int) -> Outcome:
        """No snapshot yet: wait for it."""
        verdict = self._buffer.push(delta)
        if verdict is _ACCEPT:
            return BUFFERED
        self.counts[_LOSSES[verdict]] += 1
        if verdict in (SequenceVerdict.REWIND, SequenceVerdict.RESTART):
            # The ids went back. A snapshot asked for before that has ids of the old numbering: bridged with it, every
            # delta to come would be taken for old. So it is refused by its epoch and another is asked for.
            self.epoch += 1
            self._state = StreamState.GAP
            return Outcome(Action.BUFFERED, self._next_attempt(_LOSSES[verdict]))
        return DROPPED if verdict is SequenceVerdict.DUPLICATE else BUFFERED

    def _bridge_with(self, delta: Delta, at: SequenceState, went_back: bool, now_ns: int) -> Outcome:
        """The snapshot is there and waits for the delta that reaches beyond it."""
        verdict = self._rule(at, delta)
        if verdict is _ACCEPT:
            outcome = self._apply(delta, now_ns)
            return self._alive(now_ns) if outcome is APPLIED else outcome
        if verdict is not _OLD:
            return self._break(verdict, delta, now_ns)
        if went_back:
            # Dropped as old, the deltas of the new numbering would one day reach the snapshot's id and bridge it.
            return self._lose(Reason.REWIND, now_ns, delta)
        if self._waited_too_long(self._snapshot_ns, now_ns):
            return self._lose(Reason.UNBRIDGED, now_ns, delta)
        self.counts["dropped"] += 1
        return DROPPED

    def _catch_up(self, delta: Delta, at: SequenceState, ahead_id: int, went_back: bool, now_ns: int) -> Outcome:
        """The book is behind a snapshot: its deltas lead it there, or one after a loss bridges the snapshot."""
        verdict = self._rule(at, delta)
        if verdict is not _ACCEPT:
            return self._bridge_ahead(verdict, delta, went_back, now_ns)
        outcome = self._apply(delta, now_ns)
        if outcome is not APPLIED or not self._reaches_ahead(delta.last_id, ahead_id, now_ns):
            return outcome
        self._ahead = self._ahead_id = None
        return self._alive(now_ns)

    def _reaches_ahead(self, last_id: int, ahead_id: int, now_ns: int) -> bool:
        """Whether the book with that id is no longer behind the snapshot, or was never comparable with it."""
        if last_id >= ahead_id:
            return True
        covered = max(1, last_id - self._ahead_from)
        if ahead_id - last_id <= _OTHER_NUMBERING * covered or not self._waited_too_long(self._ahead_ns, now_ns):
            return False
        self._other_numbering = True
        self.counts[Reason.OTHER_NUMBERING] += 1
        return True

    def _bridge_ahead(self, verdict: SequenceVerdict, delta: Delta, went_back: bool, now_ns: int) -> Outcome:
        """The delta does not continue the book; perhaps it bridges the newer snapshot that is at hand."""
        ahead = self._ahead
        if ahead is None or went_back or self._judge(ahead, delta) not in (_ACCEPT, _OLD):
            return self._break(verdict, delta, now_ns)
        if self.live:  # else it was counted when the book fell behind
            self.counts[_LOSSES[verdict]] += 1
        lost = self._forget(_LOSSES[verdict], now_ns)
        self._state = StreamState.SYNCING
        self.epoch += 1
        outcome = self._install(ahead, now_ns, ())
        if outcome is APPLIED and self._at is not None:
            outcome = self._bridge_with(delta, self._at, False, now_ns)
        return self._with(lost, outcome)

    def _waited_too_long(self, since_ns: int, now_ns: int) -> bool:
        return now_ns - since_ns > self.settings.bridge_wait_ms * NS_PER_MS

    # -- snapshots -----------------------------------------------------------------------------------------------------

    def _judge(self, snapshot: Snapshot, delta: Delta) -> SequenceVerdict:
        return self._rule(SequenceState(snapshot.update_id, False), delta)

    def _waiting(self, snapshot: Snapshot) -> tuple[Delta, ...]:
        """The kept deltas that the snapshot does not hold."""
        return tuple(delta for delta in self._buffer if self._judge(snapshot, delta) is not _OLD)

    def _compare(self, snapshot: Snapshot, at: SequenceState, now_ns: int) -> Outcome:
        """A snapshot beside a verified book never overwrites it; it confirms it, or shows that it lags.

        Nor does an older one overwrite a snapshot that waits for its bridge: the deltas between are dropped by now.
        """
        if self._ahead_id is not None and not self.live:
            return self._compare_behind(snapshot, at)
        if snapshot.update_id <= at.last_id:
            self.counts["confirmed" if self.live else "late_snapshot"] += 1
            return self._deepen(snapshot, at, now_ns) if self.live else REFUSED
        if not self.live:
            self._forget(Reason.BEHIND, now_ns)
            self._state = StreamState.SYNCING
            self.epoch += 1
            return self._install(snapshot, now_ns, ())
        for_reader = self._checking and self._checking_for is Reason.READER
        self._end_check()
        if self._other_numbering:
            self.counts["late_snapshot"] += 1
            return REFUSED
        if for_reader:  # who had more of the stream than the book has: that will come, or the stream's rule will tell
            self._ahead_id, self._ahead = snapshot.update_id, snapshot
            self._ahead_ns, self._ahead_from = now_ns, at.last_id
            return CONFIRMED
        return Outcome(Action.APPLIED, self._fall_behind(snapshot.update_id, snapshot, at, now_ns))

    def _compare_behind(self, snapshot: Snapshot, at: SequenceState) -> Outcome:
        """Beside a book that is behind: the snapshot is kept for a delta that bridges it and cannot follow the book."""
        if self._ahead is None and snapshot.update_id > at.last_id:
            self._ahead = snapshot
            return APPLIED
        self.counts["late_snapshot"] += 1
        return self._refuse(Reason.STALE_SNAPSHOT) if self._lacks_snapshot else REFUSED

    @property
    def _lacks_snapshot(self) -> bool:
        """Whether the book is behind, and no snapshot is at hand for the case that it cannot get there."""
        return self._ahead_id is not None and self._ahead is None and not self.live

    def _fall_behind(
        self, update_id: int, snapshot: Snapshot | None, at: SequenceState, now_ns: int
    ) -> tuple[Effect, ...]:
        """A newer id is known: the book is not served until its deltas have reached it."""
        self.counts[Reason.BEHIND] += 1
        self._note_stability(now_ns)
        self._end_check()
        self._ahead_id, self._ahead = update_id, snapshot
        self._ahead_ns, self._ahead_from = now_ns, at.last_id
        self._numbering.reach(at.last_id)
        self._state = StreamState.SYNCING
        self._lost_ns = now_ns
        self.epoch += 1
        return (Invalidated(Reason.BEHIND),)

    def _deepen(self, snapshot: Snapshot, at: SequenceState, now_ns: int) -> Outcome:
        """Put the confirming snapshot under the deltas since, where all were kept: the same book, known deeper."""
        if not self._checking:
            return CONFIRMED
        waiting = self._waiting(snapshot)
        self._end_check()
        reaches = waiting[-1].last_id if waiting else snapshot.update_id
        bridged = not waiting or self._judge(snapshot, waiting[0]) is _ACCEPT
        if self._checksum is not None or not bridged or reaches != at.last_id:
            return CONFIRMED
        try:
            self.book.snapshot(snapshot.bids, snapshot.asks, snapshot.update_id)
            self._known.of_snapshot(self.book, snapshot.depth)
            for delta in waiting:
                self.book.delta(delta.bids, delta.asks, delta.last_id)
        except BadLevel:
            return self._lose(Reason.BAD_LEVEL, now_ns)
        if self.book.crossed:
            return self._lose(Reason.CROSSED, now_ns)
        return CONFIRMED if self._known.holds(self.book) else self._lose(Reason.DEPTH, now_ns)

    def _install(self, snapshot: Snapshot, now_ns: int, waiting: tuple[Delta, ...]) -> Outcome:
        """Take the snapshot for the book, apply what waited, and judge the result."""
        lost: tuple[Effect, ...] = ()
        if snapshot.epoch is None and self.last_id is not None and snapshot.update_id < self.last_id:
            self.counts[Reason.RESTART] += 1
            lost = self._forget(Reason.RESTART, now_ns)
        try:
            self.book.snapshot(snapshot.bids, snapshot.asks, snapshot.update_id)
        except BadLevel:
            return self._with(lost, self._lose(Reason.BAD_LEVEL, now_ns))
        self._known.of_snapshot(self.book, snapshot.depth)
        self._at = SequenceState(snapshot.update_id, snapshot.epoch is None)
        self._snapshot_ns = self.changed_ns = now_ns
        self._ahead = self._ahead_id = None
        self._end_check()
        self._buffer.clear()
        if self.book.crossed:
            return self._with(lost, self._lose(Reason.CROSSED, now_ns))
        if self._checksum is not None and not self._checksum.holds(self.book, snapshot):
            return self._with(lost, self._lose(Reason.CHECKSUM, now_ns))
        for rank, delta in enumerate(waiting):
            outcome = self._apply(delta, now_ns)
            if outcome is not APPLIED:
                for later in waiting[rank + 1 :]:
                    self._buffer.push(later)
                return self._with(lost, outcome)
        return self._with(lost, self._alive(now_ns) if self._at.bridged else APPLIED)

    def _refuse(self, reason: Reason) -> Outcome:
        """The snapshot is of no use; without a book another one is asked for."""
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

    def _alive(self, now_ns: int) -> Outcome:
        """The book is the venue's book."""
        if self._state is not _LIVE:
            self._state = _LIVE
            self.live_since_ns = now_ns
            self._alarmed = False
            if self._lost_ns is not None:
                self._out_of_sync_ns += now_ns - self._lost_ns
                self._lost_ns = None
        return APPLIED

    def _lose(self, reason: Reason, now_ns: int, delta: Delta | None = None) -> Outcome:
        """Out of sync: nothing is served, and the message at hand is kept for the next snapshot."""
        self.counts[reason] += 1
        if self.live:
            self._note_stability(now_ns)
        lost = self._forget(reason, now_ns)
        self._state = StreamState.GAP
        self.epoch += 1
        if delta is not None:
            self._buffer.push(delta)
        return Outcome(Action.LOST, (*lost, *self._next_attempt(reason)))

    def _forget(self, reason: Reason, now_ns: int) -> tuple[Effect, ...]:
        was_live = self.live
        if self._at is not None and self._at.bridged:
            self._numbering.reach(self._at.last_id)
        self.book.clear()
        self._known.whole()
        self._buffer.clear()
        self._at = self._ahead = self._ahead_id = self.changed_ns = self.live_since_ns = None
        self._checking = False
        self._lost_ns = now_ns if self._lost_ns is None else self._lost_ns
        self._state = StreamState.GAP
        return (Invalidated(reason),) if was_live else ()

    def _end_check(self) -> None:
        if self._checking:
            self._checking = False
            self._buffer.clear()

    # -- attempts ------------------------------------------------------------------------------------------------------

    def _begin_attempts(self) -> None:
        self._attempt = 0
        self._alarmed = False

    def _note_stability(self, now_ns: int) -> None:
        """A book that was LIVE for long starts the backoff from the beginning."""
        since_ns = self.live_since_ns
        if since_ns is not None and now_ns - since_ns >= self.settings.stable_ms * NS_PER_MS:
            self._attempt = 0

    def _next_attempt(self, reason: Reason) -> tuple[Effect, ...]:
        settings = self.settings
        self._attempt += 1
        if self._state is not StreamState.SYNCING or reason is not Reason.CONNECT:
            self._state = StreamState.GAP
        alarm: tuple[Effect, ...] = ()
        if self._attempt > settings.backoff.max_attempts and not self._alarmed:
            self._alarmed = True
            alarm = (Failed(self._attempt - 1, reason),)
        if settings.snapshots == "stream" and reason is Reason.CONNECT:
            delay_ns = round(settings.snapshot_wait_ms * NS_PER_MS)
        else:
            delay_ns = settings.backoff.delay_ns(self._attempt, self._random)
        return (*alarm, Resync(self.epoch, delay_ns, self._attempt, reason))

    @staticmethod
    def _with(lost: tuple[Effect, ...], outcome: Outcome) -> Outcome:
        return Outcome(outcome.action, (*lost, *outcome.effects)) if lost else outcome
