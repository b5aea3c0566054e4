"""One symbol's stream: it builds the book from snapshots and deltas, and knows when it cannot be trusted.

A pure state machine: every call takes ``now_ns`` and returns an `Outcome` whose effects the owner carries out. It
reads no clock, starts no task and asks nobody; randomness for the jitter is handed in.

    DOWN --connect--> SYNCING --snapshot bridged--> LIVE <--silence / next delta--> SUSPECT
    LIVE --gap, rewind, crossed ...--> GAP --resync_started--> SYNCING      GAP --no attempt left--> FAILED
    any --disconnect--> DOWN
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from calib.clock import NS_PER_MS
from calib.errors import BadLevel, ConfigError
from calib.market.book.order_book import BookView, OrderBook
from calib.market.stream.backoff import Backoff
from calib.market.stream.buffer import DeltaBuffer
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
from calib.market.stream.sequence import NO_PREVIOUS, RULES, SequenceState, SequenceVerdict

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

_LOSSES = {
    SequenceVerdict.GAP: Reason.WS_GAP,
    SequenceVerdict.REWIND: Reason.REWIND,
    SequenceVerdict.DUPLICATE: Reason.DUPLICATE,
    SequenceVerdict.RESTART: Reason.RESTART,
}


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """What a stream is told about its venue.

    Parameters
    ----------
    sequence_rule
        ``contiguous``, ``range`` or ``previous``; see `calib.market.stream.sequence`.
    snapshots
        ``rest``: they are asked for, beside the stream. ``stream``: the venue pushes one after every subscription, so
        the first request waits ``snapshot_wait_ms`` for it.
    backoff
        Of the attempts to get in sync again.
    stable_ms
        A book that was LIVE for so long starts the backoff anew when it is lost; one that flaps does not.
    snapshot_wait_ms
        How long a pushed snapshot is awaited after connecting.
    bridge_wait_ms
        How long deltas older than the snapshot are dropped before it is taken for wrong.
    buffer_deltas, buffer_levels
        Bounds of the buffer: deltas, and price levels in all of them.
    keep_levels
        Levels kept per side; None for all. See `calib.market.book.order_book.OrderBook`.
    """

    sequence_rule: str = "contiguous"
    snapshots: str = "rest"
    backoff: Backoff = field(default_factory=Backoff)
    stable_ms: float = 10_000.0
    snapshot_wait_ms: float = 5_000.0
    bridge_wait_ms: float = 10_000.0
    buffer_deltas: int = 4_096
    buffer_levels: int = 50_000
    keep_levels: int | None = None

    def __post_init__(self) -> None:
        for key, allowed in (("sequence_rule", tuple(RULES)), ("snapshots", ("rest", "stream"))):
            if getattr(self, key) not in allowed:
                raise ConfigError(
                    f"{key}: {getattr(self, key)!r} is not allowed", hint=f"Allowed: {', '.join(allowed)}"
                )
        for key in ("stable_ms", "snapshot_wait_ms", "bridge_wait_ms"):
            if not 0 <= getattr(self, key) < float("inf"):
                raise ConfigError(f"{key}: {getattr(self, key)!r} is not allowed", hint="Allowed: number from 0")
        for key in ("buffer_deltas", "buffer_levels"):
            if getattr(self, key) < 1:
                raise ConfigError(f"{key}: {getattr(self, key)!r} is not allowed", hint="Allowed: whole number from 1")


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

    Attributes
    ----------
    book
        The book. Read it only while `live`; `view` does.
    epoch
        Number of the present attempt's generation: a snapshot asked for in an older one is refused.
    counts
        What happened how often: by `Reason`, and ``late_snapshot``, ``dropped``, ``confirmed``, ``resync``.

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
        "_buffer",
        "_checksum",
        "_lost_ns",
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
        self._state = StreamState.DOWN
        self._at: SequenceState | None = None
        self._attempt = 0
        self._snapshot_ns = 0
        self._lost_ns: int | None = None
        self._out_of_sync_ns = 0

    # -- what it knows -------------------------------------------------------------------------------------------------

    @property
    def live(self) -> bool:
        """Whether the book's ids are verified: LIVE or SUSPECT."""
        return self._state is StreamState.LIVE

    @property
    def last_id(self) -> int | None:
        """The newest id in the book, None where there is no verified book."""
        return self._at.last_id if self._at is not None and self.live else None

    @property
    def buffered(self) -> int:
        """Number of deltas that wait for a snapshot."""
        return len(self._buffer)

    def state_at(self, now_ns: int) -> StreamState:
        """The state, a LIVE book's silence taken into account."""
        return StreamState.SUSPECT if self._state is StreamState.LIVE and self.suspect(now_ns) else self._state

    def suspect(self, now_ns: int) -> bool:
        """Whether the connection is silent for too long, or was and no delta has continued the ids since."""
        link = self.connection
        ended = link.silence_ended_ns
        return link.silent(now_ns) or (ended is not None and self.changed_ns is not None and ended > self.changed_ns)

    def view(self, depth: int) -> BookView | None:
        """The book's best levels, None unless it is verified."""
        return self.book.view(depth) if self._state is _LIVE else None

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
        """A new connection was made: everything of the old one is void."""
        lost = self._forget(Reason.RECONNECT, now_ns)
        self.connection.alive(now_ns)
        self._state = StreamState.SYNCING
        self._attempt = 0
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
        if self._state is _LIVE:
            at = self._at
            assert at is not None
            verdict = self._rule(at, delta)
            return self._apply(delta, now_ns) if verdict is _ACCEPT else self._break(verdict, delta, now_ns)
        if self._state is StreamState.DOWN or self._state is StreamState.FAILED:
            self.counts["dropped"] += 1
            return DROPPED
        if delta.prev_id == NO_PREVIOUS and self.settings.sequence_rule == "previous":
            return self._break(SequenceVerdict.RESTART, delta, now_ns)
        return self._buffered(delta, now_ns) if self._at is None else self._bridge_with(delta, self._at, now_ns)

    def on_snapshot(self, snapshot: Snapshot, now_ns: int) -> Outcome:
        """A snapshot arrived, asked for (with its epoch) or pushed by the venue (without)."""
        pushed = snapshot.epoch is None
        if pushed:
            self.connection.alive(now_ns)
        if self._state in (StreamState.DOWN, StreamState.FAILED) or (not pushed and snapshot.epoch != self.epoch):
            self.counts["late_snapshot"] += 1
            return REFUSED
        if pushed:
            return self._install(snapshot, now_ns, ())
        if self._at is not None:
            return self._compare(snapshot, self._at, now_ns)
        waiting = [delta for delta in self._buffer if self._judge(snapshot, delta) is not SequenceVerdict.OLD]
        if waiting and self._judge(snapshot, waiting[0]) is not SequenceVerdict.ACCEPT:
            # It ends before the buffer begins. The buffer is kept, so that a source which lags by half a minute is
            # bridged as soon as its snapshots are as young as our oldest delta: dropping it would never end.
            self.counts[Reason.STALE_SNAPSHOT] += 1
            return Outcome(Action.REFUSED, self._next_attempt(Reason.STALE_SNAPSHOT))
        return self._install(snapshot, now_ns, tuple(waiting))

    def resync_started(self, epoch: int, now_ns: int) -> bool:
        """Whether the snapshot of that `Resync` is still wanted; if so it is now being fetched."""
        wanted = epoch == self.epoch and self._state in (StreamState.GAP, StreamState.SYNCING) and self._at is None
        if wanted:
            self._state = StreamState.SYNCING
            self.counts["resync"] += 1
        return wanted

    def resync_failed(self, epoch: int, now_ns: int) -> Outcome:
        """The snapshot of that `Resync` could not be had, or did not come in time."""
        if epoch != self.epoch or self._state not in (StreamState.GAP, StreamState.SYNCING) or self._at is not None:
            return DROPPED
        self.counts[Reason.NO_SNAPSHOT] += 1
        return Outcome(Action.REFUSED, self._next_attempt(Reason.NO_SNAPSHOT))

    def drop(self, reason: Reason, now_ns: int) -> Outcome:
        """The owner doubts the book, for a reason that no message shows: out of sync, as after a gap."""
        if self._state is StreamState.DOWN or self._state is StreamState.FAILED:
            return DROPPED
        if reason in (Reason.MANUAL, Reason.PRICE_JUMP):
            self._attempt = 0  # no fault of the stream's: it must not bring it nearer to FAILED
        return self._lose(reason, now_ns)

    # -- how -----------------------------------------------------------------------------------------------------------

    def _apply(self, delta: Delta, now_ns: int) -> Outcome:
        """Apply a delta that continues the book, then look at what came out."""
        book = self.book
        try:
            book.delta(delta.bids, delta.asks, delta.last_id)
        except BadLevel:
            return self._lose(Reason.BAD_LEVEL, now_ns)
        self._at = _state(SequenceState, (delta.last_id, True))
        self.changed_ns = now_ns
        if book.crossed:
            return self._lose(Reason.CROSSED, now_ns, delta)
        if self._checksum is not None and not self._checksum.holds(book, delta):
            return self._lose(Reason.CHECKSUM, now_ns, delta)
        return APPLIED

    def _break(self, verdict: SequenceVerdict, delta: Delta, now_ns: int) -> Outcome:
        """A delta that does not continue the book: out of sync, but for the marker that makes it a snapshot."""
        if verdict is SequenceVerdict.RESTART and delta.prev_id == NO_PREVIOUS:
            whole = Snapshot(delta.bids, delta.asks, delta.last_id, checksum=delta.checksum)
            return self._install(whole, now_ns, ())
        return self._lose(_LOSSES[verdict], now_ns, delta)

    def _buffered(self, delta: Delta, now_ns: int) -> Outcome:
        """No snapshot yet: wait for it."""
        verdict = self._buffer.push(delta)
        if verdict is SequenceVerdict.ACCEPT:
            return BUFFERED
        self.counts[_LOSSES[verdict]] += 1
        if verdict in (SequenceVerdict.REWIND, SequenceVerdict.RESTART):
            # The ids went back. A snapshot asked for before that has ids of the old numbering: bridged with it, every
            # delta to come would be taken for old. So it is refused by its epoch and another is asked for.
            self.epoch += 1
            self._state = StreamState.GAP
            return Outcome(Action.BUFFERED, self._next_attempt(_LOSSES[verdict]))
        return DROPPED if verdict is SequenceVerdict.DUPLICATE else BUFFERED

    def _bridge_with(self, delta: Delta, at: SequenceState, now_ns: int) -> Outcome:
        """The snapshot is there and waits for the delta that reaches beyond it."""
        verdict = self._rule(at, delta)
        if verdict is SequenceVerdict.ACCEPT:
            outcome = self._apply(delta, now_ns)
            return self._alive(now_ns) if outcome is APPLIED else outcome
        if verdict is not SequenceVerdict.OLD:
            return self._break(verdict, delta, now_ns)
        if now_ns - self._snapshot_ns > self.settings.bridge_wait_ms * NS_PER_MS:
            return self._lose(Reason.UNBRIDGED, now_ns, delta)
        self.counts["dropped"] += 1
        return DROPPED

    def _judge(self, snapshot: Snapshot, delta: Delta) -> SequenceVerdict:
        return self._rule(SequenceState(snapshot.update_id, False), delta)

    def _compare(self, snapshot: Snapshot, at: SequenceState, now_ns: int) -> Outcome:
        """A snapshot beside a verified book never overwrites it; it confirms it, or shows that it lags.

        Nor does an older one overwrite a snapshot that waits for its bridge: the deltas between are dropped by now.
        """
        if snapshot.update_id <= at.last_id:
            self.counts["confirmed" if self.live else "late_snapshot"] += 1
            return CONFIRMED if self.live else REFUSED
        self.counts[Reason.BEHIND] += self.live
        lost = self._forget(Reason.BEHIND, now_ns)
        self._state = StreamState.SYNCING
        self.epoch += 1
        outcome = self._install(snapshot, now_ns, ())
        return Outcome(outcome.action, (*lost, *outcome.effects))

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
        self._at = SequenceState(snapshot.update_id, snapshot.epoch is None)
        self._snapshot_ns = self.changed_ns = now_ns
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

    def _alive(self, now_ns: int) -> Outcome:
        """The book is the venue's book."""
        if self._state is not StreamState.LIVE:
            self._state = StreamState.LIVE
            self.live_since_ns = now_ns
            if self._lost_ns is not None:
                self._out_of_sync_ns += now_ns - self._lost_ns
                self._lost_ns = None
        return APPLIED

    def _lose(self, reason: Reason, now_ns: int, delta: Delta | None = None) -> Outcome:
        """Out of sync: nothing is served, and the message at hand is kept for the next snapshot."""
        self.counts[reason] += 1
        if self.live and self.live_since_ns is not None:
            stable = now_ns - self.live_since_ns >= self.settings.stable_ms * NS_PER_MS
            self._attempt = 0 if stable else self._attempt
        lost = self._forget(reason, now_ns)
        self._state = StreamState.GAP
        self.epoch += 1
        if delta is not None:
            self._buffer.push(delta)
        return Outcome(Action.LOST, (*lost, *self._next_attempt(reason)))

    def _forget(self, reason: Reason, now_ns: int) -> tuple[Effect, ...]:
        was_live = self.live
        self.book.clear()
        self._buffer.clear()
        self._at = self.changed_ns = self.live_since_ns = None
        self._lost_ns = now_ns if self._lost_ns is None else self._lost_ns
        self._state = StreamState.GAP
        return (Invalidated(reason),) if was_live else ()

    def _next_attempt(self, reason: Reason) -> tuple[Effect, ...]:
        settings = self.settings
        self._attempt += 1
        if self._attempt > settings.backoff.max_attempts:
            self._state = StreamState.FAILED
            self._buffer.clear()
            return (Failed(self._attempt - 1, reason),)
        if self._state is not StreamState.SYNCING or reason is not Reason.CONNECT:
            self._state = StreamState.GAP
        wait = settings.snapshots == "stream" and reason is Reason.CONNECT
        delay = (
            round(settings.snapshot_wait_ms * NS_PER_MS)
            if wait
            else settings.backoff.delay_ns(self._attempt, self._random)
        )
        return (Resync(self.epoch, delay, self._attempt, reason),)

    @staticmethod
    def _with(lost: tuple[Effect, ...], outcome: Outcome) -> Outcome:
        return Outcome(outcome.action, (*lost, *outcome.effects)) if lost else outcome
