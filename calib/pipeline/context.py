"""The context that a tick passes from stage to stage."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Self

import msgspec
from msgspec.structs import force_setattr, replace

from calib.market.cache.entry import MDCacheMeta
from calib.pipeline.cache_stamp import NO_STAMP, CacheStamp
from calib.pipeline.market_data import MarketData


class Decision(enum.StrEnum):
    """How the tick may quote."""

    QUOTE = "quote"
    WIDEN = "widen"
    """Quote wider: the prices are stale."""
    SKIP = "skip"
    """Do not quote: the remaining stages are not run."""


@dataclass(frozen=True, slots=True)
class ShadowAnswer:
    """The cache's answer in shadow mode, in which the direct fetch was used.

    Parameters
    ----------
    meta
        The metadata of the answer; None if the cache refused the request.
    took_ms
        Duration of the read, ms.
    mid_error_bps
        |cached mid - direct mid| / direct mid, bps; None if either is missing.
    same_top
        Whether the best bid and ask agree in price and quantity; None without a cached book.
    """

    meta: MDCacheMeta | None
    took_ms: float
    mid_error_bps: float | None
    same_top: bool | None


class QuoteContext(msgspec.Struct, frozen=True):
    """One tick of one symbol. It is immutable: a stage returns a new one.

    Parameters
    ----------
    symbol
        The instrument.
    guard
        Whether the tick is for a guard (a kill switch, an inventory or price check) and not for pricing.
    depth
        Levels per side that it needs.
    expected_update_id
        The newest update id that the bot's stream has received for the symbol.
    max_age_ms
        Maximum age of a cached book, ms; None: only the cache's own bounds.
    ws_gap_ms
        Time since the last stream message, ms.
    bucket
        Arm of an experiment, ``A`` or ``B``.
    market_data, meta, shadow
        Set by `calib.pipeline.FetchMDStage`: the market, the read's metadata, and the cache's answer in shadow mode.
    decision, widen_ratio
        Set by `calib.pipeline.StalePricingStage`: whether to quote, and the factor on the spread.
    n_quotes
        Quotes sent by this tick; None if no stage set it.
    values
        Values of other stages, by name.

    >>> context = QuoteContext("BTCUSDT").with_value("edge_bps", 2.0)
    >>> context.values["edge_bps"], context.use_case
    (2.0, 'pricing')
    """

    symbol: str
    guard: bool = False
    depth: int = 50
    expected_update_id: int | None = None
    max_age_ms: float | None = None
    ws_gap_ms: float | None = None
    bucket: str | None = None
    market_data: MarketData | None = None
    meta: MDCacheMeta | None = None
    shadow: ShadowAnswer | None = None
    decision: Decision = Decision.QUOTE
    widen_ratio: float = 1.0
    n_quotes: int | None = None
    values: Mapping[str, Any] = {}

    def __post_init__(self) -> None:
        if type(self.values) is not MappingProxyType:
            # Copied: the caller could change its dict later, and with it this tick.
            force_setattr(self, "values", MappingProxyType(dict(self.values)))

    def __hash__(self) -> int:
        return hash((self.symbol, self.expected_update_id, self.market_data))

    @property
    def use_case(self) -> str:
        """``guards`` or ``pricing``: the rules by which the cache serves this tick."""
        return "guards" if self.guard else "pricing"

    @property
    def cache_stamp(self) -> CacheStamp:
        """The stamp for the quotes made from this tick's market data, and for their fills.

        >>> QuoteContext("BTCUSDT").cache_stamp
        CacheStamp(used_stale=None, cache_age_ms=None)
        """
        meta = self.meta
        if meta is None or meta.status == "direct":
            return NO_STAMP
        return CacheStamp(meta.used_stale, meta.age_ms)

    def with_market_data(
        self, market_data: MarketData | None, meta: MDCacheMeta | None = None, shadow: ShadowAnswer | None = None
    ) -> Self:
        """Return the tick with its market data and the metadata of the read."""
        # Copy and set: half the cost of `replace`, which checks `values` again; this runs on every tick.
        made: Self = self.__copy__()  # type: ignore[attr-defined]  # msgspec types do not list it
        force_setattr(made, "market_data", market_data)
        force_setattr(made, "meta", meta)
        if shadow is not self.shadow:
            force_setattr(made, "shadow", shadow)
        return made

    def with_decision(self, decision: Decision, widen_ratio: float = 1.0) -> Self:
        """Return the tick with a decision whether and how to quote."""
        return replace(self, decision=decision, widen_ratio=widen_ratio)

    def with_quotes(self, n_quotes: int) -> Self:
        """Return the tick with the number of quotes sent."""
        return replace(self, n_quotes=n_quotes)

    def with_value(self, name: str, value: object) -> Self:
        """Return the tick with one more value for the next stages."""
        return replace(self, values={**self.values, name: value})
