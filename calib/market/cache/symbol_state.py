"""The state of one symbol in the cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calib.market.cache.stats import SymbolStats
from calib.market.stream.messages import StreamState

if TYPE_CHECKING:
    import asyncio

    from calib.market.cache.entry import MDCacheEntry
    from calib.market.cache.refresh import Refresh
    from calib.market.stream.backoff import RefreshBackoff
    from calib.market.stream.book_stream import BookStream


class StreamSlot:
    """A stream of a symbol, and the state of its snapshot request.

    Attributes
    ----------
    stream
        Maintains the book.
    depth
        Maximum readable levels per side.
    entry
        The cache entry of its book while the book is verified.
    deferred
        (epoch, monotonic ns) of the next snapshot request, until it starts.
    timer, timer_loop
        The timer of that request, and the event loop it runs on.
    pending_snapshot
        Epoch of the snapshot that is being fetched.

    Only `SnapshotSync` writes the last four.
    """

    __slots__ = ("deferred", "depth", "entry", "pending_snapshot", "stream", "timer", "timer_loop")

    def __init__(self, stream: BookStream, depth: int) -> None:
        self.stream = stream
        self.depth = depth
        self.entry: MDCacheEntry | None = None
        self.deferred: tuple[int, int] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.timer_loop: asyncio.AbstractEventLoop | None = None
        self.pending_snapshot: int | None = None


class SymbolState:
    """One symbol: its refresh, backoff and counters, and the streams that maintain its book.

    Attributes
    ----------
    active
        The stream whose book is served; None if only the callback fills the cache.
    standby
        A second stream on another connection, kept up to date for a hand-over or for redundancy.
    last_message_ns
        Time of the last stream message, monotonic ns.
    """

    __slots__ = ("active", "backoff", "last_message_ns", "refresh", "standby", "stats", "symbol")

    def __init__(self, symbol: str, refresh: Refresh, backoff: RefreshBackoff) -> None:
        self.symbol = symbol
        self.refresh = refresh
        self.backoff = backoff
        self.stats = SymbolStats()
        self.active: StreamSlot | None = None
        self.standby: StreamSlot | None = None
        self.last_message_ns: int | None = None

    @property
    def stream(self) -> BookStream | None:
        """The active stream."""
        return None if self.active is None else self.active.stream

    @property
    def live(self) -> MDCacheEntry | None:
        """The cache entry of the active stream's book, while the book is verified."""
        return None if self.active is None else self.active.entry

    def slots(self) -> tuple[StreamSlot, ...]:
        """The streams, active first."""
        if self.active is None:
            return ()
        return (self.active,) if self.standby is None else (self.active, self.standby)

    def failed(self, now_ns: int) -> bool:
        """Whether the stream is FAILED: then no book is served, from any source."""
        return self.active is not None and self.active.stream.state_at(now_ns) is StreamState.FAILED
