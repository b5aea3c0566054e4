"""Metrics of the pipeline and its cache; bounded in size."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final, overload

from calib.features import RollingQuantile
from calib.market.cache.quantile import quantile
from calib.metrics.histogram import Histogram
from calib.pipeline.context import ShadowAnswer

_LABELS: Final = 256
"""Maximum number of distinct labels per kind; others are counted as ``other``."""


class _SymbolMetrics:
    """Metrics of one symbol's cache."""

    __slots__ = ("age", "hits", "last_age_ms", "misses", "refresh")

    def __init__(self, window: int) -> None:
        self.hits = 0
        self.misses = 0
        self.last_age_ms: float | None = None
        self.age = RollingQuantile(0.95, window)
        self.refresh = RollingQuantile(0.95, window)


class StageMetrics:
    """Latencies of stages and ticks, and the events of the cache; implements `calib.market.CacheMetrics`.

    Written by one event loop; counts never decrease, every window and map is bounded.

    Parameters
    ----------
    window
        Number of latest observations of a quantile.
    max_symbols
        Maximum number of symbols; the least recently updated one is dropped, its counts stay in the totals.

    Attributes
    ----------
    tick_ms, refresh_ms
        Histograms of tick durations and of successful refreshes, ms.

    >>> metrics = StageMetrics()
    >>> metrics.get_md_cache_hit_ratio("X") is None
    True
    >>> for _ in range(3):
    ...     metrics.record_md_cache_hit("X")
    >>> metrics.record_md_cache_miss("X")
    >>> metrics.get_md_cache_hit_ratio("X")
    0.75
    """

    def __init__(self, window: int = 1000, max_symbols: int = 1000) -> None:
        self._window = window
        self._max_symbols = max_symbols
        self._stages: dict[str, RollingQuantile] = {}
        self._symbols: OrderedDict[str, _SymbolMetrics] = OrderedDict()
        self._pricing_on_stale: dict[str, int] = {}
        self._invalidations: dict[str, int] = {}
        self._depth_misses: dict[tuple[int, int] | str, int] = {}
        self._stage_errors: dict[str, int] = {}
        self._shadow_error_bps = RollingQuantile(0.95, window)
        self._shadow_took_ms = RollingQuantile(0.95, window)
        self._tick = RollingQuantile(0.95, window)
        self.tick_ms = Histogram()
        self.refresh_ms = Histogram()
        self.hits = 0
        self.misses = 0
        self.ticks = 0
        self.deadline_misses = 0
        self.shadow_reads = 0
        self.shadow_disagreements = 0

    # --- stages and ticks

    def record_stage(self, stage: str, latency_ms: float) -> None:
        """Record a run of a stage."""
        window = self._stages.get(stage)
        if window is None:
            if len(self._stages) >= _LABELS:
                stage = "other"
            window = self._stages.setdefault(stage, RollingQuantile(0.95, self._window))
        window.update(latency_ms)

    def record_stage_error(self, stage: str) -> None:
        """Count an exception of a stage."""
        _count(self._stage_errors, stage)

    def record_tick(self, total_ms: float, *, deadline_miss: bool) -> None:
        """Record a finished tick."""
        self.ticks += 1
        self.deadline_misses += deadline_miss
        self._tick.update(total_ms)
        self.tick_ms.observe(total_ms)

    def get_stage_p95_ms(self, stage: str) -> float | None:
        """Rolling 95th percentile of a stage, ms; None before its first run."""
        window = self._stages.get(stage)
        return None if window is None else window.at(0.95)

    def stage_latencies(self) -> dict[str, dict[str, float | None]]:
        """p50, p95 and p99 of each stage over its latest runs, ms."""
        return {stage: _quantiles(window) for stage, window in sorted(self._stages.items())}

    # --- the cache

    def record_md_cache_hit(self, symbol: str) -> None:
        """A read was answered from the cache, fresh or stale."""
        self.hits += 1
        self._symbol(symbol).hits += 1

    def record_md_cache_miss(self, symbol: str) -> None:
        """A read was not answered from the cache."""
        self.misses += 1
        self._symbol(symbol).misses += 1

    def record_md_cache_age(self, symbol: str, age_ms: float) -> None:
        """Age of a book that was served, ms."""
        kept = self._symbol(symbol)
        kept.last_age_ms = age_ms
        kept.age.update(age_ms)

    @overload
    def record_md_refresh_latency(self, symbol: str, latency_ms: float) -> None: ...
    @overload
    def record_md_refresh_latency(self, symbol: float) -> None: ...
    def record_md_refresh_latency(self, symbol: str | float = "", latency_ms: float | None = None) -> None:
        """Duration of a successful refresh, ms.

        A call without a symbol, ``record_md_refresh_latency(latency_ms)``, counts for the symbol ``""``.
        """
        if latency_ms is None:
            symbol, latency_ms = "", float(symbol)
        self._symbol(str(symbol)).refresh.update(latency_ms)
        self.refresh_ms.observe(latency_ms)

    def record_md_cache_eviction(self, symbol: str) -> None:
        """The cache evicted a symbol: drop it here too; its reads stay in the totals."""
        self._symbols.pop(symbol, None)

    def get_md_refresh_latency_p95(self) -> float | None:
        """95th percentile (linear) of the latest refreshes of all symbols, ms; None without refreshes."""
        return quantile((ms for kept in list(self._symbols.values()) for ms in kept.refresh.values()), 0.95)

    def get_md_cache_hit_ratio(self, symbol: str | None = None) -> float | None:
        """hits / (hits + misses), of one symbol or of all; None without reads."""
        if symbol is None:
            return _ratio(self.hits, self.misses)
        kept = self._symbols.get(symbol)
        return None if kept is None else _ratio(kept.hits, kept.misses)

    def record_pricing_on_stale(self, reason: str) -> None:
        """A stale book was served: ``pricing_threshold``, or ``guard_block`` (the last resort of a guard)."""
        _count(self._pricing_on_stale, reason)

    def record_md_cache_invalidation(self, reason: str) -> None:
        """A cached book was dropped: ``ws_gap``, ``rewind``, ``price_jump``, ``reconnect``, ``manual``."""
        _count(self._invalidations, reason)

    def record_md_cache_depth_miss(self, requested: int, have: int) -> None:
        """A cached book was not deep enough."""
        _count(self._depth_misses, (requested, have))

    def record_md_cache_shadow(self, answer: ShadowAnswer) -> None:
        """Record how the cache's answer compared with the direct one."""
        self.shadow_reads += 1
        self.shadow_disagreements += answer.same_top is False
        self._shadow_took_ms.update(answer.took_ms)
        if answer.mid_error_bps is not None:
            self._shadow_error_bps.update(answer.mid_error_bps)

    # --- summary

    def summary(self) -> dict[str, Any]:
        """Every metric, as a new dict of plain values with sorted keys."""
        return {
            "ticks": self.ticks,
            "deadline_misses": self.deadline_misses,
            "tick_total_ms": _quantiles(self._tick),
            "stages_ms": self.stage_latencies(),
            "stage_errors": _sorted(self._stage_errors),
            "md_cache": {
                "hits": self.hits,
                "misses": self.misses,
                "hit_ratio": self.get_md_cache_hit_ratio(),
                "pricing_on_stale": _sorted(self._pricing_on_stale),
                "invalidations": _sorted(self._invalidations),
                "depth_misses": _sorted(
                    {key if isinstance(key, str) else f"{key[0]}:{key[1]}": n for key, n in self._depth_misses.items()}
                ),
                "symbols": {symbol: _symbol_summary(kept) for symbol, kept in sorted(self._symbols.items())},
            },
            "shadow": {
                "reads": self.shadow_reads,
                "disagreements": self.shadow_disagreements,
                "mid_error_bps": _quantiles(self._shadow_error_bps),
                "fetch_md_cache_ms": _quantiles(self._shadow_took_ms),
            },
        }

    def depth_misses(self) -> dict[tuple[int, int] | str, int]:
        """Depth misses by (requested, cached depth); beyond 256 pairs under ``other``."""
        return dict(self._depth_misses)

    def _symbol(self, symbol: str) -> _SymbolMetrics:
        kept = self._symbols.get(symbol)
        if kept is None:
            kept = self._symbols[symbol] = _SymbolMetrics(self._window)
            if len(self._symbols) > self._max_symbols:
                self._symbols.popitem(last=False)
        else:
            self._symbols.move_to_end(symbol)
        return kept


def _count(counts: dict[Any, int], label: object) -> None:
    name = label if label in counts or len(counts) < _LABELS else "other"
    counts[name] = counts.get(name, 0) + 1


def _ratio(hits: int, misses: int) -> float | None:
    return hits / (hits + misses) if hits + misses else None


def _quantiles(window: RollingQuantile) -> dict[str, float | None]:
    return {"p50": window.at(0.50), "p95": window.at(0.95), "p99": window.at(0.99)}


def _sorted(counts: dict[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _symbol_summary(kept: _SymbolMetrics) -> dict[str, Any]:
    return {
        "hits": kept.hits,
        "misses": kept.misses,
        "hit_ratio": _ratio(kept.hits, kept.misses),
        "age_ms": _quantiles(kept.age),
        "last_age_ms": kept.last_age_ms,
        "refresh_ms": _quantiles(kept.refresh),
    }
