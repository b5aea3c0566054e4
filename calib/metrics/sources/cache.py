"""The source for the market-data cache, its streams and connections."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from calib.metrics.histogram import HistogramCounts
from calib.metrics.samples import Samples
from calib.metrics.sources.base import MetricSource

STREAM_STATES: Final = ("down", "syncing", "live", "suspect", "gap", "failed")
CONNECTION_STATES: Final = ("new", "up", "silent", "down")
_INVALIDATIONS: Final = ("ws_gap", "rewind", "price_jump", "reconnect", "manual")
_STALE_USES: Final = ("pricing_threshold", "guard_block")


class CachedSymbol(Protocol):
    """One symbol of the cache."""

    @property
    def symbol(self) -> str: ...
    @property
    def hits(self) -> int: ...
    @property
    def misses(self) -> int: ...
    @property
    def age_ms(self) -> float | None: ...
    @property
    def stream_state(self) -> str | None: ...
    @property
    def book_age_s(self) -> float | None: ...


class CacheConnection(Protocol):
    """One connection of the cache."""

    @property
    def name(self) -> str: ...
    @property
    def age_s(self) -> float | None: ...
    @property
    def state(self) -> str: ...
    @property
    def silences(self) -> int: ...
    @property
    def gaps(self) -> int: ...
    @property
    def reconnects(self) -> int: ...


class ObservedCounts(Protocol):
    """The state and counts of a cache."""

    @property
    def size(self) -> int: ...
    @property
    def inflight_refreshes(self) -> int: ...
    @property
    def hits(self) -> int: ...
    @property
    def misses(self) -> int: ...
    @property
    def refresh_failures(self) -> int: ...
    @property
    def evictions(self) -> int: ...
    @property
    def refresh_p95_ms(self) -> float | None: ...
    @property
    def refresh_ms(self) -> HistogramCounts: ...
    @property
    def invalidations(self) -> Mapping[str, int]: ...
    @property
    def pricing_on_stale(self) -> Mapping[str, int]: ...
    @property
    def symbols(self) -> Iterable[CachedSymbol]: ...
    @property
    def connections(self) -> Iterable[CacheConnection]: ...


class ObservedCache(Protocol):
    """A cache that can be observed from another thread."""

    def observe(self) -> ObservedCounts: ...


def read_cache(cache: ObservedCache, out: Samples) -> None:
    """Report the counts of the cache."""
    seen = cache.observe()
    out.add("mm_md_cache_size", seen.size)
    out.add("mm_md_cache_inflight_refreshes", seen.inflight_refreshes)
    out.add("refresh_p95_ms", seen.refresh_p95_ms)
    out.add("refresh_ms", seen.refresh_ms)
    out.add("mm_md_cache_refresh_failures_total", seen.refresh_failures)
    out.add("mm_md_cache_evictions_total", seen.evictions)
    add_reads(out, seen.hits, seen.misses)
    add_reasons(out, seen.invalidations, seen.pricing_on_stale)
    for one in seen.symbols:
        symbol = one.symbol
        add_symbol_reads(out, symbol, one.hits, one.misses)
        out.add("cache_age_ms", one.age_ms, symbol)
        out.add("book_age_s", one.book_age_s, symbol)
        if one.stream_state is not None:
            for state in STREAM_STATES:
                out.add("mm_md_stream_state", float(state == one.stream_state), symbol, state)
    for link in seen.connections:
        out.add("mm_md_connection_age_seconds", link.age_s, link.name)
        for state in CONNECTION_STATES:
            out.add("mm_md_connection_state", float(state == link.state), link.name, state)
        out.add("mm_md_connection_silences_total", link.silences, link.name)
        out.add("mm_md_connection_gaps_total", link.gaps, link.name)
        out.add("mm_md_connection_reconnects_total", link.reconnects, link.name)


def add_reads(out: Samples, hits: int, misses: int) -> None:
    """Report hits and misses over all symbols."""
    out.add("mm_md_cache_total_hits", hits)
    out.add("mm_md_cache_total_misses", misses)
    out.add("mm_md_cache_overall_hit_ratio", ratio(hits, misses))


def add_symbol_reads(out: Samples, symbol: str, hits: int, misses: int) -> None:
    """Report hits and misses of one symbol."""
    out.add("mm_md_cache_hit_total", hits, symbol)
    out.add("mm_md_cache_miss_total", misses, symbol)
    out.add("mm_md_cache_requests_total", hits, symbol, "hit")
    out.add("mm_md_cache_requests_total", misses, symbol, "miss")
    out.add("mm_md_cache_hit_ratio", ratio(hits, misses), symbol)


def add_reasons(out: Samples, invalidations: Mapping[str, int], stale_uses: Mapping[str, int]) -> None:
    """Report counts by reason; known reasons start at 0, so that their first event is visible as an increase."""
    for fact, known, counts in (
        ("mm_md_cache_invalidate_total", _INVALIDATIONS, invalidations),
        ("mm_pricing_on_stale_total", _STALE_USES, stale_uses),
    ):
        for reason, count in (dict.fromkeys(known, 0) | dict(counts)).items():
            out.add(fact, count, reason)


def ratio(hits: int, misses: int) -> float | None:
    """hits / (hits + misses); None without reads."""
    return hits / (hits + misses) if hits + misses else None


CACHE: Final = MetricSource("cache", ("observe",), read_cache)
