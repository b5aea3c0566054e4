"""What the cache keeps: books and symbols, bounded."""

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
"""A symbol whose stream has spoken within this time keeps its place against those that had to go before."""


class EntryTable:
    """The cached books, and the symbols' states in the order of their last write.

    Past the bound the symbol written longest ago goes. With more streams than places that alone would never end: each
    message of a symbol without a place would take one, and with it a book that must be fetched again. So a symbol that
    had to go comes back only when one of the others has been quiet for `BUSY_NS`; until then its messages are refused
    and counted.

    Parameters
    ----------
    limits
        The bounds of freshness.
    ledger
        Where drops and evictions are counted.
    max_symbols
        Bound of both maps.
    new_state
        Makes a symbol's state.
    now_ns
        Monotonic time.
    """

    __slots__ = ("_evicted", "_full_until_ns", "_max_symbols", "_new_state", "_now_ns", "bounds", "entries", "ledger",
                 "live_bounds", "states")  # fmt: skip

    def __init__(
        self,
        limits: Limits,
        ledger: CacheStats,
        max_symbols: int,
        new_state: Callable[[str], SymbolState],
        now_ns: Callable[[], int],
    ) -> None:
        self.ledger: Final = ledger
        self.entries: Final[dict[str, MDCacheEntry]] = {}
        self.states: Final[OrderedDict[str, SymbolState]] = OrderedDict()
        self.bounds: Final = {standing: bounds_of(limits, standing) for standing in TrustLevel}
        # A stream's book is suspect past the silence: the fastest path must not call it fresh for pricing or guards.
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
        """The symbol's state, for a read; a new one where there is none."""
        state = self.states.get(symbol)
        if state is None:
            state = self.states[symbol] = self._new_state(symbol)
            self.evict(spare=symbol)
        return state

    def streamed(self, symbol: str) -> SymbolState | None:
        """The symbol's state, for a message of its stream; None where there is no place for it."""
        state = self.states.get(symbol)
        if state is None:
            if symbol in self._evicted and not self._has_room():
                return None
            self._evicted.pop(symbol, None)
            state = self.states[symbol] = self._new_state(symbol)
            self.evict(spare=symbol, busy_too=True)
        state.fed_ns = self._now_ns()
        return state

    def current_entry(self, state: SymbolState, now_ns: int) -> MDCacheEntry | None:
        """The cached entry as it must be judged now, its connection's later signs of life and silence considered."""
        entry = self.entries.get(state.symbol)
        if entry is None or entry.stream is None or entry is not state.live:
            return entry
        link = entry.stream.connection
        if link.alive_ns is not None and link.alive_ns > entry.pulse.alive_ns:
            entry.pulse = link  # type: ignore[assignment]  # a connection that has spoken is a LastSeen
        if entry.standing is TrustLevel.LIVE and entry.stream.suspect(now_ns):
            entry.stand(TrustLevel.SUSPECT, self.bounds[TrustLevel.SUSPECT])
        return entry

    def put(self, state: SymbolState, entry: MDCacheEntry) -> None:
        """Keep a book: a write, which the order of eviction follows (reads do not touch it)."""
        self.entries[state.symbol] = entry
        self.states.move_to_end(state.symbol)

    def drop(self, state: SymbolState, reason: str) -> bool:
        """Drop the book, and what is on its way; True, and counted, where there was any."""
        dropped = self.entries.pop(state.symbol, None) is not None or state.refresh.running
        if state.active is not None:
            state.active.entry = None
        state.refresh.invalidated()
        if dropped:
            self.ledger.invalidated(state.ledger, reason)
        return dropped

    def evict(self, *, spare: str | None = None, busy_too: bool = False) -> None:
        """Let the symbols go that were written longest ago, but none that is being refreshed, nor ``spare``.

        One whose stream speaks goes only with ``busy_too``, for the first message of another stream.
        """
        while len(self.states) > self._max_symbols:
            victim = self._victim(spare) or (self._victim(spare, busy_too=True) if busy_too else None)
            if victim is None:
                return
            state = self.states.pop(victim)
            for slot in state.slots():
                if slot.timer is not None:
                    slot.timer.cancel()
            self.entries.pop(victim, None)
            self.ledger.evicted(victim, state.ledger)
            if state.active is not None:
                self._evicted[victim] = None
                if len(self._evicted) > self._max_symbols:
                    self._evicted.popitem(last=False)

    def _has_room(self) -> bool:
        """Whether a symbol that had to go may come back. Looked up once until the answer can change."""
        now_ns = self._now_ns()
        if len(self.states) < self._max_symbols:
            return True
        if now_ns < self._full_until_ns:
            return False
        quiet = min((state.fed_ns for state in self.states.values() if state.fed_ns is not None), default=now_ns)
        self._full_until_ns = quiet + BUSY_NS
        return self._victim(None) is not None

    def _victim(self, spare: str | None, *, busy_too: bool = False) -> str | None:
        now_ns = self._now_ns()
        for symbol, state in self.states.items():
            busy = state.fed_ns is not None and now_ns - state.fed_ns <= BUSY_NS
            if symbol != spare and not state.refresh.running and (busy_too or not busy):
                return symbol
        return None


def bounds_of(limits: Limits, standing: TrustLevel) -> Bounds:
    """The bounds of a standing, taken from `decide` itself: the fast paths must not have rules of their own."""
    fresh_ns = {use_case.value: limits.fresh_ns(standing, use_case) for use_case in UseCase}
    stale_ns = {}
    for use_case in UseCase:
        oldest = Facts(limits.hard_ttl_ns, standing, depth=1, update_id=None)
        stale = decide(oldest, Request(use_case, depth=1), limits).action is ReadAction.STALE
        stale_ns[use_case.value] = limits.hard_ttl_ns if stale else NEVER
    return Bounds(fresh_ns, stale_ns)
