"""Everything the cache keeps of one symbol, under one bound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calib.market.cache.stats import SymbolStats
from calib.market.stream.messages import StreamState

if TYPE_CHECKING:
    import asyncio

    from calib.market.cache.entry import MDCacheEntry
    from calib.market.cache.refresh import Refresh
    from calib.market.cache.refresh_backoff import RefreshBackoff
    from calib.market.stream.book_stream import BookStream


class SymbolState:
    """One symbol: its refresh, its pause, its counts and, where one builds its book, its stream.

    Attributes
    ----------
    stream
        The stream, None where only the callback fills.
    stream_depth
        Levels a side that the stream's book holds.
    live
        The cached entry while it is the stream's book.
    timer
        Of the next request for a snapshot.
    owed
        (epoch, monotonic ns): such a request that no loop was there to time.
    due
        Epoch of the snapshot that is being fetched for the stream.
    """

    __slots__ = ("due", "ledger", "live", "owed", "pause", "refresh", "stream", "stream_depth", "symbol", "timer")

    def __init__(self, symbol: str, refresh: Refresh, pause: RefreshBackoff) -> None:
        self.symbol = symbol
        self.refresh = refresh
        self.pause = pause
        self.ledger = SymbolStats()
        self.stream: BookStream | None = None
        self.stream_depth = 0
        self.live: MDCacheEntry | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.owed: tuple[int, int] | None = None
        self.due: int | None = None

    def failed(self, now_ns: int) -> bool:
        """Whether the stream has given up: then nothing is served, from nowhere."""
        return self.stream is not None and self.stream.state_at(now_ns) is StreamState.FAILED

    def stop_timer(self) -> None:
        """No snapshot is to be asked for any more."""
        self.owed = None
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
