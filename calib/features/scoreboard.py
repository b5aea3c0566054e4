"""Ranks symbols by expected gain."""

from __future__ import annotations

from typing import NamedTuple

from calib.features.base import check_positive
from calib.features.collector import FeatureCollector


class SymbolScore(NamedTuple):
    """One row of the scoreboard; a value is None if nothing was observed."""

    symbol: str
    score: float | None
    """Expected gain per quote, bps, shrunk towards 0 if there are few fills."""
    net_bps: float | None
    fill_rate: float | None
    slippage_bps: float | None
    total_ticks: int


class SymbolScoreboard:
    """Ranks the symbols of a `FeatureCollector`; stores no numbers itself, so the two always agree.

    ``score = fill_rate x net_bps x fills / (fills + prior_fills)``: the expected gain of a quote in bps, shrunk towards
    0 if there are few fills. ``net_bps`` includes the slippage (it is measured from the fill price); the slippage alone
    is shown beside it and breaks ties of the score.

    Parameters
    ----------
    collector
        The collector whose features are ranked.
    prior_fills
        Number of fills at which the score is shrunk by half, above 0.

    >>> collector = FeatureCollector(target_bps=1.0)
    >>> collector.record_quote("ETHUSDT")
    >>> collector.record_fill("ETHUSDT", "buy", 99.96, "maker", mid_at_quote=100.0, mid_now=100.0)
    >>> row = SymbolScoreboard(collector, prior_fills=1).row("ETHUSDT")
    >>> round(row.net_bps, 6), row.fill_rate, round(row.score, 6)  # 4 x 1 x 1 / 2
    (4.0, 1.0, 2.0)
    """

    def __init__(self, collector: FeatureCollector, *, prior_fills: float = 20.0) -> None:
        self.collector = collector
        self.prior_fills = check_positive("prior_fills", prior_fills)

    def row(self, symbol: str) -> SymbolScore:
        """The row of one symbol."""
        features = self.collector.snapshot(symbol)
        net = None if features.pnl_dev is None else features.pnl_dev + self.collector.target_bps
        score = None
        if net is not None and features.fill_rate is not None:
            score = features.fill_rate * net * features.fills_total / (features.fills_total + self.prior_fills)
        ticks = self.collector.total_ticks(symbol)
        return SymbolScore(symbol, score, net, features.fill_rate, features.slippage_bps, ticks)

    def rows(self) -> list[SymbolScore]:
        """Every symbol, highest score first; ties by lower slippage, then by name; symbols without a score last."""
        return sorted((self.row(symbol) for symbol in self.collector.snapshot_all()), key=_rank)


def _rank(row: SymbolScore) -> tuple[bool, float, bool, float, str]:
    slippage = row.slippage_bps
    return (row.score is None, -(row.score or 0.0), slippage is None, slippage or 0.0, row.symbol)
