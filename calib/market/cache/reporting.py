"""What a cache says of itself: ratios, ages, latencies, and everything counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calib.market.cache.stats import hit_ratio, latency_p95_ms, symbol_summary

if TYPE_CHECKING:
    from calib.market.cache.entry_table import EntryTable
    from calib.market.cache.symbol_state import SymbolState


class CacheReporting:
    """The figures of a cache; reads nothing but its books and counts.

    Parameters
    ----------
    store
        Where the books stand.
    """

    __slots__ = ("_store",)

    def __init__(self, store: EntryTable) -> None:
        self._store = store

    def hit_ratio(self, symbol: str | None) -> float | None:
        """Of a symbol or of all; None without reads."""
        if symbol is None:
            return hit_ratio(self._store.ledger.statuses(state.ledger for state in self._store.states.values()))
        state = self._store.states.get(symbol)
        return None if state is None else hit_ratio(state.ledger.by_status())

    def refresh_latency_p95_ms(self, symbol: str | None) -> float | None:
        """Of a symbol or of all; None without any."""
        states = self._store.states
        if symbol is None:
            return latency_p95_ms(state.ledger for state in states.values())
        return None if symbol not in states else latency_p95_ms([states[symbol].ledger])

    def summary(self, now_ns: int, *, enabled: bool, mode: str) -> dict[str, Any]:
        """Everything counted, over all symbols and by symbol; a new dict of plain values."""
        store, stats = self._store, self._store.ledger
        ledgers = [state.ledger for state in store.states.values()]
        statuses = stats.statuses(ledgers)
        return {
            "enabled": enabled,
            "mode": mode,
            "size": len(store.entries),
            "inflight_refreshes": sum(state.refresh.running for state in store.states.values()),
            "reads": statuses,
            "hit_ratio": hit_ratio(statuses),
            "refreshes": stats.refreshes,
            "refresh_failures": stats.failures,
            "refresh_latency_p95_ms": latency_p95_ms(ledgers),
            "invalidations": stats.invalidations(),
            "depth_misses": stats.depth_misses,
            "sequence_gaps": stats.sequence_gaps,
            "lagging_reads": stats.lagging_reads,
            "pricing_on_stale": dict(stats.pricing_on_stale),
            "evictions": stats.evictions,
            "refused_messages": stats.refused_messages,
            "metrics_errors": stats.metrics_errors,
            "symbols": {symbol: self._of_symbol(store.states[symbol], now_ns) for symbol in sorted(store.states)},
        }

    def _of_symbol(self, state: SymbolState, now_ns: int) -> dict[str, Any]:
        entry = self._store.current_entry(state, now_ns)
        if state.stream is not None:
            standing = state.stream.state_at(now_ns).value
        else:
            standing = "none" if entry is None else entry.standing.value
        return symbol_summary(state.ledger, None if entry is None else entry.age_ms(now_ns), standing)
