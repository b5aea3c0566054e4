"""The market-data cache: serves order books without waiting, if the use case allows it."""

from __future__ import annotations

import math
import random
import time
from typing import Any, Final

from calib.clock import NS_PER_MS, Clock
from calib.errors import ConfigError, DepthError, MaxAgeError
from calib.market.book.order_book import BookView
from calib.market.cache.config import MDCacheConfig
from calib.market.cache.entry import MDCacheEntry, MDCacheMeta
from calib.market.cache.entry_table import EntryTable
from calib.market.cache.freshness import Limits, Request, Source, UseCase
from calib.market.cache.ingest import ChecksumSource, Ingest
from calib.market.cache.observation import CacheObservation, observe
from calib.market.cache.protocols import CacheMetrics
from calib.market.cache.read_path import ReadPath, no_callback
from calib.market.cache.refresh import Refresh, RefreshCallback
from calib.market.cache.reporting import CacheReporting
from calib.market.cache.snapshot_sync import SnapshotSync
from calib.market.cache.stats import CacheStats, hits
from calib.market.cache.symbol_state import SymbolState
from calib.market.stream.backoff import Backoff, RefreshBackoff
from calib.market.stream.book_stream import BookStream
from calib.market.stream.messages import Action as StreamAction
from calib.market.stream.messages import Delta, Snapshot
from calib.market.stream.sequence import PUSHED_ONLY
from calib.policy import ORDER_BOOK, ORDER_BOOK_LIMIT_MS, CacheCounts, CachePolicy, ConnectionHealth, default_monitor

Answer = tuple[BookView | None, MDCacheMeta]

_meta: Final = tuple.__new__
"""Creates `MDCacheMeta` from a tuple at a third of the cost of its constructor."""


