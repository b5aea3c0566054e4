"""The markouts of a feed directory: `calib.markouts`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from calib.fitting.bootstrap import DRAWS, SEED
from calib.fitting.buckets import Dimension, cache_state, dimensions
from calib.fitting.clocks import OneClock, one_clock_of
from calib.fitting.document import head, name_of, tool, write_document
from calib.fitting.fit import simulated
from calib.fitting.loading import FitFeeds, SymbolRows
from calib.fitting.markout import HORIZONS_S, GroupTable, joined, markout_table
from calib.fitting.markouts_of import FillMarkouts, fill_markouts, trade_markouts
from calib.fitting.options import FitOptions

SCHEMA: Final = "calib.markout/1"
MAKER, TAKER, TRADES = "maker", "taker", "trades"


@dataclass(frozen=True, slots=True)
class MarkoutResult:
    """A table of markouts, with the content of its file: ``calib.markout/1``, see the reference page."""

    document: dict[str, Any]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row per group, bucket, horizon and weight."""
        rows: list[dict[str, Any]] = self.document["rows"]
        return rows

    @property
    def name(self) -> str:
        """Name of the file without suffix."""
        return name_of("markout", self.document, _params(HORIZONS_S, FitOptions(), trades=False))

    def write(self, directory: Path) -> Path:
        """Write ``directory/markout_{from}_{to}.json``."""
        return write_document(self.document, directory, self.name)


@dataclass(slots=True)
class _Group:
    """The fills of one group over all symbols."""

    parts: list[FillMarkouts] = field(default_factory=list)
    symbols: list[str] = field(default_factory=list)
    latency_ms: list[Any] = field(default_factory=list)
    used_stale: list[Any] = field(default_factory=list)
    cache_age_ms: list[Any] = field(default_factory=list)

    def add(self, symbol: str, part: FillMarkouts, latency: Any, stale: Any, age: Any) -> None:
        self.parts.append(part)
        self.symbols += [symbol] * len(part.sign)
        for held, column in ((self.latency_ms, latency), (self.used_stale, stale), (self.cache_age_ms, age)):
            held.append(column)

    def dimensions(self, whole: FillMarkouts) -> list[Dimension]:
        columns = (np.concatenate(column) for column in (self.latency_ms, self.used_stale, self.cache_age_ms))
        return dimensions(self.symbols, whole.sign, whole.time_s, *columns)


def markouts(
    feeds: Path | str,
    *,
    start: float | None = None,
    end: float | None = None,
    symbols: Sequence[str] = (),
    horizons_s: Sequence[float] = HORIZONS_S,
    trades: bool = False,
    max_mid_age_s: float = 5.0,
    level: float = 0.95,
    maker_fee_bps: float = 0.0,
    taker_fee_bps: float = 0.0,
    max_reject_ratio: float = 0.01,
    out: Path | str | None = None,
    note: Callable[[str], None] = lambda _: None,
    progress: Callable[[float], None] = lambda _: None,
) -> MarkoutResult:
    """Compute the markouts of fills: the move of the mid after each fill.

    Parameters
    ----------
    feeds
        Directory with the feed files: fills (or trades) and the book.
    start, end
        ``[start, end)``, Unix seconds; None: all days found.
    symbols
        Only these symbols; empty for all.
    horizons_s
        Times after the fill, s.
    trades
        Use public trades instead of our fills, from the aggressor's side.
    max_mid_age_s, level
        See `calib.fitting.options.FitOptions`.
    maker_fee_bps, taker_fee_bps
        Fee of fills without ``fee_bps``, bps.
    max_reject_ratio, out, note
        As in `calib.fit`.

    Raises
    ------
    InputError
        A subclass: no feeds, nothing in the range, unknown symbols, damaged files.
    """
    options = FitOptions(level=level, max_mid_age_s=max_mid_age_s, clock_shift_s=_shift(Path(feeds)))
    horizons = tuple(sorted(set(horizons_s)))
    kinds = ("trades", "book") if trades else ("fills", "book", "pipeline_ticks")
    source = FitFeeds(
        Path(feeds),
        start,
        end,
        tuple(symbols),
        kinds,
        maker_fee_bps,
        taker_fee_bps,
        None if out is None else Path(out),
        max_reject_ratio,
        progress,
    )
    loaded = source.load()
    groups: dict[str, _Group] = {}
    joins: dict[str, Any] = {}
    sources: dict[str, list[str]] = {}
    for rows in loaded:
        clock = one_clock_of(rows, options)
        joins[rows.symbol] = _add(groups, rows, clock, horizons, options, trades=trades)
        sources.setdefault(clock.source, []).append(rows.symbol)
    for sentence in _source_notes(sources):
        note(sentence)
    tables = {name: _table(name, groups[name], horizons, level) for name in sorted(groups)}
    document = {
        **head(SCHEMA, source, [rows.symbol for rows in loaded], _params(horizons, options, trades=trades)),
        "joins": {"by_symbol": joins},
        "rows": [row.as_json() for table in tables.values() for row in table.rows],
        "differences": [row.as_json() for table in tables.values() for row in table.differences],
        "staleness": [row.as_json() for table in tables.values() for row in table.within],
        "tool": tool(),
    }
    return MarkoutResult(document)


