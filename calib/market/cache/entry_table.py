"""What the cache keeps: books and symbols, bounded."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

from calib.market.cache.entry import Bounds
from calib.market.cache.freshness import NEVER, Facts, Limits, ReadAction, Request, TrustLevel, UseCase, decide

if TYPE_CHECKING:
    from collections.abc import Callable

    from calib.market.cache.entry import MDCacheEntry
    from calib.market.cache.stats import CacheStats
    from calib.market.cache.symbol_state import SymbolState


class EntryTable:
    """The cached books, and the symbols' states in the order of their last write.

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
    """

    __slots__ = ("_max_symbols", "_new_state", "bounds", "entries", "ledger", "live_bounds", "states")

    def __init__(
        self, limits: Limits, ledger: CacheStats, max_symbols: int, new_state: Callable[[str], SymbolState]
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

    def state(self, symbol: str) -> SymbolState:
        """The symbol's state, a new one where there is none."""
        state = self.states.get(symbol)
        if state is None:
            state = self.states[symbol] = self._new_state(symbol)
            self.evict()
        return state

    def put(self, state: SymbolState, entry: MDCacheEntry) -> None:
        """Keep a book: a write, which the order of eviction follows (reads do not touch it)."""
        self.entries[state.symbol] = entry
        self.states.move_to_end(state.symbol)

    def drop(self, state: SymbolState, reason: str) -> bool:
        """Drop the book, and what is on its way; True, and counted, where there was any."""
        dropped = self.entries.pop(state.symbol, None) is not None or state.refresh.running
        state.live = None
        state.refresh.invalidated()
        if dropped:
            self.ledger.invalidated(state.ledger, reason)
        return dropped

    def evict(self) -> None:
        """Let the symbols go that were written longest ago, but none that is being refreshed, nor the newest."""
        surplus = len(self.states) - self._max_symbols
        if surplus <= 0:
            return
        newest = next(reversed(self.states))
        idle = (symbol for symbol, state in self.states.items() if not state.refresh.running and symbol != newest)
        for symbol in [symbol for symbol, _ in zip(idle, range(surplus), strict=False)]:
            state = self.states.pop(symbol)
            state.stop_timer()
            self.entries.pop(symbol, None)
            self.ledger.evicted(state.ledger)


def bounds_of(limits: Limits, standing: TrustLevel) -> Bounds:
    """The bounds of a standing, taken from `decide` itself: the fast paths must not have rules of their own."""
    fresh_ns = {use_case.value: limits.fresh_ns(standing, use_case) for use_case in UseCase}
    stale_ns = {}
    for use_case in UseCase:
        oldest = Facts(limits.hard_ttl_ns, standing, depth=1, update_id=None)
        stale = decide(oldest, Request(use_case, depth=1), limits).action is ReadAction.STALE
        stale_ns[use_case.value] = limits.hard_ttl_ns if stale else NEVER
    return Bounds(fresh_ns, stale_ns)
