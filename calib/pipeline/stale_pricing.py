"""The reaction of a tick to stale or missing prices: widen or skip."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calib.errors import ConfigError
from calib.pipeline.context import Decision

if TYPE_CHECKING:
    from calib.pipeline.context import QuoteContext


class StalePricingStage:
    """Decides how the tick may quote, from the metadata of `calib.pipeline.FetchMDStage`.

    Without market data, or with an empty side, it skips. With a stale book it quotes wider; a cache with
    ``skip_pricing_on_stale`` serves pricing no stale book, so the tick skips.

    Parameters
    ----------
    widen_ratio
        Spread of a stale tick divided by its normal spread, >= 1.
    """

    name = "stale_pricing"

    __slots__ = ("_widen_ratio",)

    def __init__(self, widen_ratio: float = 1.5) -> None:
        if not 1 <= widen_ratio < float("inf"):
            raise ConfigError(f"widen_ratio: {widen_ratio!r} is out of range", hint="Allowed: a finite number >= 1")
        self._widen_ratio = widen_ratio

    async def run(self, context: QuoteContext) -> QuoteContext:
        """Return the tick with its decision."""
        market_data = context.market_data
        if market_data is None or market_data.mid is None:
            return context.with_decision(Decision.SKIP)
        if context.meta is not None and context.meta.used_stale:
            return context.with_decision(Decision.WIDEN, self._widen_ratio)
        return context.with_decision(Decision.QUOTE)
