"""Figures of the cache over a set of ticks, measured or estimated in shadow mode."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from calib.experiments.canary.baseline import MIN_TICKS_SYMBOL, Baseline
from calib.experiments.records import LARGEST_MS, as_number, usable_ts
from calib.experiments.windows import p95


class CanaryTick(NamedTuple):
    """The fields of one tick that a canary uses; None where the line lacks one."""

    ts: float
    symbol: str
    cache_hit: bool
    tick_total_ms: float
    deadline_miss: bool
    fetch_md_ms: float | None
    fetch_md_cache_ms: float | None


def make_tick(
    symbol: Any,
    ts: float,
    cache_hit: bool,
    tick_total_ms: float,
    deadline_miss: bool,
    fetch_md_ms: float | None,
    fetch_md_cache_ms: float | None,
) -> CanaryTick | None:
    """Return a tick from the fields of the feed; None if a field is invalid."""
    total = as_number(tick_total_ms, 0.0, LARGEST_MS)
    fetch = None if fetch_md_ms is None else as_number(fetch_md_ms, 0.0, LARGEST_MS)
    cached = None if fetch_md_cache_ms is None else as_number(fetch_md_cache_ms, 0.0, LARGEST_MS)
    usable = isinstance(symbol, str) and symbol and usable_ts(ts) and total is not None
    if not usable or (fetch is None) != (fetch_md_ms is None) or (cached is None) != (fetch_md_cache_ms is None):
        return None
    return CanaryTick(float(ts), symbol, bool(cache_hit), total or 0.0, bool(deadline_miss), fetch, cached)


@dataclass(frozen=True, slots=True)
class Measures:
    """Figures over a window. None means nothing to measure and does not pass a gate."""

    ticks: int
    newest: float | None
    hit_ratio: float | None
    fetch_md_p95_ms: float | None
    tick_total_p95_ms: float | None
    deadline_miss_rate: float | None
    fetch_ratio: float | None
    """Geometric mean over symbols of ``fetch_md`` p95 divided by the symbol's baseline."""
    fetch_md_gain_ms: float | None = None
    """In shadow: p95 of the direct fetch less that of the cache over the same ticks, ms."""


def measure(ticks: Iterable[CanaryTick], baseline: Baseline | None) -> Measures:
    """Return the figures of ticks that ran with the cache."""
    rows = list(ticks)
    fetch = [(tick.symbol, tick.fetch_md_ms) for tick in rows if tick.fetch_md_ms is not None]
    totals = [tick.tick_total_ms for tick in rows]
    late = sum(tick.deadline_miss for tick in rows)
    return _measures(rows, fetch, totals, late, baseline)


def measure_shadow(ticks: Iterable[CanaryTick], deadline_ms: float | None) -> Measures:
    """Return the figures the cache would have had: its time replaces the direct fetch's, in ticks with both times."""
    rows = [tick for tick in ticks if tick.fetch_md_cache_ms is not None and tick.fetch_md_ms is not None]
    fetch = [(tick.symbol, tick.fetch_md_cache_ms or 0.0) for tick in rows]
    totals = [tick.tick_total_ms - (tick.fetch_md_ms or 0.0) + (tick.fetch_md_cache_ms or 0.0) for tick in rows]
    if deadline_ms is None:
        late = sum(tick.deadline_miss for tick in rows)
    else:
        late = sum(total > deadline_ms for total in totals)
    found = _measures(rows, fetch, totals, late, None)
    if found.fetch_md_p95_ms is None:
        return found
    direct = p95(np.array([tick.fetch_md_ms for tick in rows]))
    return replace(found, fetch_md_gain_ms=direct - found.fetch_md_p95_ms)


def _measures(
    rows: list[CanaryTick],
    fetch: list[tuple[str, float]],
    totals: list[float],
    late: int,
    baseline: Baseline | None,
) -> Measures:
    n = len(rows)
    return Measures(
        ticks=n,
        newest=max((tick.ts for tick in rows), default=None),
        hit_ratio=sum(tick.cache_hit for tick in rows) / n if n else None,
        fetch_md_p95_ms=p95(np.array([ms for _, ms in fetch])) if fetch else None,
        tick_total_p95_ms=p95(np.array(totals)) if n else None,
        deadline_miss_rate=late / n if n else None,
        fetch_ratio=_fetch_ratio(fetch, baseline) if baseline is not None else None,
    )


def by_symbol_p95(fetch: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return the p95 of ``fetch_md`` of each symbol with at least `MIN_TICKS_SYMBOL` ticks, sorted by symbol."""
    values: dict[str, list[float]] = {}
    for symbol, ms in fetch:
        values.setdefault(symbol, []).append(ms)
    return {
        symbol: p95(np.array(values[symbol])) for symbol in sorted(values) if len(values[symbol]) >= MIN_TICKS_SYMBOL
    }


def _fetch_ratio(fetch: list[tuple[str, float]], baseline: Baseline) -> float | None:
    logs = []
    for symbol, value in by_symbol_p95(fetch).items():
        known = baseline.symbols.get(symbol, baseline.fetch_md_p95_ms)
        if value > 0 and known > 0:
            logs.append(math.log(value / known))
    return math.exp(sum(logs) / len(logs)) if logs else None


class Recent:
    """A bounded buffer of the newest ticks; the oldest are discarded first."""

    __slots__ = ("_ticks",)

    def __init__(self, limit: int) -> None:
        self._ticks: deque[CanaryTick] = deque(maxlen=limit)

    def add(self, tick: CanaryTick) -> None:
        self._ticks.append(tick)

    def since(self, ts: float) -> list[CanaryTick]:
        """Return the buffered ticks from ``ts`` on, in time order."""
        return sorted((tick for tick in list(self._ticks) if tick.ts >= ts), key=itemgetter(0))

    @property
    def newest(self) -> float | None:
        """Time of the last added tick; None before the first."""
        return self._ticks[-1].ts if self._ticks else None
