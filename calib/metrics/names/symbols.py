"""Names of the live features of a symbol."""

from __future__ import annotations

from typing import Final

from calib.metrics.names.base import Follows, Metric

_SYMBOL: Final = ("symbol",)
_COLLECTOR: Final = "collector"
_EITHER: Final = "collector, else scoreboard"


def _seed(name: str, help_text: str, unit: str, fact: str, *, owner: str = _COLLECTOR, clean: bool = False) -> Metric:
    """A gauge with its seed name."""
    return Metric(name, "gauge", help_text, owner, unit, _SYMBOL, seed=True, clean=clean, fact=fact)


def _clean(
    name: str, help_text: str, unit: str, fact: str, seed: str, factor: float = 1.0, *, owner: str = _COLLECTOR
) -> Metric:
    """The same gauge with its clean name."""
    follows = (Follows(seed, factor),)
    return Metric(name, "gauge", help_text, owner, unit, _SYMBOL, fact=fact, factor=factor, follows=follows)


_VOLATILITY: Final = "Realised volatility of the mid, bps per square root of a second."
_DEPTH: Final = "Average sum of the quantities at the best bid and ask."
_PNL: Final = "Average net_bps of our fills minus the target."
_FILL: Final = "Fills per quote, both decaying per quote."
_TAKER: Final = "Average taker share of our fills."
_ABSORB: Final = "Average quantity consumed ahead of our quotes per second."
_ETA: Final = "Average expected time until a queued quote is filled."
_SCORE: Final = "Expected gain of a quote, shrunk towards 0 if there are few fills."

SYMBOLS: Final = (
    _seed("mm_symbol_vol_realized", _VOLATILITY, "bps per sqrt(second)", "vol_realized"),
    _clean(
        "mm_symbol_realized_volatility_bps",
        _VOLATILITY,
        "bps per sqrt(second)",
        "vol_realized",
        "mm_symbol_vol_realized",
    ),
    _seed("mm_symbol_liq_top_depth", _DEPTH, "base units", "liq_top_depth"),
    _clean("mm_symbol_top_depth_qty", _DEPTH, "base units", "liq_top_depth", "mm_symbol_liq_top_depth"),
    _seed(
        "mm_symbol_latency_p95",
        "Average 95th percentile of the tick's duration; quantiles cannot be aggregated: see "
        "mm_symbol_tick_duration_seconds.",
        "milliseconds",
        "latency_p95",
    ),
    Metric(
        "mm_symbol_tick_duration_seconds",
        "histogram",
        "Durations of ticks.",
        _COLLECTOR,
        "seconds",
        _SYMBOL,
        fact="symbol_tick_ms",
        factor=0.001,
        fold="sum",
    ),
    _seed("mm_symbol_pnl_dev", _PNL, "bps", "pnl_dev"),
    _clean("mm_symbol_pnl_deviation_bps", _PNL, "bps", "pnl_dev", "mm_symbol_pnl_dev"),
    _seed("mm_symbol_fill_rate", _FILL, "ratio", "fill_rate", owner=_EITHER),
    _clean("mm_symbol_fill_ratio", _FILL, "ratio", "fill_rate", "mm_symbol_fill_rate", owner=_EITHER),
    _seed("mm_symbol_taker_share", _TAKER, "ratio", "taker_share"),
    _clean("mm_symbol_taker_ratio", _TAKER, "ratio", "taker_share", "mm_symbol_taker_share"),
    _seed("mm_symbol_queue_absorb_rate", _ABSORB, "base units per second", "queue_absorb_rate"),
    _clean(
        "mm_symbol_queue_absorb_per_second",
        _ABSORB,
        "base units per second",
        "queue_absorb_rate",
        "mm_symbol_queue_absorb_rate",
    ),
    _seed("mm_symbol_queue_eta_ms", _ETA, "milliseconds", "queue_eta_ms"),
    _clean("mm_symbol_queue_eta_seconds", _ETA, "seconds", "queue_eta_ms", "mm_symbol_queue_eta_ms", 0.001),
    _seed(
        "mm_symbol_slippage_bps",
        "Average fill price against the quoted price; positive is bad for us.",
        "bps",
        "slippage_bps",
        owner=_EITHER,
        clean=True,
    ),
    _seed(
        "mm_symbol_adverse_move_bps",
        "Average move of the mid against us from quote to fill; positive is bad for us.",
        "bps",
        "adverse_move_bps",
        clean=True,
    ),
    _seed(
        "mm_symbol_net_bps",
        "Average net gain of our fills; positive is good.",
        "bps",
        "net_bps",
        owner="scoreboard",
        clean=True,
    ),
    _seed("mm_symbol_score", _SCORE, "bps", "score", owner="scoreboard"),
    _clean("mm_symbol_score_bps", _SCORE, "bps", "score", "mm_symbol_score", owner="scoreboard"),
    Metric(
        "mm_symbol_total_ticks",
        "untyped",
        "Ticks recorded.",
        _EITHER,
        "ticks",
        _SYMBOL,
        seed=True,
        clean=False,
        fact="symbol_ticks",
        fold="sum",
    ),
    Metric(
        "mm_symbol_ticks_total",
        "counter",
        "Ticks recorded.",
        _EITHER,
        "ticks",
        _SYMBOL,
        fact="symbol_ticks",
        follows=(Follows("mm_symbol_total_ticks"),),
        fold="sum",
    ),
    Metric(
        "mm_symbol_fills_total",
        "counter",
        "Our fills.",
        _COLLECTOR,
        "fills",
        _SYMBOL,
        seed=True,
        clean=False,
        fold="sum",
    ),
    Metric(
        "mm_symbol_fills_maker",
        "untyped",
        "Our maker fills.",
        _COLLECTOR,
        "fills",
        _SYMBOL,
        seed=True,
        clean=False,
        fold="sum",
    ),
    Metric(
        "mm_symbol_fills_taker",
        "untyped",
        "Our taker fills.",
        _COLLECTOR,
        "fills",
        _SYMBOL,
        seed=True,
        clean=False,
        fold="sum",
    ),
    Metric(
        "mm_symbol_executions_total",
        "counter",
        "Our fills, by liquidity: maker or taker.",
        _COLLECTOR,
        "fills",
        ("symbol", "liquidity"),
        follows=(
            Follows("mm_symbol_fills_maker", labels=(("liquidity", "maker"),)),
            Follows("mm_symbol_fills_taker", labels=(("liquidity", "taker"),)),
        ),
        fold="sum",
    ),
)
"""The live features of each symbol."""
