"""What a feature collector knows of one symbol at one moment."""

from __future__ import annotations

from typing import Any, Final, NamedTuple


class FeatureSnapshot(NamedTuple):
    """The ten features and three totals of one symbol; a feature with no observation is None."""

    symbol: str
    vol_realized: float | None
    """Realised volatility of the mid, bps per square root of a second."""
    liq_top_depth: float | None
    """Quantity at the best bid and ask together, base units."""
    latency_p95: float | None
    """95th percentile of the tick's duration, ms."""
    pnl_dev: float | None
    """net_bps of our fills less the target, bps."""
    fill_rate: float | None
    """Fills per quote."""
    taker_share: float | None
    """Share of our fills that crossed, 0 to 1."""
    queue_absorb_rate: float | None
    """Quantity consumed ahead of us, base units per second."""
    queue_eta_ms: float | None
    """Time until a quote is through its queue, ms."""
    slippage_bps: float | None
    """Fill against quoted price, bps; positive is bad for us."""
    adverse_move_bps: float | None
    """Move of the mid against us from quote to fill, bps; positive is bad for us."""
    fills_total: int
    fills_maker: int
    fills_taker: int

    def as_dict(self) -> dict[str, Any]:
        """By name, as a JSON line would hold it."""
        return self._asdict()


FEATURES: Final = FeatureSnapshot._fields[1:11]
"""Names of the ten features, in their order."""
