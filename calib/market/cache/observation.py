"""Observing the cache from another thread, such as a metrics server's.

Nothing is awaited, locked or changed. Maps are copied in one atomic step before they are iterated; each number was
current at some moment during the call, not necessarily the same moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from calib.clock import NS_PER_MS, NS_PER_S
from calib.market.cache.quantile import quantile
from calib.market.cache.stats import hits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from calib.market.cache.entry import MDCacheEntry
    from calib.market.cache.stats import CacheStats
    from calib.market.cache.symbol_state import SymbolState
    from calib.market.stream.book_stream import BookStream
    from calib.market.stream.connection import Connection
    from calib.metrics import HistogramCounts


class SymbolObservation(NamedTuple):
    """The state of one symbol.

    Parameters
    ----------
    symbol
        The instrument.
    hits, misses
        Reads answered from the cache or not; reads while the cache is disabled count as neither.
    age_ms
        Age of the cached book; None if there is none.
    stream_state
        A value of `StreamState`; None if only the callback fills the cache.
    book_age_s
        Time since a verified book last changed; None if there is none.
    """

    symbol: str
    hits: int
    misses: int
    age_ms: float | None
    stream_state: str | None
    book_age_s: float | None


class ConnectionObservation(NamedTuple):
    """The state of one connection that carries a stream.

    Parameters
    ----------
    name
        The connection.
    state
        A value of `calib.policy.ConnectionState`.
    age_s
        Time since its last frame; None before the first.
    silences
        Number of its silences that exceeded the limit and have ended.
    gaps
        Number of losses of continuity in its streams.
    reconnects
        Number of reconnects.
    """

    name: str
    state: str
    age_s: float | None
    silences: int
    gaps: int
    reconnects: int


class CacheObservation(NamedTuple):
    """The state of the whole cache; totals include evicted symbols."""

    size: int
    inflight_refreshes: int
    hits: int
    misses: int
    refresh_failures: int
    evictions: int
    refresh_p95_ms: float | None
    refresh_ms: HistogramCounts
    invalidations: Mapping[str, int]
    pricing_on_stale: Mapping[str, int]
    symbols: tuple[SymbolObservation, ...]
    connections: tuple[ConnectionObservation, ...]


def observe(
    states: Mapping[str, SymbolState],
    entries: Mapping[str, MDCacheEntry],
    stats: CacheStats,
    now_ns: int,
) -> CacheObservation:
    """Collect what the cache holds and has counted."""
    known = list(states.values())
    all_stats = [state.stats for state in known]
    statuses = stats.statuses(all_stats)
    latencies = [latency_ms for symbol_stats in all_stats for latency_ms in list(symbol_stats.latencies_ms)]
    return CacheObservation(
        size=len(entries),
        inflight_refreshes=sum(state.refresh.running for state in known),
        hits=hits(statuses),
        misses=_misses(statuses),
        refresh_failures=stats.failures,
        evictions=stats.evictions,
        refresh_p95_ms=quantile(latencies, 0.95),
        refresh_ms=stats.refresh_ms.counts(),
        invalidations=stats.invalidations(),
        pricing_on_stale=dict(stats.pricing_on_stale),
        symbols=tuple(_symbol(state, entries.get(state.symbol), now_ns) for state in known),
        connections=tuple(_connection(link, now_ns) for link in _carrying(known)),
    )


def _symbol(state: SymbolState, entry: MDCacheEntry | None, now_ns: int) -> SymbolObservation:
    statuses = state.stats.by_status()
    stream = state.stream
    book_age_ns = None if stream is None else stream.book_age_ns(now_ns)
    return SymbolObservation(
        state.symbol,
        hits(statuses),
        _misses(statuses),
        None if entry is None else _age_ns(entry, state, stream, now_ns) / NS_PER_MS,
        None if stream is None else stream.state_at(now_ns).value,
        None if book_age_ns is None else max(0, book_age_ns) / NS_PER_S,
    )


def _age_ns(entry: MDCacheEntry, state: SymbolState, stream: BookStream | None, now_ns: int) -> int:
    """The age that a read would find: a stream's book is as old as its connection's last frame."""
    alive_ns = entry.last_seen.alive_ns
    if stream is not None and entry is state.live and stream.connection.alive_ns is not None:
        alive_ns = max(alive_ns, stream.connection.alive_ns)
    return max(0, now_ns - alive_ns)


def _connection(link: Connection, now_ns: int) -> ConnectionObservation:
    age_ns = link.age_ns(now_ns)
    age_s = None if age_ns is None else max(0, age_ns) / NS_PER_S
    return ConnectionObservation(link.name, link.state(now_ns).value, age_s, link.silences, link.gaps, link.reconnects)


def _carrying(states: list[SymbolState]) -> list[Connection]:
    """The connections that carry a stream; a connection that a bot has replaced is left out."""
    links = {stream.connection.name: stream.connection for state in states if (stream := state.stream) is not None}
    return [links[name] for name in sorted(links)]


def _misses(statuses: Mapping[str, int]) -> int:
    return sum(count for status, count in statuses.items() if status not in ("fresh", "stale", "direct"))
