"""Sequence rules: whether a delta continues the book, decided by its ids. Pure functions, one per id scheme.

contiguous
    Every message has one id, one higher than the last (Bybit, and most others). An id of 1 means a venue restart.
range
    Every message covers the ids ``first..last`` (Binance spot: U, u). The one that bridges a snapshot covers
    ``snapshot + 1``, so an overlap is not a gap; after it ``first`` is the previous ``last`` + 1.
previous
    Every message has the id of the one before it (Binance futures: U, u, pu; OKX: prevSeqId, seqId, -1 for a snapshot).
    The one that bridges a snapshot begins at or before it and reaches it: ``previous <= snapshot <= last``.
rising
    Ids only rise, by steps of any size (older Bitget feeds). A lost message cannot be detected.
connection
    Ids count all messages of a connection, whatever their symbol (Coinbase). `Connection.number` checks them; for one
    symbol they rise. Snapshots come in the stream.
checksum
    There are no ids (Kraken): each message follows the one before it, and its checksum verifies the resulting book.
    Snapshots come in the stream. ``last_id`` may be any running number.

Sources: the venues' published instructions on how to manage a local order book.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple, Protocol, TypeAlias


class SequenceVerdict(Enum):
    """The verdict of a sequence rule on a delta."""

    ACCEPT = "accept"
    """It continues the book."""
    OLD = "old"
    """The snapshot, not bridged yet, includes it already: drop it."""
    GAP = "gap"
    """At least one message before it is missing."""
    REWIND = "rewind"
    """It is older than the book."""
    DUPLICATE = "duplicate"
    """It ends at the book's id."""
    RESTART = "restart"
    """The venue restarted its ids: the earlier ones are void."""


class SequenceState(NamedTuple):
    """The position of a book in the sequence of ids.

    Parameters
    ----------
    last_id
        The id of the newest message in the book.
    bridged
        Whether a delta has followed the snapshot; a snapshot from the stream itself needs none.
    """

    last_id: int
    bridged: bool


class Ids(NamedTuple):
    """The ids of a delta; ``first_id`` and ``prev_id`` if the venue sends them."""

    last_id: int
    first_id: int | None = None
    prev_id: int | None = None


class HasIds(Protocol):
    """Anything with the ids of a delta: `Ids`, or the delta itself."""

    @property
    def last_id(self) -> int: ...
    @property
    def first_id(self) -> int | None: ...
    @property
    def prev_id(self) -> int | None: ...


_ACCEPT: Final = SequenceVerdict.ACCEPT  # the result for nearly every message; saves the enum's attribute lookup

Rule: TypeAlias = Callable[[SequenceState, HasIds], SequenceVerdict]

RESTART_ID: Final = 1
NO_PREVIOUS: Final = -1


def contiguous(state: SequenceState, ids: HasIds) -> SequenceVerdict:
    """One id per message, increasing by 1.

    >>> [contiguous(SequenceState(7, True), Ids(n)).value for n in (8, 9, 7, 6, 1)]
    ['accept', 'gap', 'duplicate', 'rewind', 'restart']
    """
    if ids.last_id == state.last_id + 1:
        return _ACCEPT
    if ids.last_id > state.last_id:
        return SequenceVerdict.GAP
    return SequenceVerdict.RESTART if ids.last_id == RESTART_ID < state.last_id else _behind(state, ids)


def by_range(state: SequenceState, ids: HasIds) -> SequenceVerdict:
    """Consecutive ranges of ids; Binance spot.

    Deltas carry absolute quantities, so a delta that overlaps the book and extends beyond it gives the same result: it
    is accepted, like the one that bridges the snapshot.

    >>> [by_range(SequenceState(7, False), Ids(u, U)).value for U, u in ((5, 6), (5, 9), (8, 9), (9, 9))]
    ['old', 'accept', 'accept', 'gap']
    """
    if ids.last_id <= state.last_id:
        return _behind(state, ids)
    first = ids.last_id if ids.first_id is None else ids.first_id
    return _ACCEPT if first <= state.last_id + 1 else SequenceVerdict.GAP


def previous(state: SequenceState, ids: HasIds) -> SequenceVerdict:
    """Each message has the id of its predecessor; Binance futures and OKX.

    A message whose predecessor is the book's id continues it, whatever its own id is: OKX repeats an id as a heartbeat,
    and sends a lower one when it resets the numbering without a gap.

    >>> unbridged, bridged = SequenceState(7, False), SequenceState(7, True)
    >>> [previous(unbridged, Ids(u, U, pu)).value for U, u, pu in ((4, 6, 3), (6, 9, 5), (8, 9, 7), (9, 9, 8))]
    ['old', 'accept', 'accept', 'gap']
    >>> [previous(bridged, Ids(u, U, pu)).value for U, u, pu in ((8, 9, 7), (6, 9, 5), (9, 9, 8), (6, 7, 5))]
    ['accept', 'rewind', 'gap', 'duplicate']
    """
    if ids.prev_id == NO_PREVIOUS:
        return SequenceVerdict.RESTART
    if ids.prev_id is None:
        return SequenceVerdict.GAP  # without the predecessor's id, continuity cannot be verified
    if ids.prev_id == state.last_id:
        return _ACCEPT
    if ids.prev_id > state.last_id:
        return SequenceVerdict.GAP
    if not state.bridged:
        return SequenceVerdict.OLD if ids.last_id < state.last_id else _ACCEPT
    return SequenceVerdict.DUPLICATE if ids.last_id == state.last_id else SequenceVerdict.REWIND


def rising(state: SequenceState, ids: HasIds) -> SequenceVerdict:
    """Each id is higher than the one before, by any step.

    >>> [rising(SequenceState(7, True), Ids(n)).value for n in (8, 90, 7, 6)]
    ['accept', 'accept', 'duplicate', 'rewind']
    """
    return _ACCEPT if ids.last_id > state.last_id else _behind(state, ids)


def by_connection(state: SequenceState, ids: HasIds) -> SequenceVerdict:
    """The ids of a connection as seen by one symbol; several messages of the symbol may have the same id.

    >>> [by_connection(SequenceState(7, True), Ids(n)).value for n in (7, 8, 90, 6)]
    ['accept', 'accept', 'accept', 'rewind']
    """
    return _ACCEPT if ids.last_id >= state.last_id else _behind(state, ids)


def by_checksum(state: SequenceState, ids: HasIds) -> SequenceVerdict:
    """There are no ids: every message is accepted; see `calib.market.stream.checksum`."""
    return _ACCEPT


def _behind(state: SequenceState, ids: HasIds) -> SequenceVerdict:
    if not state.bridged:
        return SequenceVerdict.OLD
    return SequenceVerdict.DUPLICATE if ids.last_id == state.last_id else SequenceVerdict.REWIND


RULES: Final[dict[str, Rule]] = {
    "contiguous": contiguous,
    "range": by_range,
    "previous": previous,
    "rising": rising,
    "connection": by_connection,
    "checksum": by_checksum,
}
"""The rules by their name in the configuration (``sequence_rule``)."""

PUSHED_ONLY: Final = frozenset({"connection", "checksum"})
"""Rules whose ids cannot be compared with the id of a fetched snapshot."""
