"""Everything the cache keeps of one symbol, under one bound."""

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
    """One stream of a symbol with what goes with it.

    Attributes
    ----------
    stream
        It builds the book.
    depth
        Levels a side that its book may be read to.
    entry
        Its book as a cached entry, while it is verified.
    deferred
        (epoch, monotonic ns): the next request for a snapshot, as long as it has not begun.
    timer, timer_loop
        Which begins that request, and the loop on which it runs.
    pending_snapshot
        Epoch of the snapshot that is being fetched for it.

    The last four are written by `SnapshotSync` alone.
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
    """One symbol: its refresh, its pause, its counts and, where streams build its book, these.

    Attributes
    ----------
    active
        The stream whose book is served; None where only the callback fills.
    standby
        A second one on another connection, kept up beside it: at a hand-over, or for redundancy.
    fed_ns
        When a message of a stream last came, monotonic ns.
    """

    __slots__ = ("active", "fed_ns", "ledger", "pause", "refresh", "standby", "symbol")

    def __init__(self, symbol: str, refresh: Refresh, pause: RefreshBackoff) -> None:
        self.symbol = symbol
        self.refresh = refresh
        self.pause = pause
        self.ledger = SymbolStats()
        self.active: StreamSlot | None = None
        self.standby: StreamSlot | None = None
        self.fed_ns: int | None = None

    @property
    def stream(self) -> BookStream | None:
        """The stream whose book is served."""
        return None if self.active is None else self.active.stream

    @property
    def live(self) -> MDCacheEntry | None:
        """The cached entry while it is the stream's book."""
        return None if self.active is None else self.active.entry

    def slots(self) -> tuple[StreamSlot, ...]:
        """The streams, the active one first."""
        if self.active is None:
            return ()
        return (self.active,) if self.standby is None else (self.active, self.standby)

    def failed(self, now_ns: int) -> bool:
        """Whether the stream's fast attempts failed: then nothing is served, from nowhere."""
        return self.active is not None and self.active.stream.state_at(now_ns) is StreamState.FAILED
