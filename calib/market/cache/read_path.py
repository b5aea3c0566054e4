"""The slow path of a read: reads that are not a fresh hit are decided, waited for and answered here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from calib.clock import NS_PER_MS
from calib.market.cache.entry import MDCacheMeta
from calib.market.cache.freshness import (
    Limits,
    ReadAction,
    ReadDecision,
    Request,
    Source,
    UseCase,
    decide,
    decide_refreshed,
    last_resort,
)
from calib.market.cache.snapshot_payload import read_body
from calib.market.stream.messages import Reason

if TYPE_CHECKING:
    from collections.abc import Callable

    from calib.market.book.order_book import BookView
    from calib.market.cache.entry import MDCacheEntry
    from calib.market.cache.entry_table import EntryTable
    from calib.market.cache.refresh import RefreshCallback
    from calib.market.cache.snapshot_sync import SnapshotSync
    from calib.market.cache.symbol_state import SymbolState

    Answer = tuple[BookView | None, MDCacheMeta]


_STATUSES: Final = {ReadAction.FRESH: "fresh", ReadAction.STALE: "stale", ReadAction.WITHHOLD: "withheld"}


class ReadPath:
    """Answers reads by `decide` and `decide_refreshed`.

    Parameters
    ----------
    table
        The cached entries.
    sync
        Requests a snapshot when a read shows that the book may be wrong.
    callback
        The bot's fetch; None if only a stream fills the cache.
    limits
        The bounds of freshness.
    now_ns
        Monotonic time.
    default_source
        Source of bodies that do not name one.
    """

    __slots__ = ("_callback", "_default_source", "_limits", "_now_ns", "_sync", "_table")

    def __init__(
        self,
        table: EntryTable,
        sync: SnapshotSync,
        callback: RefreshCallback | None,
        limits: Limits,
        now_ns: Callable[[], int],
        default_source: Source,
    ) -> None:
        self._table = table
        self._sync = sync
        self._callback = callback
        self._limits = limits
        self._now_ns = now_ns
        self._default_source = default_source

    async def direct(self, symbol: str, depth: int) -> Answer:
        """Answer a read while the cache is disabled: call the callback; its errors are counted, not raised."""
        stats, symbol_stats = self._table.stats, self._table.state(symbol).stats
        began_ns = self._now_ns()
        try:
            body = await (self._callback or no_callback)(symbol, depth)
            view, source = read_body(symbol, body, depth, self._default_source)
        except Exception as error:
            stats.failed(symbol_stats, repr(error))
            return None, _empty_meta("unavailable")
        stats.read(symbol, symbol_stats, "direct", None)
        age_ms = (self._now_ns() - began_ns) / NS_PER_MS
        return view, MDCacheMeta(False, age_ms, False, False, False, "direct", source.value, view.update_id, None)

    async def read(self, symbol: str, request: Request) -> Answer:
        """Answer a read that no fast path could answer."""
        now_ns = self._now_ns()
        state = self._table.state(symbol)
        state.refresh.leave_dead_loop()
        entry = self.current_entry(state, now_ns)
        decision = decide(None if entry is None else entry.facts(now_ns), request, self._limits)
        cached_depth = None if entry is None else entry.depth
        joined = state.refresh.running
        self._record_and_invalidate(state, entry, decision, request, now_ns)
        if entry is None or decision.action is ReadAction.WAIT:
            return await self._wait(state, request, decision, cached_depth, joined=joined)
        if decision.action is not ReadAction.FRESH:
            self._refresh_behind(state, request.depth)
        if decision.action is ReadAction.STALE and request.use_case is UseCase.PRICING:
            self._table.stats.stale_use("pricing_threshold")
        return self._answer(state, entry, request, now_ns, _STATUSES[decision.action], decision, cached_depth)

    def current_entry(self, state: SymbolState, now_ns: int) -> MDCacheEntry | None:
        """The cached entry as of now; also schedules snapshot requests that were deferred without a running loop."""
        for slot in state.slots():
            if slot.deferred is not None:
                self._sync.check_timer(state, slot)
        return self._table.current_entry(state, now_ns)

    # --- internals

    def _record_and_invalidate(
        self, state: SymbolState, entry: MDCacheEntry | None, decision: ReadDecision, request: Request, now_ns: int
    ) -> None:
        """Count why the cached book was not served; drop it, or request a snapshot in the background."""
        stats = self._table.stats
        stats.sequence_gaps += decision.sequence_gap
        stats.lagging_reads += decision.lagging
        if decision.invalidate is not None:
            self._table.drop(state, decision.invalidate)
        if decision.ahead:
            self._sync.request_snapshot(state, Reason.READER, now_ns)
        if decision.depth_miss and entry is not None:
            stats.depth_missed(request.depth, entry.depth)
            if state.active is not None and entry.stream is not None and request.depth <= state.active.depth:
                self._sync.request_snapshot(state, Reason.DEPTH, now_ns)

    async def _wait(
        self, state: SymbolState, request: Request, decision: ReadDecision, cached_depth: int | None, *, joined: bool
    ) -> Answer:
        """Wait for a refresh, and apply the rules again when the reader resumes."""
        refresh = state.refresh
        entry: MDCacheEntry | None = None
        if refresh.running or self._may_start(state, self._now_ns(), guard=request.as_guard):
            timeout_ns = self._limits.guard_timeout_ns if request.as_guard else None
            entry = await refresh.wait(request.depth, join_ns=decision.join_ns, timeout_ns=timeout_ns)
        if entry is None:
            return self._without(state, request, decision, cached_depth)
        now_ns = self._now_ns()
        facts = entry.facts(now_ns)
        action = decide_refreshed(facts, request, self._limits)
        if action is None:
            behind = (request.expected_update_id or 0) > (facts.update_id or 0)
            return self._without(state, request, decision, cached_depth, behind=behind)
        if action is ReadAction.WITHHOLD:
            return self._answer(state, entry, request, now_ns, "withheld", decision, cached_depth)
        stale = action is ReadAction.STALE
        if stale and request.use_case is UseCase.PRICING:
            self._table.stats.stale_use("pricing_threshold")
        status = "coalesced" if joined else "miss"
        return self._answer(state, entry, request, now_ns, status, decision, cached_depth, stale=stale)

    def _without(
        self,
        state: SymbolState,
        request: Request,
        decision: ReadDecision,
        cached_depth: int | None,
        *,
        behind: bool = False,
    ) -> Answer:
        """Answer a read whose refresh failed, timed out, or brought a book that the reader may not have."""
        now_ns = self._now_ns()
        entry = self.current_entry(state, now_ns)
        facts = None if entry is None else entry.facts(now_ns)
        if entry is not None and decide(facts, request, self._limits).action is ReadAction.FRESH:
            # The stream delivered a fresh book meanwhile.
            return self._answer(state, entry, request, now_ns, "fresh", decision, cached_depth)
        if entry is not None and request.as_guard and last_resort(facts, request, self._limits):
            self._table.stats.stale_use("guard_block")
            return self._answer(state, entry, request, now_ns, "stale", decision, cached_depth)
        self._table.stats.read(state.symbol, state.stats, "unavailable", None)
        return None, _empty_meta("unavailable", decision.depth_miss, decision.sequence_gap or behind, cached_depth)

    def _answer(
        self,
        state: SymbolState,
        entry: MDCacheEntry,
        request: Request,
        now_ns: int,
        status: str,
        decision: ReadDecision,
        cached_depth: int | None,
        *,
        stale: bool = False,
    ) -> Answer:
        age_ms = entry.age_ms(now_ns)
        self._table.stats.read(state.symbol, state.stats, status, age_ms)
        withheld = status == "withheld"
        return None if withheld else entry.view(request.depth), MDCacheMeta(
            status in ("fresh", "stale"),
            age_ms,
            stale or status == "stale",
            decision.depth_miss,
            decision.sequence_gap,
            status,
            None if withheld else entry.source,
            None if withheld else entry.update_id,
            cached_depth,
        )

    def _may_start(self, state: SymbolState, now_ns: int, *, guard: bool) -> bool:
        if self._callback is None or state.failed(now_ns):
            return False
        return guard or not state.backoff.blocks(now_ns)

    def _refresh_behind(self, state: SymbolState, depth: int) -> None:
        """Start a refresh in the background, unless one runs or a backoff is in effect."""
        if not state.refresh.running and self._may_start(state, self._now_ns(), guard=False):
            state.refresh.start(depth)


async def no_callback(symbol: str, depth: int) -> Any:
    """The refresh callback of a cache without one."""
    raise LookupError(f"no refresh callback to fetch {symbol}")


def _empty_meta(
    status: str, depth_miss: bool = False, sequence_gap: bool = False, cached_depth: int | None = None
) -> MDCacheMeta:
    return MDCacheMeta(False, None, False, depth_miss, sequence_gap, status, None, None, cached_depth)