def _source_notes(sources: dict[str, list[str]]) -> list[str]:
    meanings = {
        "none": "no mids: the markouts are null",
        "ticks": "no book: mids come from logged ticks, and horizons shorter than their gap are null",
    }
    return [
        f"{_first_few(sources[source])} {'has' if len(sources[source]) == 1 else 'have'} {meaning}"
        for source, meaning in meanings.items()
        if source in sources
    ]


def _first_few(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _shift(directory: Path) -> float | None:
    return 0.0 if simulated(directory) else None


def _params(horizons: Sequence[float], options: FitOptions, *, trades: bool) -> dict[str, Any]:
    return {
        "source": TRADES if trades else "fills",
        "level": options.level,
        "max_mid_age_s": options.max_mid_age_s,
        "horizons_s": list(horizons),
        "draws": DRAWS,
        "seed": SEED,
    }


def _add(
    groups: dict[str, _Group],
    rows: SymbolRows,
    clock: OneClock,
    horizons: tuple[float, ...],
    options: FitOptions,
    *,
    trades: bool,
) -> dict[str, Any]:
    age = options.max_mid_age_s
    if trades:
        times = clock.fill_times(rows.trades.ts, rows.trades.ts_exchange)
        part = trade_markouts(rows.trades, times, clock.mids, horizons, age)
        nothing = np.full(len(rows.trades), np.nan)
        if len(rows.trades):
            groups.setdefault(TRADES, _Group()).add(rows.symbol, part, nothing, nothing, nothing)
        return _counts(part, clock, {TRADES: len(rows.trades)}, horizons)
    stale, cache_age = cache_state(rows.fills, rows.ticks)
    times = clock.fill_times(rows.fills.ts, rows.fills.ts_exchange)
    whole = fill_markouts(rows.fills, times, clock.mids, horizons, age)
    counts = {}
    for name, chosen in ((MAKER, rows.fills.maker), (TAKER, ~rows.fills.maker)):
        counts[name] = int(chosen.sum())
        if counts[name]:
            part = fill_markouts(rows.fills.take(chosen), times[chosen], clock.mids, horizons, age)
            columns = (rows.fills.latency_ms[chosen], stale[chosen], cache_age[chosen])
            groups.setdefault(name, _Group()).add(rows.symbol, part, *columns)
    return _counts(whole, clock, counts, horizons)


def _counts(part: FillMarkouts, clock: OneClock, counts: dict[str, int], horizons: tuple[float, ...]) -> dict[str, Any]:
    """Counts of fills, and of fills without a mid."""
    return {
        **counts,
        "no_mid_before": int(np.isnan(part.before).sum()),
        "no_mid_at_horizon": {
            f"{horizon:g}s": int(np.isnan(part.later[place]).sum()) for place, horizon in enumerate(horizons)
        },
        "mid_source": clock.source,
        "clock": clock.clock,
    }


def _table(name: str, group: _Group, horizons: tuple[float, ...], level: float) -> GroupTable:
    whole = joined(group.parts)
    return markout_table(name, whole, group.dimensions(whole), horizons, level=level)
