"""Statistics of a cache: hit ratio, latencies, and a summary of all counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calib.market.cache.stats import hit_ratio, latency_p95_ms, symbol_summary

if TYPE_CHECKING:
    from calib.market.cache.entry_table import EntryTable
    from calib.market.cache.symbol_state import SymbolState


class CacheReporting:
    """Computes the statistics of a cache from its entries and counts.

    Parameters
    ----------
    table
        The cached entries.
    """

    __slots__ = ("_table",)

    def __init__(self, table: EntryTable) -> None:
        self._table = table

    def hit_ratio(self, symbol: str | None) -> float | None:
        """Hit ratio of one symbol or of all; None without reads."""
        if symbol is None:
            return hit_ratio(self._table.stats.statuses(state.stats for state in self._table.states.values()))
        state = self._table.states.get(symbol)
        return None if state is None else hit_ratio(state.stats.by_status())

    def refresh_latency_p95_ms(self, symbol: str | None) -> float | None:
        """95th percentile of the refresh latency of one symbol or of all, ms; None without refreshes."""
        states = self._table.states
        if symbol is None:
            return latency_p95_ms(state.stats for state in states.values())
        return None if symbol not in states else latency_p95_ms([states[symbol].stats])

    def summary(self, now_ns: int, *, enabled: bool, mode: str) -> dict[str, Any]:
        """Every count, in total and by symbol, as a new dict of plain values."""
        table, stats = self._table, self._table.stats
        all_stats = [state.stats for state in table.states.values()]
        statuses = stats.statuses(all_stats)
        return {
            "enabled": enabled,
            "mode": mode,
            "size": len(table.entries),
            "inflight_refreshes": sum(state.refresh.running for state in table.states.values()),
            "reads": statuses,
            "hit_ratio": hit_ratio(statuses),
            "refreshes": stats.refreshes,
            "refresh_failures": stats.failures,
            "refresh_latency_p95_ms": latency_p95_ms(all_stats),
            "invalidations": stats.invalidations(),
            "depth_misses": stats.depth_misses,
            "sequence_gaps": stats.sequence_gaps,
            "lagging_reads": stats.lagging_reads,
            "pricing_on_stale": dict(stats.pricing_on_stale),
            "evictions": stats.evictions,
            "refused_messages": stats.refused_messages,
            "metrics_errors": stats.metrics_errors,
            "symbols": {symbol: self._of_symbol(table.states[symbol], now_ns) for symbol in sorted(table.states)},
        }

    def _of_symbol(self, state: SymbolState, now_ns: int) -> dict[str, Any]:
        entry = self._table.current_entry(state, now_ns)
        if state.stream is not None:
            name = state.stream.state_at(now_ns).value
        else:
            name = "none" if entry is None else entry.trust.value
        return symbol_summary(state.stats, None if entry is None else entry.age_ms(now_ns), name)
