"""The messages, outcomes and effects of a stream: immutable values."""

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
        For a requested snapshot: the epoch of its `Resync`. None for one that the venue pushed in the stream: it is in
        order with the deltas, needs no bridge and replaces the book.
    checksum
        The venue's checksum, if it sends one.
    depth
        Requested levels per side: on a side with that many levels nothing beyond the last is known. A side with fewer
        levels is complete, and so is every side if this is None.
    """

    bids: Sequence[Change]
    asks: Sequence[Change]
    update_id: int
    epoch: int | None = None
    checksum: int | None = None
    depth: int | None = None


class Delta(NamedTuple):
    """Changes of a book: absolute quantities, 0 removes the level; the ids follow the venue's rule."""

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
    """Connected; waiting for a snapshot, or for the delta that bridges it. Nothing is served."""
    LIVE = "live"
    """The book matches the venue's at its update id."""
    SUSPECT = "suspect"
    """LIVE, but the connection was silent too long: kept, stale for pricing, refused to guards."""
    GAP = "gap"
    """Out of sync, waiting for the next attempt. Nothing is served."""
    FAILED = "failed"
    """The fast attempts failed; retries continue at the longest delay. Nothing is served until a good snapshot."""


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
    """A snapshot shows that the stream's book is behind."""
    DEPTH = "depth"
    """The price moved through all levels of a side that the snapshot had: the best levels may be missing."""
    READER = "reader"
    """A reader has received messages that the book lacks."""
    OTHER_NUMBERING = "other_numbering"
    """The ids went back recently: a snapshot may be an old copy with ids of the earlier numbering."""
    STALE_SNAPSHOT = "stale_snapshot"
    """The snapshot ends before the buffered deltas begin."""
    UNBRIDGED = "unbridged"
    """No delta reached the snapshot within ``bridge_wait_ms``."""
    NO_SNAPSHOT = "no_snapshot"
    """The request for a snapshot failed."""


class Action(Enum):
    """What was done with a message."""

    APPLIED = "applied"
    BUFFERED = "buffered"
    DROPPED = "dropped"
    """A delta that the book already includes, or a message that is not needed now."""
    REFUSED = "refused"
    """A snapshot that is late or outdated, or a message that is not a valid book."""
    CONFIRMED = "confirmed"
    """A snapshot that is not newer than the book."""
    LOST = "lost"
    """The message shows that the book is out of sync."""


class Invalidated(NamedTuple):
    """The book must not be served any more."""

    reason: Reason


class Resync(NamedTuple):
    """A snapshot is needed: after ``delay_ns`` call `BookStream.resync_started`; if it returns True, fetch a snapshot
    (or subscribe again) and pass it in with this ``epoch``, or call `BookStream.resync_failed`. ``attempt`` is 0 if
    the book stays in use meanwhile."""

    epoch: int
    delay_ns: int
    attempt: int
    reason: Reason


class Failed(NamedTuple):
    """All fast attempts failed: raise an alert. A `Resync` with the longest delay follows."""

    attempts: int
    reason: Reason


Effect: TypeAlias = Invalidated | Resync | Failed


class Outcome(NamedTuple):
    """What was done with a message, and the effects that the owner must carry out, in order."""

    action: Action
    effects: tuple[Effect, ...] = ()
