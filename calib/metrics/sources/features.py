"""The source for live features and the scoreboard."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from calib.metrics.histogram import HistogramCounts
from calib.metrics.samples import Samples
from calib.metrics.sources.base import MetricSource

_FEATURES: Final = (
    "vol_realized",
    "liq_top_depth",
    "latency_p95",
    "pnl_dev",
    "fill_rate",
    "taker_share",
    "queue_absorb_rate",
    "queue_eta_ms",
    "slippage_bps",
    "adverse_move_bps",
)


class SymbolFigures(Protocol):
    """The features of one symbol; every feature is an attribute."""

    @property
    def fills_total(self) -> int: ...
    @property
    def fills_maker(self) -> int: ...
    @property
    def fills_taker(self) -> int: ...


class Collected(Protocol):
    """The methods of `calib.FeatureCollector` that are used."""

    def snapshot_all(self) -> Mapping[str, SymbolFigures]: ...
    def total_ticks(self, symbol: str) -> int: ...
    def tick_histograms(self) -> Mapping[str, HistogramCounts]: ...


class Score(Protocol):
    """One row of a scoreboard."""

    @property
    def symbol(self) -> str: ...
    @property
    def score(self) -> float | None: ...
    @property
    def net_bps(self) -> float | None: ...
    @property
    def fill_rate(self) -> float | None: ...
    @property
    def slippage_bps(self) -> float | None: ...
    @property
    def total_ticks(self) -> int: ...


class Ranked(Protocol):
    """The methods of `calib.SymbolScoreboard` that are used."""

    def rows(self) -> Iterable[Score]: ...


def read_features(collector: Collected, out: Samples) -> None:
    """Report every symbol's features, ticks and fills."""
    for symbol, seen in collector.snapshot_all().items():
        for feature in _FEATURES:
            out.add(feature, getattr(seen, feature), symbol)
        out.add("symbol_ticks", collector.total_ticks(symbol), symbol)
        out.add("mm_symbol_fills_total", seen.fills_total, symbol)
        out.add("mm_symbol_fills_maker", seen.fills_maker, symbol)
        out.add("mm_symbol_fills_taker", seen.fills_taker, symbol)
        out.add("mm_symbol_executions_total", seen.fills_maker, symbol, "maker")
        out.add("mm_symbol_executions_total", seen.fills_taker, symbol, "taker")
    for symbol, counts in collector.tick_histograms().items():
        out.add("symbol_tick_ms", counts, symbol)


def read_scores(scoreboard: Ranked, out: Samples) -> None:
    """Report every symbol's score, and the figures that it is computed from."""
    for row in scoreboard.rows():
        out.add("score", row.score, row.symbol)
        out.add("net_bps", row.net_bps, row.symbol)
        out.add("fill_rate", row.fill_rate, row.symbol)
        out.add("slippage_bps", row.slippage_bps, row.symbol)
        out.add("symbol_ticks", row.total_ticks, row.symbol)


COLLECTOR: Final = MetricSource("collector", ("snapshot_all", "total_ticks", "tick_histograms"), read_features)
SCOREBOARD: Final = MetricSource("scoreboard", ("rows",), read_scores)
