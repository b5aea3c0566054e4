"""What goes into a stream and what comes out: snapshots and deltas, outcomes and effects. Values only."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from calib.market.book.book_side import Change


class Snapshot(NamedTuple):
    """A whole book.

    Parameters
    ----------
    bids, asks
        ``(price, qty)`` pairs in any order.
    update_id
        The venue's id of the last message in it.
    epoch
        For a snapshot that was asked for: the epoch of the `Resync` that asked. None for one that the venue pushed in
        the stream itself: it stands in order among the deltas, needs no bridge and replaces the book.
    checksum
        The venue's checksum of it, where it sends one.
    depth
        Levels a side that were asked for: of a side with that many no level beyond the last is known. A side with fewer
        is whole, and so is every side where this is None.
    """

    bids: Sequence[Change]
    asks: Sequence[Change]
    update_id: int
    epoch: int | None = None
    checksum: int | None = None
    depth: int | None = None


class Delta(NamedTuple):
    """Changes of a book: absolute quantities, 0 removes the level; the ids as the venue's rule has them."""

    bids: Sequence[Change]
    asks: Sequence[Change]
    last_id: int
    first_id: int | None = None
    prev_id: int | None = None
    checksum: int | None = None


class StreamState(StrEnum):
    """How far a stream's book can be trusted."""

    DOWN = "down"
    """No connection. Nothing is served."""
    SYNCING = "syncing"
    """Connected; a snapshot is awaited, or its bridge to the deltas. Nothing is served."""
    LIVE = "live"
    """The book is the venue's book at its update id."""
    SUSPECT = "suspect"
    """LIVE, but the connection was silent too long: kept, stale for pricing, refused to guards."""
    GAP = "gap"
    """Out of sync, waiting for the next attempt. Nothing is served."""
    FAILED = "failed"
    """The fast attempts failed: the next ones come at the longest pause. Nothing is served until a good snapshot."""


class Reason(StrEnum):
    """Why a book was lost or a snapshot is needed."""

    CONNECT = "connect"
    RECONNECT = "reconnect"
    DISCONNECT = "disconnect"
    WS_GAP = "ws_gap"
    REWIND = "rewind"
    DUPLICATE = "duplicate"
    RESTART = "restart"
    CROSSED = "crossed"
    CHECKSUM = "checksum"
    BAD_LEVEL = "bad_level"
    MANUAL = "manual"
    PRICE_JUMP = "price_jump"
    BEHIND = "behind"
    """A snapshot shows that the stream's book lags."""
    DEPTH = "depth"
    """The price ran through all levels of a side that the snapshot had: its best ones may be missing."""
    READER = "reader"
    """A reader has seen messages that the book lacks."""
    OTHER_NUMBERING = "other_numbering"
    """The ids went back a short while ago: a snapshot may be a copy with ids of before."""
    STALE_SNAPSHOT = "stale_snapshot"
    """The snapshot ends before the buffered deltas begin."""
    UNBRIDGED = "unbridged"
    """Deltas came for too long without one that reaches the snapshot."""
    NO_SNAPSHOT = "no_snapshot"
    """The request for a snapshot failed."""


class Action(Enum):
    """What became of a message."""

    APPLIED = "applied"
    BUFFERED = "buffered"
    DROPPED = "dropped"
    """A delta that the book holds already, or a message that is not wanted now."""
    REFUSED = "refused"
    """A snapshot that is too late or too old, or a message that cannot be a book."""
    CONFIRMED = "confirmed"
    """A snapshot that says nothing newer than the book."""
    LOST = "lost"
    """The message shows that the book is out of sync."""


class Invalidated(NamedTuple):
    """The book that was served until now must not be served any more."""

    reason: Reason


class Resync(NamedTuple):
    """A snapshot is needed: after ``delay_ns`` call `BookStream.resync_started`, and where it says so fetch one
    (or subscribe again), and hand it in with this ``epoch``, or call `BookStream.resync_failed`. ``attempt`` is 0 where
    the book stays in use meanwhile."""

    epoch: int
    delay_ns: int
    attempt: int
    reason: Reason


class Failed(NamedTuple):
    """The fast attempts are used up: raise an alarm. A `Resync` follows, at the longest pause."""

    attempts: int
    reason: Reason


Effect: TypeAlias = Invalidated | Resync | Failed


class Outcome(NamedTuple):
    """What became of a message, and what the owner has to do now, in order."""

    action: Action
    effects: tuple[Effect, ...] = ()
