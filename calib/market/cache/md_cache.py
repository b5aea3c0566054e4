"""The market-data cache: a fresh book without waiting, and never one that its reader may not have."""

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
"""`MDCacheMeta` from a tuple: a third of the cost of its own constructor."""


class MDCache:
    """Order books by symbol, filled by a callback or by a stream (`on_book`), read by rules of freshness.

    One event loop, no threads, no I/O of its own. Books are immutable.

    Parameters
    ----------
    config
        The bounds.
    refresh_callback
        ``async (symbol, depth) -> {"symbol", "bids", "asks", "update_id", "source"?}`` or an `OrderBook`; None where
        only a stream fills the cache.
    clock
        Default: the machine's monotonic clock.
    metrics
        Receives hits, misses, ages, refreshes, invalidations; see `CacheMetrics`. What it raises is counted.
    policy
        What the cache registers with before it holds anything; it may raise. Default: the process's
        `calib.policy.CacheComplianceMonitor`. To switch that off: ``calib.policy.Unmonitored(reason="...")``.
    rng
        Where the jitter of pauses comes from; a seeded one makes a simulation repeatable.
    checksum
        The venue's checksum (`KrakenChecksum`), of which every stream gets a copy of its own, or a function of the
        symbol that makes one. The sequence rule ``checksum`` needs it.

    Raises
    ------
    calib.errors.ConfigError
        Where the sequence rule is ``checksum`` and none is given.
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
        self._ledger = CacheStats(metrics)
        self._store = EntryTable(self._limits, self._ledger, config.max_symbols, self._new_state, self._now_ns)
        self._states = self._store.states
        self._entries: dict[str, MDCacheEntry] = {}  # the store's own while the cache is enabled
        # Ids that say nothing of a snapshot fetched beside the stream are not compared with it either.
        can_fetch = refresh_callback is not None and config.sequence_rule not in PUSHED_ONLY
        source = Source(config.refresh_source)
        self._sync = SnapshotSync(self._store, self._now_ns, source, can_fetch=can_fetch)
        self._ingest = Ingest(config, self._store, self._sync, self._now_ns, self._rng, checksum)
        self._reads = ReadPath(self._store, self._sync, refresh_callback, self._limits, self._now_ns, source)
        self._report = CacheReporting(self._store)
        if checksum is None and config.sequence_rule == "checksum":
            raise ConfigError(
                "sequence_rule is checksum, and no checksum is given",
                where="MDCache",
                hint="Give the venue's: MDCache(..., checksum=KrakenChecksum(price_decimals, qty_decimals))",
            )
        self._policy = policy
        self._registered = False
        self._enabled = False
        self.enabled = config.enabled

    @property
    def enabled(self) -> bool:
        """Whether books are cached; may be set. A cache registers with the policy before it is first enabled."""
        return self._enabled

    @enabled.setter
    def enabled(self, enabled: bool) -> None:
        if not enabled:
            self.disable_cache("disabled")
        elif not self._enabled:
            self._register()
            self.invalidate_all()  # what was missed meanwhile is not known
            self._entries = self._store.entries
            self._enabled = True

    def disable_cache(self, reason: str) -> None:
        """Serve nothing from the cache from now on: every read is a call of the callback; for any thread.

        ``reason`` is for the caller's log; the emergency procedure of `calib.policy` does.
        """
        self._enabled = False
        self._entries = {}  # the fastest path looks here alone

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
        """The book of a symbol, and how the cache came by it.

        Parameters
        ----------
        symbol
            The instrument.
        depth
            Levels a side, 1..``max_depth``.
        max_age_ms
            Accept nothing older from the cache; tightens the rules, never widens them.
        fresh_only
            The rules of guards, whatever the use case.
        expected_update_id
            The newest update id that the caller's stream has shown.
        use_case
            ``general``, ``analytics``, ``pricing`` or ``guards``.

        Returns
        -------
        (BookView or None, MDCacheMeta)
            No book where the status is ``withheld`` or ``unavailable``.

        Raises
        ------
        calib.errors.DepthError, calib.errors.UseCaseError, calib.errors.MaxAgeError
            For a request that makes no sense. A failing refresh is never raised.
        """
        # The hits, written out: no call but the clock's, no allocation but the answer's. Bounds come from `decide`.
        try:
            entry = self._entries[symbol]
            age_ns = self._now_ns() - entry.pulse.alive_ns
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
                        self._ledger.hit(symbol, age_ns)
                    return view, _meta(
                        MDCacheMeta,
                        (True, age_ns / 1e6, False, False, False, "fresh", entry.source, entry.update_id, entry.depth),
                    )
                if entry.reads.refreshing and age_ns <= entry.stale_ns[use_case]:
                    entry.reads.stale += 1
                    if self._metrics is not None:
                        self._ledger.hit(symbol, age_ns)
                    if use_case == "pricing":
                        self._ledger.stale_use("pricing_threshold")
                    return view, _meta(
                        MDCacheMeta,
                        (True, age_ns / 1e6, True, False, False, "stale", entry.source, entry.update_id, entry.depth),
                    )
        if not self._enabled:
            return await self._reads.direct(symbol, depth)
        request = self._request(depth, max_age_ms, fresh_only, expected_update_id, use_case)
        return await self._reads.read(symbol, request)

    def peek(self, symbol: str, depth: int = 50, use_case: str = "general") -> BookView | None:
        """The book if it is fresh for ``use_case``, without awaiting and without counting as a read; else None."""
        try:  # subscripts: a `get` for each would cost more than the whole comparison
            entry = self._entries[symbol]
            if self._now_ns() - entry.pulse.alive_ns <= entry.fresh_ns[use_case]:
                return entry.views[depth]
        except KeyError:
            pass  # nothing cached, no such use case, or the first read of that depth after a change
        return self._peek_again(symbol, depth, use_case)

    # --- the stream

    def on_book(
        self, symbol: str, message: Snapshot | Delta, *, connection: str = "main", depth: int | None = None
    ) -> StreamAction:
        """A snapshot or delta of a symbol's stream; the cache keeps the book from then on.

        Parameters
        ----------
        symbol
            The instrument.
        message
            A `Snapshot` without an epoch is one that the venue pushed in the stream itself. One that you fetched beside
            it carries the `epoch` of `stream` at the time of asking. A `Delta` carries the ids of the venue's rule.
        connection
            The socket it came on. A second one for the same symbol is kept up beside the first (make before break): its
            book is served once the first one's is lost, silent or disconnected.
        depth
            Levels a side that the subscription covers, where it is cut at a depth: levels that fall out of it are
            dropped, because the venue does not say what becomes of them. None: the whole book.

        Returns
        -------
        calib.market.stream.messages.Action
            What became of it; ``DROPPED`` too where more symbols than ``max_symbols`` have a stream.
        """
        if not self._enabled:
            return StreamAction.DROPPED
        return self._ingest.on_book(symbol, message, connection=connection, depth=depth)

    def on_alive(self, connection: str = "main", sequence: int | None = None) -> None:
        """Any frame of a connection, a ping or another symbol's: its quiet books are as fresh as that.

        ``sequence`` is the frame's number, where the venue counts the frames of a connection (rule ``connection``).
        """
        if self._enabled:
            self._ingest.on_alive(connection, sequence)

    def on_connect(self, connection: str = "main") -> None:
        """A connection was made again: its books are void (reason ``reconnect``) and resynced."""
        if self._enabled:
            self._ingest.on_connect(connection)

    def on_disconnect(self, connection: str = "main") -> None:
        """A connection is gone: its books are void until `on_connect`."""
        if self._enabled:
            self._ingest.on_disconnect(connection)

    def resync(self, symbol: str) -> bool:
        """Bring one symbol's stream in sync soon, without touching the others of its connection.

        A stream without a verified book begins its attempts again with the first; one with a book keeps it, and asks
        for a snapshot behind it. Where the venue pushes its snapshots, subscribe to the symbol again beside this.

        Returns
        -------
        bool
            Whether the symbol has a stream on a connection that stands.
        """
        state = self._states.get(symbol)
        return state is not None and self._ingest.resync(state)

    def stream(self, symbol: str) -> BookStream | None:
        """The symbol's stream with its state, epoch and counts; None where only the callback fills."""
        state = self._states.get(symbol)
        return None if state is None else state.stream

    def entry(self, symbol: str) -> MDCacheEntry | None:
        """What is cached of a symbol, with its age and standing; not counted as a read."""
        state = self._states.get(symbol) if self._enabled else None
        return None if state is None else self._reads.current_entry(state, self._now_ns())

    def connection(self, name: str = "main") -> ConnectionHealth | None:
        """The health of a connection: last frame, gaps, reconnects, state; None where nothing came on it."""
        return self._ingest.connection(name)

    def now_ns(self) -> int:
        """The monotonic time by which the cache measures ages."""
        return self._now_ns()

    # --- dropping

    def invalidate(self, symbol: str, reason: str = "manual") -> bool:
        """Drop what is cached of a symbol, and what is on its way; True where there was any.

        ``reason`` is counted: ``ws_gap``, ``rewind``, ``price_jump``, ``reconnect`` or ``manual``. A stream's verified
        book is dropped for a ``price_jump`` once a second at most; a stream that is getting in sync goes on with that.
        """
        state = self._states.get(symbol)
        if state is None or self._ingest.keeps_book(state, reason):
            return False
        dropped = self._store.drop(state, reason)
        self._ingest.reset_stream(state, reason)
        return dropped

    def invalidate_all(self, reason: str = "manual") -> int:
        """Drop everything; the number of symbols that had anything."""
        return sum(self.invalidate(symbol, reason) for symbol in list(self._states))

    async def close(self) -> None:
        """Cancel the refreshes that run; their waiters get ``unavailable``."""
        for state in list(self._states.values()):
            for slot in state.slots():
                self._sync.cancel(slot)
            await state.refresh.close()

    # --- what it has done

    def get_hit_ratio(self, symbol: str | None = None) -> float | None:
        """(fresh + stale) / reads, of a symbol or of all; None without reads."""
        return self._report.hit_ratio(symbol)

    def cache_counts(self) -> CacheCounts:
        """Reads of all symbols that were answered from the cache, and those that were not; for the policy's monitor."""
        statuses = self._ledger.statuses(state.ledger for state in self._states.values())
        hit = hits(statuses)
        return CacheCounts(hit, sum(statuses.values()) - statuses["direct"] - hit)

    def get_cache_age_ms(self, symbol: str) -> float | None:
        """Age of the cached book, ms; None where there is none."""
        entry = self.entry(symbol)
        return None if entry is None else entry.age_ms(self._now_ns())

    def get_refresh_latency_p95(self, symbol: str | None = None) -> float | None:
        """95th percentile (linear) of the last 256 refreshes of a symbol, or of all symbols, ms; None without any."""
        return self._report.refresh_latency_p95_ms(symbol)

    def observe(self) -> CacheObservation:
        """What the cache holds and has counted, for another thread; nothing is awaited or changed."""
        return observe(self._states, self._entries, self._ledger, self._now_ns())

    def metrics_summary(self) -> dict[str, Any]:
        """Everything counted, over all symbols and by symbol; a new dict of plain values."""
        return self._report.summary(self._now_ns(), enabled=self.enabled, mode=self.config.mode)

    # --- how

    def _request(
        self, depth: int, max_age_ms: float | None, fresh_only: bool, expected_update_id: int | None, use_case: str
    ) -> Request:
        if depth.__class__ is not int or not 1 <= depth <= self.config.max_depth:
            raise DepthError(
                f"a depth of {depth!r} was asked for",
                hint=f"Allowed: whole number from 1 to max_depth, which is {self.config.max_depth}",
            )
        if max_age_ms is not None and not (max_age_ms >= 0 and math.isfinite(max_age_ms)):
            raise MaxAgeError(f"max_age_ms is {max_age_ms!r}", hint="Allowed: a number of at least 0, or None")
        max_age_ns = None if max_age_ms is None else round(max_age_ms * NS_PER_MS)
        return Request(UseCase.checked(use_case), depth, max_age_ns, fresh_only, expected_update_id)

    def _new_state(self, symbol: str) -> SymbolState:
        config = self.config
        refresh = Refresh(symbol, self._callback or no_callback, self._sync, config.refresh_timeout_ms * NS_PER_MS)
        first_ms, cap_ms = config.refresh_backoff_ms, config.refresh_backoff_cap_ms
        backoff = Backoff(first_ms, cap_ms, jitter=config.refresh_backoff_jitter, spread_first=False)
        return SymbolState(symbol, refresh, RefreshBackoff(backoff, self._rng))

    def _freeze(self, symbol: str, depth: int, use_case: str) -> bool:
        """Freeze the view that a read missed; False where something else stood against it."""
        entry = self._entries.get(symbol)
        return (
            entry is not None
            and use_case in entry.fresh_ns
            and entry.view(depth) is not None
            and depth in entry.views  # one with an empty side is not among them
        )

    def _peek_again(self, symbol: str, depth: int, use_case: str) -> BookView | None:
        """Nothing at first sight; but a connection may have spoken since a refresh confirmed its book."""
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