class MDCache:
    """Order books by symbol, filled by a callback or a stream (`on_book`), read under the rules of freshness.

    It belongs to one event loop, uses no threads and does no I/O itself. Books are immutable.

    Parameters
    ----------
    config
        The bounds.
    refresh_callback
        ``async (symbol, depth) -> {"symbol", "bids", "asks", "update_id", "source"?}`` or an `OrderBook`; None if only
        only a stream fills the cache.
    clock
        Default: the machine's monotonic clock.
    metrics
        Receives hits, misses, ages, refreshes, invalidations; see `CacheMetrics`. Its exceptions are counted.
    policy
        The policy monitor with which the cache registers before it holds data; it may raise. Default: the process's
        `calib.policy.CacheComplianceMonitor`. To opt out: ``calib.policy.Unmonitored(reason="...")``.
    rng
        Randomness for the jitter of backoffs; a seeded one makes a simulation repeatable.
    checksum
        The venue's checksum (`KrakenChecksum`), copied for every stream, or a function of the symbol that creates one.
        The sequence rule ``checksum`` needs it.

    Raises
    ------
    calib.errors.ConfigError
        If the sequence rule is ``checksum`` and no checksum is given.
    """

    def __init__(
        self,
        config: MDCacheConfig,
        refresh_callback: RefreshCallback | None,
        *,
        clock: Clock | None = None,
        metrics: CacheMetrics | None = None,
        policy: CachePolicy | None = None,
        rng: random.Random | None = None,
        checksum: ChecksumSource | None = None,
    ) -> None:
        self.config = config
        self._callback = refresh_callback
        self._now_ns = time.monotonic_ns if clock is None else clock.monotonic_ns
        self._metrics = metrics
        self._rng = random.Random() if rng is None else rng
        self._limits = Limits.of(config)
        self._stats = CacheStats(metrics)
        self._table = EntryTable(self._limits, self._stats, config.max_symbols, self._new_state, self._now_ns)
        self._states = self._table.states
        self._entries: dict[str, MDCacheEntry] = {}  # the table's own dict while the cache is enabled
        # These sequence rules cannot compare the id of a fetched snapshot with the stream's ids.
        can_fetch = refresh_callback is not None and config.sequence_rule not in PUSHED_ONLY
        source = Source(config.refresh_source)
        self._sync = SnapshotSync(self._table, self._now_ns, source, can_fetch=can_fetch)
        self._ingest = Ingest(config, self._table, self._sync, self._now_ns, self._rng, checksum)
        self._reads = ReadPath(self._table, self._sync, refresh_callback, self._limits, self._now_ns, source)
        self._report = CacheReporting(self._table)
        if checksum is None and config.sequence_rule == "checksum":
            raise ConfigError(
                "sequence_rule is 'checksum', but no checksum is given",
                where="MDCache",
                hint="Give the venue's: MDCache(..., checksum=KrakenChecksum(price_decimals, qty_decimals))",
            )
        self._policy = policy
        self._registered = False
        self._enabled = False
        self.enabled = config.enabled

    @property
    def enabled(self) -> bool:
        """Whether books are cached; may be set. The cache registers with the policy before it is first enabled."""
        return self._enabled

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        if not enabled:
            self.disable_cache("disabled")
        elif not self._enabled:
            self._register()
            self.invalidate_all()  # messages were missed while it was disabled
            self._entries = self._table.entries
            self._enabled = True

    def disable_cache(self, reason: str) -> None:
        """Stop serving from the cache: every read calls the callback from now on. Safe to call from any thread.

        ``reason`` is for the caller's log, such as that of the emergency procedure of `calib.policy`.
        """
        self._enabled = False
        self._entries = {}  # the fastest read path looks only here

    def _register(self) -> None:
        if self._registered:
            return
        policy = default_monitor() if self._policy is None else self._policy
        limit_ms = min(self.config.hard_ttl_ms, ORDER_BOOK_LIMIT_MS)
        registration = policy.register(ORDER_BOOK, max_age_s=limit_ms / 1000, owner="MDCache")
        if registration is not None:
            registration.attach(self)
        self._registered = True

    # --- reading

    async def get_orderbook(
        self,
        symbol: str,
        depth: int = 50,
        max_age_ms: float | None = None,
        fresh_only: bool = False,
        expected_update_id: int | None = None,
        use_case: str = "general",
    ) -> Answer:
        """Return the book of a symbol, and how the read was answered.

        Parameters
        ----------
        symbol
            The instrument.
        depth
            Levels per side, 1..``max_depth``.
        max_age_ms
            Maximum age of a cached book, ms; it can tighten the rules, never relax them.
        fresh_only
            Apply the rules of guards, whatever the use case.
        expected_update_id
            The newest update id that the caller's stream has received.
        use_case
            ``general``, ``analytics``, ``pricing`` or ``guards``.

        Returns
        -------
        (BookView or None, MDCacheMeta)
            The book is None if the status is ``withheld`` or ``unavailable``.

        Raises
        ------
        calib.errors.DepthError, calib.errors.UseCaseError, calib.errors.MaxAgeError
            If an argument is not valid. A failed refresh is never raised.
        """
        # Hits are inlined: no call but the clock's, no allocation but the result's. The bounds come from `decide`.
        try:
            entry = self._entries[symbol]
            age_ns = self._now_ns() - entry.last_seen.alive_ns
            fresh = age_ns <= entry.fresh_ns[use_case]
            view = entry.views[depth]
        except KeyError:
            if self._freeze(symbol, depth, use_case):  # the first read of that depth after a change
                return await self.get_orderbook(symbol, depth, max_age_ms, fresh_only, expected_update_id, use_case)
        else:
            if (
                (expected_update_id is None or expected_update_id == entry.update_id)
                and max_age_ms is None
                and not fresh_only
            ):
                if fresh:
                    entry.reads.fresh += 1
                    if self._metrics is not None:
                        self._stats.hit(symbol, age_ns)
                    return view, _meta(
                        MDCacheMeta,
                        (True, age_ns / 1e6, False, False, False, "fresh", entry.source, entry.update_id, entry.depth),
                    )
                if entry.reads.refreshing and age_ns <= entry.stale_ns[use_case]:
                    entry.reads.stale += 1
                    if self._metrics is not None:
                        self._stats.hit(symbol, age_ns)
                    if use_case == "pricing":
                        self._stats.stale_use("pricing_threshold")
                    return view, _meta(
                        MDCacheMeta,
                        (True, age_ns / 1e6, True, False, False, "stale", entry.source, entry.update_id, entry.depth),
                    )
        if not self._enabled:
            return await self._reads.direct(symbol, depth)
        request = self._request(depth, max_age_ms, fresh_only, expected_update_id, use_case)
        return await self._reads.read(symbol, request)

    def peek(self, symbol: str, depth: int = 50, use_case: str = "general") -> BookView | None:
        """Return the book if it is fresh for ``use_case``, without awaiting and without counting a read; else None."""
        try:  # subscripts: a `get` for each would cost more than the comparison itself
            entry = self._entries[symbol]
            if self._now_ns() - entry.last_seen.alive_ns <= entry.fresh_ns[use_case]:
                return entry.views[depth]
        except KeyError:
            pass  # not cached, unknown use case, or the first read of that depth after a change
        return self._peek_slow(symbol, depth, use_case)

    # --- the stream

    def on_book(
        self, symbol: str, message: Snapshot | Delta, *, connection: str = "main", depth: int | None = None
    ) -> StreamAction:
        """Process a snapshot or delta of a symbol's stream; the cache maintains the book from then on.

        Parameters
        ----------
        symbol
            The instrument.
        message
            A `Snapshot` without an epoch was pushed by the venue in the stream. A snapshot that you fetched has the
            `epoch` that `stream` had when you requested it. A `Delta` has the ids of the venue's rule.
        connection
            The socket it came on. A second one for the same symbol is kept up to date beside the first (make before
            break): its book is served once the first one's is lost, silent or disconnected.
        depth
            Levels per side of a subscription with limited depth: levels beyond it are dropped, because the venue sends
            no updates for them. None: the whole book.

        Returns
        -------
        calib.market.stream.messages.Action
            What was done with it; ``DROPPED`` also if more than ``max_symbols`` symbols have a stream.
        """
        if not self._enabled:
            return StreamAction.DROPPED
        return self._ingest.on_book(symbol, message, connection=connection, depth=depth)

    def on_alive(self, connection: str = "main", sequence: int | None = None) -> None:
        """Process any frame of a connection (a ping, another symbol's message): its quiet books are fresh as of now.

        ``sequence`` is the frame's number if the venue numbers the frames of a connection (rule ``connection``).
        """
        if self._enabled:
            self._ingest.on_alive(connection, sequence)

    def on_connect(self, connection: str = "main") -> None:
        """A connection was made again: its books are dropped (reason ``reconnect``) and resynced."""
        if self._enabled:
            self._ingest.on_connect(connection)

    def on_disconnect(self, connection: str = "main") -> None:
        """A connection is gone: its books are not served until `on_connect`."""
        if self._enabled:
            self._ingest.on_disconnect(connection)

    def resync(self, symbol: str) -> bool:
        """Resync the stream of one symbol soon, without affecting other symbols of its connection.

        A stream without a verified book starts its attempts over; one with a book keeps serving it and requests a
        snapshot in the background. If the venue pushes snapshots, also subscribe to the symbol again.

        Returns
        -------
        bool
            Whether the symbol has a stream on a live connection.
        """
        state = self._states.get(symbol)
        return state is not None and self._ingest.resync(state)

    def stream(self, symbol: str) -> BookStream | None:
        """The symbol's stream with its state, epoch and counts; None if only the callback fills the cache."""
        state = self._states.get(symbol)
        return None if state is None else state.stream

    def entry(self, symbol: str) -> MDCacheEntry | None:
        """The cached entry of a symbol with its age and trust level; not counted as a read."""
        state = self._states.get(symbol) if self._enabled else None
        return None if state is None else self._reads.current_entry(state, self._now_ns())

    def connection(self, name: str = "main") -> ConnectionHealth | None:
        """The health of a connection: last frame, gaps, reconnects, state; None if no message came on it."""
        return self._ingest.connection(name)

    def now_ns(self) -> int:
        """The monotonic time with which the cache measures ages."""
        return self._now_ns()

    # --- invalidation

    def invalidate(self, symbol: str, reason: str = "manual") -> bool:
        """Drop what is cached of a symbol and the result of a running refresh; True if there was any.

        ``reason`` is counted: ``ws_gap``, ``rewind``, ``price_jump``, ``reconnect`` or ``manual``. A verified book of a
        stream is dropped for a ``price_jump`` at most once a second; a resync that runs already continues.
        """
        state = self._states.get(symbol)
        if state is None or self._ingest.keeps_book(state, reason):
            return False
        dropped = self._table.drop(state, reason)
        self._ingest.reset_stream(state, reason)
        return dropped

    def invalidate_all(self, reason: str = "manual") -> int:
        """Drop everything; returns the number of symbols that had anything cached."""
        return sum(self.invalidate(symbol, reason) for symbol in list(self._states))

    async def close(self) -> None:
        """Cancel the running refreshes; their waiters get ``unavailable``."""
        for state in list(self._states.values()):
            for slot in state.slots():
                self._sync.cancel(slot)
            await state.refresh.close()

    # --- statistics

    def get_hit_ratio(self, symbol: str | None = None) -> float | None:
        """(fresh + stale) / reads, of one symbol or of all; None without reads."""
        return self._report.hit_ratio(symbol)

    def cache_counts(self) -> CacheCounts:
        """Numbers of reads of all symbols that were cache hits and that were not; for the policy monitor."""
        statuses = self._stats.statuses(state.stats for state in self._states.values())
        hit = hits(statuses)
        return CacheCounts(hit, sum(statuses.values()) - statuses["direct"] - hit)

    def get_cache_age_ms(self, symbol: str) -> float | None:
        """Age of the cached book, ms; None if there is none."""
        entry = self.entry(symbol)
        return None if entry is None else entry.age_ms(self._now_ns())

    def get_refresh_latency_p95(self, symbol: str | None = None) -> float | None:
        """95th percentile (linear) of the last 256 refreshes of one symbol or of all, ms; None without refreshes."""
        return self._report.refresh_latency_p95_ms(symbol)

    def observe(self) -> CacheObservation:
        """A snapshot of the cache's contents and counts, safe to take from another thread; it changes nothing."""
        return observe(self._states, self._entries, self._stats, self._now_ns())

    def metrics_summary(self) -> dict[str, Any]:
        """Every count, in total and by symbol, as a new dict of plain values."""
        return self._report.summary(self._now_ns(), enabled=self.enabled, mode=self.config.mode)

    # --- internals

    def _request(
        self, depth: int, max_age_ms: float | None, fresh_only: bool, expected_update_id: int | None, use_case: str
    ) -> Request:
        if depth.__class__ is not int or not 1 <= depth <= self.config.max_depth:
            raise DepthError(
                f"depth: {depth!r} is out of range",
                hint=f"Allowed: an integer from 1 to max_depth, which is {self.config.max_depth}",
            )
        if max_age_ms is not None and not (max_age_ms >= 0 and math.isfinite(max_age_ms)):
            raise MaxAgeError(
                f"max_age_ms: {max_age_ms!r} is out of range", hint="Allowed: a finite number >= 0, or None"
            )
        max_age_ns = None if max_age_ms is None else round(max_age_ms * NS_PER_MS)
        return Request(UseCase.checked(use_case), depth, max_age_ns, fresh_only, expected_update_id)

    def _new_state(self, symbol: str) -> SymbolState:
        config = self.config
        refresh = Refresh(symbol, self._callback or no_callback, self._sync, config.refresh_timeout_ms * NS_PER_MS)
        first_ms, cap_ms = config.refresh_backoff_ms, config.refresh_backoff_cap_ms
        backoff = Backoff(first_ms, cap_ms, jitter=config.refresh_backoff_jitter, spread_first=False)
        return SymbolState(symbol, refresh, RefreshBackoff(backoff, self._rng))

    def _freeze(self, symbol: str, depth: int, use_case: str) -> bool:
        """Create the view that a read missed; False if the read failed for another reason."""
        entry = self._entries.get(symbol)
        return (
            entry is not None
            and use_case in entry.fresh_ns
            and entry.view(depth) is not None
            and depth in entry.views  # a one-sided view is not stored there
        )

    def _peek_slow(self, symbol: str, depth: int, use_case: str) -> BookView | None:
        """The slow path of `peek`: a heartbeat may have arrived since a refresh confirmed the book."""
        checked = UseCase.checked(use_case)
        state = self._states.get(symbol) if self._enabled else None
        if state is None:
            return None
        now_ns = self._now_ns()
        entry = self._reads.current_entry(state, now_ns)
        if entry is None or entry.age_ns(now_ns) > entry.fresh_ns[checked]:
            return None
        if checked in (UseCase.PRICING, UseCase.GUARDS) and entry.one_sided:
            return None
        return entry.view(depth)
