"""The entries of the cache and the states of its symbols, with a bound on their number."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from calib.clock import NS_PER_S
from calib.market.cache.entry import Bounds
from calib.market.cache.freshness import NEVER, Facts, Limits, ReadAction, Request, TrustLevel, UseCase, decide

if TYPE_CHECKING:
    from collections.abc import Callable

    from calib.market.cache.entry import MDCacheEntry
    from calib.market.cache.stats import CacheStats
    from calib.market.cache.symbol_state import SymbolState


BUSY_NS: Final = 10 * NS_PER_S
"""A symbol with a stream message within this time is not evicted to make room for a symbol evicted before."""


class EntryTable:
    """The cached entries, and the states of the symbols in the order of their last write.

    Beyond the maximum the least recently written symbol is evicted. With more streams than places that rule alone would
    thrash: each message of an evicted symbol would take a place, evict another symbol and require a new snapshot. So an
    evicted symbol is admitted again only when another one has had no message for `BUSY_NS`; until then its messages are
    refused and counted.

    Parameters
    ----------
    limits
        The bounds of freshness.
    stats
        Counts drops and evictions.
    max_symbols
        Maximum size of both maps.
    new_state
        Creates the state of a symbol.
    now_ns
        Monotonic time.
    """

    __slots__ = (
        "_evicted",
        "_full_until_ns",
        "_max_symbols",
        "_new_state",
        "_now_ns",
        "bounds",
        "entries",
        "live_bounds",
        "states",
        "stats",
    )  # fmt: skip

    def __init__(
        self,
        limits: Limits,
        stats: CacheStats,
        max_symbols: int,
        new_state: Callable[[str], SymbolState],
        now_ns: Callable[[], int],
    ) -> None:
        self.stats: Final = stats
        self.entries: Final[dict[str, MDCacheEntry]] = {}
        self.states: Final[OrderedDict[str, SymbolState]] = OrderedDict()
        self.bounds: Final = {trust: bounds_of(limits, trust) for trust in TrustLevel}
        # A silent stream's book is SUSPECT: the fastest read path must not serve it as fresh for pricing or guards.
        live = self.bounds[TrustLevel.LIVE]
        fresh_ns = {
            name: bound if name in (UseCase.GENERAL, UseCase.ANALYTICS) else min(bound, limits.silence_ns)
            for name, bound in live.fresh_ns.items()
        }
        self.live_bounds: Final = Bounds(fresh_ns, live.stale_ns)
        self._max_symbols = max_symbols
        self._new_state = new_state
        self._now_ns = now_ns
        self._evicted: OrderedDict[str, None] = OrderedDict()
        self._full_until_ns = 0

    def state(self, symbol: str) -> SymbolState:
        """Return the state of a symbol for a read; created if missing."""
        state = self.states.get(symbol)
        if state is None:
            state = self.states[symbol] = self._new_state(symbol)
            self.evict(spare=symbol)
        return state

    def stream_state(self, symbol: str) -> SymbolState | None:
        """Return the state of a symbol for a stream message; None if there is no place for it."""
        state = self.states.get(symbol)
        if state is None:
            if symbol in self._evicted and not self._may_readmit():
                return None
            self._evicted.pop(symbol, None)
            state = self.states[symbol] = self._new_state(symbol)
            self.evict(spare=symbol, include_busy=True)
        state.last_message_ns = self._now_ns()
        return state

    def current_entry(self, state: SymbolState, now_ns: int) -> MDCacheEntry | None:
        """The cached entry, updated with its connection's latest heartbeat and silence."""
        entry = self.entries.get(state.symbol)
        if entry is None or entry.stream is None or entry is not state.live:
            return entry
        link = entry.stream.connection
        if link.alive_ns is not None and link.alive_ns > entry.last_seen.alive_ns:
            entry.last_seen = link  # type: ignore[assignment]  # alive_ns is set, so it satisfies LastSeen
        if entry.trust is TrustLevel.LIVE and entry.stream.suspect(now_ns):
            entry.set_trust(TrustLevel.SUSPECT, self.bounds[TrustLevel.SUSPECT])
        return entry

    def put(self, state: SymbolState, entry: MDCacheEntry) -> None:
        """Store an entry. This is a write: it moves the symbol to the end of the eviction order (reads do not)."""
        self.entries[state.symbol] = entry
        self.states.move_to_end(state.symbol)

    def drop(self, state: SymbolState, reason: str) -> bool:
        """Drop the entry and the result of a running refresh; True, and counted, if there was one."""
        dropped = self.entries.pop(state.symbol, None) is not None or state.refresh.running
        if state.active is not None:
            state.active.entry = None
        state.refresh.invalidated()
        if dropped:
            self.stats.invalidated(state.stats, reason)
        return dropped

    def evict(self, *, spare: str | None = None, include_busy: bool = False) -> None:
        """Evict the least recently written symbols, except ``spare`` and those with a running refresh.

        A symbol with an active stream is evicted only with ``include_busy``, for the first message of another stream.
        """
        while len(self.states) > self._max_symbols:
            victim = self._victim(spare) or (self._victim(spare, include_busy=True) if include_busy else None)
            if victim is None:
                return
            state = self.states.pop(victim)
            for slot in state.slots():
                if slot.timer is not None:
                    slot.timer.cancel()
            self.entries.pop(victim, None)
            self.stats.evicted(victim, state.stats)
            if state.active is not None:
                self._evicted[victim] = None
                if len(self._evicted) > self._max_symbols:
                    self._evicted.popitem(last=False)

    def _may_readmit(self) -> bool:
        """Whether an evicted symbol may be admitted again. Evaluated only once until the result can change."""
        now_ns = self._now_ns()
        if len(self.states) < self._max_symbols:
            return True
        if now_ns < self._full_until_ns:
            return False
        quiet = min(
            (state.last_message_ns for state in self.states.values() if state.last_message_ns is not None),
            default=now_ns,
        )
        self._full_until_ns = quiet + BUSY_NS
        return self._victim(None) is not None

    def _victim(self, spare: str | None, *, include_busy: bool = False) -> str | None:
        now_ns = self._now_ns()
        for symbol, state in self.states.items():
            busy = state.last_message_ns is not None and now_ns - state.last_message_ns <= BUSY_NS
            if symbol != spare and not state.refresh.running and (include_busy or not busy):
                return symbol
        return None


def bounds_of(limits: Limits, trust: TrustLevel) -> Bounds:
    """The bounds of a trust level, derived from `decide`: the fast paths must follow the same rules."""
    fresh_ns = {use_case.value: limits.fresh_ns(trust, use_case) for use_case in UseCase}
    stale_ns = {}
    for use_case in UseCase:
        oldest = Facts(limits.hard_ttl_ns, trust, depth=1, update_id=None)
        stale = decide(oldest, Request(use_case, depth=1), limits).action is ReadAction.STALE
        stale_ns[use_case.value] = limits.hard_ttl_ns if stale else NEVER
    return Bounds(fresh_ns, stale_ns)
