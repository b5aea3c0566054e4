"""The market-data cache: a fresh book without waiting, and never one that its reader may not have."""

from __future__ import annotations

import math
import random
import time
from typing import Any, Final

from calib.clock import NS_PER_MS, Clock
from calib.errors import DepthError, MaxAgeError
from calib.market.book.order_book import BookView
from calib.market.cache.config import MDCacheConfig
from calib.market.cache.entry import MDCacheEntry, MDCacheMeta
from calib.market.cache.entry_table import EntryTable
from calib.market.cache.filling import Filling
from calib.market.cache.freshness import (
    POLICY_NS,
    Limits,
    ReadAction,
    ReadDecision,
    Request,
    Source,
    TrustLevel,
    UseCase,
    decide,
    last_resort,
    sequence_verdict,
)
from calib.market.cache.ingest import Ingest
from calib.market.cache.protocols import CacheMetrics
from calib.market.cache.refresh import Refresh, RefreshCallback
from calib.market.cache.refresh_backoff import RefreshBackoff
from calib.market.cache.snapshot_payload import read_body
from calib.market.cache.stats import CacheStats, hit_ratio, hits, latency_p95_ms, symbol_summary
from calib.market.cache.symbol_state import SymbolState
from calib.market.stream.book_stream import BookStream
from calib.market.stream.messages import Action as StreamAction
from calib.market.stream.messages import Delta, Snapshot
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
        Told of hits, misses, ages, refreshes, invalidations; see `CacheMetrics`.
    policy
        What the cache registers with before it holds anything; it may raise. Default: the process's
        `calib.policy.CacheComplianceMonitor`. To switch that off: ``calib.policy.Unmonitored(reason="...")``.
    rng
        Where the jitter of pauses comes from; a seeded one makes a simulation repeatable.
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
    ) -> None:
        self.config = config
        self._callback = refresh_callback
        self._now_ns = time.monotonic_ns if clock is None else clock.monotonic_ns
        self._metrics = metrics
        self._rng = random.Random() if rng is None else rng
        self._limits = Limits.of(config)
        self._default_source = Source(config.refresh_source)
        self._ledger = CacheStats(metrics)
        self._store = EntryTable(self._limits, self._ledger, config.max_symbols, self._new_state)
        self._states = self._store.states
        self._entries: dict[str, MDCacheEntry] = {}  # the store's own while the cache is enabled
        self._ingest = Ingest(config, self._store, self._now_ns, self._rng, can_fetch=refresh_callback is not None)
        self._filling = Filling(self._store, self._ingest, self._now_ns, self._default_source)
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

        ``reason`` is for the log of whoever calls; the emergency procedure of `calib.policy` does.
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
        """The book of a symbol, and how it was come by.

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
            return await self._direct(symbol, depth)
        request = self._request(depth, max_age_ms, fresh_only, expected_update_id, use_case)
        return await self._read(symbol, request)

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
            The socket it came on; its signs of life vouch for all books it carries.
        depth
            Levels a side that the subscription covers; None: the whole book, thus ``max_depth``.

        Returns
        -------
        calib.market.stream.messages.Action
            What became of it.
        """
        if not self._enabled:
            return StreamAction.DROPPED
        return self._ingest.on_book(symbol, message, connection=connection, depth=depth)

    def on_alive(self, connection: str = "main") -> None:
        """Any frame of a connection, a ping or another symbol's: its quiet books are as fresh as that."""
        if self._enabled:
            self._ingest.on_alive(connection)

    def on_connect(self, connection: str = "main") -> None:
        """A connection was made again: its books are void (reason ``reconnect``) and resynced."""
        if self._enabled:
            self._ingest.on_connect(connection)

    def on_disconnect(self, connection: str = "main") -> None:
        """A connection is gone: its books are void until `on_connect`."""
        if self._enabled:
            self._ingest.on_disconnect(connection)

    def stream(self, symbol: str) -> BookStream | None:
        """The symbol's stream with its state, epoch and counts; None where only the callback fills."""
        state = self._states.get(symbol)
        return None if state is None else state.stream

    def entry(self, symbol: str) -> MDCacheEntry | None:
        """What is cached of a symbol, with its age and standing; not counted as a read."""
        state = self._states.get(symbol) if self._enabled else None
        return None if state is None else self._ingest.look(state, self._now_ns())

    def connection(self, name: str = "main") -> ConnectionHealth | None:
        """The health of a connection: last frame, gaps, reconnects, state; None where nothing came on it."""
        return self._ingest.connection(name)

    def now_ns(self) -> int:
        """The monotonic time by which the cache measures ages."""
        return self._now_ns()

    # --- dropping

    def invalidate(self, symbol: str, reason: str = "manual") -> bool:
        """Drop what is cached of a symbol, and what is on its way; True where there was any.

        ``reason`` is counted: ``ws_gap``, ``rewind``, ``price_jump``, ``reconnect`` or ``manual``.
        """
        state = self._states.get(symbol)
        if state is None:
            return False
        dropped = self._store.drop(state, reason)
        self._ingest.doubt(state, reason)
        return dropped

    def invalidate_all(self, reason: str = "manual") -> int:
        """Drop everything; the number of symbols that had anything."""
        return sum(self.invalidate(symbol, reason) for symbol in list(self._states))

    async def close(self) -> None:
        """Cancel the refreshes that run; their waiters get ``unavailable``."""
        for state in list(self._states.values()):
            state.stop_timer()
            await state.refresh.close()

    # --- what it has done

    def get_hit_ratio(self, symbol: str | None = None) -> float | None:
        """(fresh + stale) / reads, of a symbol or of all; None without reads."""
        if symbol is None:
            return hit_ratio(self._ledger.statuses(state.ledger for state in self._states.values()))
        state = self._states.get(symbol)
        return None if state is None else hit_ratio(state.ledger.by_status())

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
        if symbol is None:
            return latency_p95_ms(state.ledger for state in self._states.values())
        state = self._states.get(symbol)
        return None if state is None else latency_p95_ms([state.ledger])

    def metrics_summary(self) -> dict[str, Any]:
        """Everything counted, over all symbols and by symbol; a new dict of plain values."""
        now_ns = self._now_ns()
        ledgers = [state.ledger for state in self._states.values()]
        statuses = self._ledger.statuses(ledgers)
        return {
            "enabled": self.enabled,
            "mode": self.config.mode,
            "size": len(self._entries),
            "inflight_refreshes": sum(state.refresh.running for state in self._states.values()),
            "reads": statuses,
            "hit_ratio": hit_ratio(statuses),
            "refreshes": sum(ledger.refreshes for ledger in ledgers),
            "refresh_failures": sum(ledger.failures for ledger in ledgers),
            "refresh_latency_p95_ms": latency_p95_ms(ledgers),
            "invalidations": self._ledger.invalidations(),
            "depth_misses": self._ledger.depth_misses,
            "sequence_gaps": self._ledger.sequence_gaps,
            "pricing_on_stale": dict(self._ledger.pricing_on_stale),
            "evictions": self._ledger.evictions,
            "symbols": {symbol: self._summary(self._states[symbol], now_ns) for symbol in sorted(self._states)},
        }

    # --- the slow paths of a read

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

    async def _direct(self, symbol: str, depth: int) -> Answer:
        """The cache is switched off: the callback's own answer, with its errors counted and not raised."""
        ledger = self._store.state(symbol).ledger
        began_ns = self._now_ns()
        try:
            body = await (self._callback or _no_callback)(symbol, depth)
            view, source = read_body(symbol, body, depth, self._default_source)
        except Exception as error:
            ledger.failures += 1
            ledger.last_error = repr(error)
            return None, _nothing("unavailable")
        self._ledger.read(symbol, ledger, "direct", None)
        age_ms = (self._now_ns() - began_ns) / NS_PER_MS
        return view, MDCacheMeta(False, age_ms, False, False, False, "direct", source.value, view.update_id, None)

    async def _read(self, symbol: str, request: Request) -> Answer:
        now_ns = self._now_ns()
        state = self._store.state(symbol)
        entry = self._ingest.look(state, now_ns)
        decision = decide(None if entry is None else entry.facts(now_ns), request, self._limits)
        have = None if entry is None else entry.depth
        self._note(state, decision, request, have)
        if entry is None or decision.action is ReadAction.WAIT:
            return await self._wait(state, request, decision, have)
        if decision.action is not ReadAction.FRESH:
            self._refresh_behind(state, request.depth)
        if decision.action is ReadAction.WITHHOLD:
            return self._answer(state, None, entry, now_ns, "withheld", decision, have)
        if decision.action is ReadAction.STALE and request.use_case is UseCase.PRICING:
            self._ledger.stale_use("pricing_threshold")
        view = entry.view(request.depth)
        return self._answer(state, view, entry, now_ns, decision.action.value, decision, have)

    def _note(self, state: SymbolState, decision: ReadDecision, request: Request, have: int | None) -> None:
        """Count what stood against the cached book, and drop it where it has to go."""
        if decision.sequence_gap:
            self._ledger.sequence_gaps += 1
        if decision.invalidate is not None:
            # Only the stream's own book speaks for the stream. If a REST body behind the reader did, every read would
            # start a stream anew that is still getting in sync, until it gave up.
            of_stream = state.live is not None and self._entries.get(state.symbol) is state.live
            self._store.drop(state, decision.invalidate)
            if of_stream:
                self._ingest.doubt(state, decision.invalidate)
        if decision.depth_miss and have is not None:
            self._ledger.depth_missed(request.depth, have)

    async def _wait(self, state: SymbolState, request: Request, decision: ReadDecision, have: int | None) -> Answer:
        """Wait for a refresh; what it brings was asked for by the rules, so it is served whatever its age came to."""
        refresh, read_ns = state.refresh, self._now_ns()
        joined = refresh.running
        entry: MDCacheEntry | None = None
        if joined or self._may_start(state, read_ns, guard=request.as_guard):
            timeout_ns = self._limits.guard_timeout_ns if request.as_guard else None
            entry = await refresh.wait(request.depth, join_ns=decision.join_ns, timeout_ns=timeout_ns)
        if entry is None:
            return self._without(state, request, decision, have)
        now_ns = self._now_ns()
        gap, invalidate = sequence_verdict(entry.update_id, request.expected_update_id, ranged=self._limits.ranged)
        view = entry.view(request.depth)
        if view is None or (gap and invalidate != "rewind") or entry.age_ns(now_ns) > POLICY_NS:
            return self._without(state, request, decision, have, behind=gap)
        # A slow refresh that began long before this read is no fresher than a cached book of that age.
        stale = read_ns - entry.pulse.alive_ns > self._limits.fresh_ns(TrustLevel.LIVE, request.use_case)
        if stale and request.use_case is UseCase.PRICING:
            self._ledger.stale_use("pricing_threshold")
        status = "coalesced" if joined else "miss"
        return self._answer(state, view, entry, now_ns, status, decision, have, stale=stale)

    def _without(
        self, state: SymbolState, request: Request, decision: ReadDecision, have: int | None, *, behind: bool = False
    ) -> Answer:
        """The refresh failed, was late, or brought what the reader may not have."""
        now_ns = self._now_ns()
        entry = self._ingest.look(state, now_ns)
        facts = None if entry is None else entry.facts(now_ns)
        if entry is not None and decide(facts, request, self._limits).action is ReadAction.FRESH:
            # The stream brought what the refresh did not.
            return self._answer(state, entry.view(request.depth), entry, now_ns, "fresh", decision, have)
        if entry is not None and request.as_guard and last_resort(facts, request, self._limits):
            self._ledger.stale_use("guard_block")
            return self._answer(state, entry.view(request.depth), entry, now_ns, "stale", decision, have)
        self._ledger.read(state.symbol, state.ledger, "unavailable", None)
        return None, _nothing("unavailable", decision.depth_miss, decision.sequence_gap or behind, have)

    def _answer(
        self,
        state: SymbolState,
        view: BookView | None,
        entry: MDCacheEntry,
        now_ns: int,
        status: str,
        decision: ReadDecision,
        have: int | None,
        *,
        stale: bool = False,
    ) -> Answer:
        age_ms = entry.age_ms(now_ns)
        hit = status in ("fresh", "stale")
        self._ledger.read(state.symbol, state.ledger, status, age_ms)
        used_stale = stale or status == "stale"
        meta = MDCacheMeta(
            hit,
            age_ms,
            used_stale,
            decision.depth_miss,
            decision.sequence_gap,
            status,
            entry.source,
            entry.update_id,
            have,
        )
        return view, meta

    # --- refreshing

    def _may_start(self, state: SymbolState, now_ns: int, *, guard: bool) -> bool:
        if self._callback is None or state.failed(now_ns):
            return False
        return guard or not state.pause.blocks(now_ns)

    def _refresh_behind(self, state: SymbolState, depth: int) -> None:
        """Refresh in the background, unless one runs or a pause forbids it."""
        if not state.refresh.running and self._may_start(state, self._now_ns(), guard=False):
            state.refresh.start(depth)

    def _new_state(self, symbol: str) -> SymbolState:
        config = self.config
        refresh = Refresh(symbol, self._callback or _no_callback, self._filling, config.refresh_timeout_ms * NS_PER_MS)
        pause = RefreshBackoff(
            config.refresh_backoff_ms, config.refresh_backoff_cap_ms, config.refresh_backoff_jitter, self._rng
        )
        return SymbolState(symbol, refresh, pause)

    def _freeze(self, symbol: str, depth: int, use_case: str) -> bool:
        """Freeze the view that a read missed; False where something else stood against it."""
        entry = self._entries.get(symbol)
        return entry is not None and use_case in entry.fresh_ns and entry.view(depth) is not None

    def _peek_again(self, symbol: str, depth: int, use_case: str) -> BookView | None:
        """Nothing at first sight; but a connection may have spoken since a refresh confirmed its book."""
        checked = UseCase.checked(use_case)
        state = self._states.get(symbol) if self._enabled else None
        if state is None:
            return None
        now_ns = self._now_ns()
        entry = self._ingest.look(state, now_ns)
        if entry is None or entry.age_ns(now_ns) > entry.fresh_ns[checked]:
            return None
        return entry.view(depth)

    def _summary(self, state: SymbolState, now_ns: int) -> dict[str, Any]:
        entry = self._ingest.look(state, now_ns)
        if state.stream is not None:
            standing = state.stream.state_at(now_ns).value
        else:
            standing = "none" if entry is None else entry.standing.value
        return symbol_summary(state.ledger, None if entry is None else entry.age_ms(now_ns), standing)


async def _no_callback(symbol: str, depth: int) -> Any:
    raise LookupError(f"there is no refresh callback to fetch {symbol} with")


def _nothing(status: str, depth_miss: bool = False, sequence_gap: bool = False, have: int | None = None) -> MDCacheMeta:
    return MDCacheMeta(False, None, False, depth_miss, sequence_gap, status, None, None, have)
