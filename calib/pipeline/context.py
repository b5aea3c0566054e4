"""What one tick carries from stage to stage."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import msgspec
from msgspec.structs import replace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from calib.market import BookView, MDCacheMeta


class Decision(enum.StrEnum):
    """How the tick may quote."""

    QUOTE = "quote"
    WIDEN = "widen"
    """Quote wider: the prices are older than they should be."""
    SKIP = "skip"
    """Do not quote: the stages that follow are not run."""


class MarketData(NamedTuple):
    """The market as a tick sees it; the same whether it came through the cache or not.

    Parameters
    ----------
    symbol
        The instrument.
    bids, asks
        ``(price, qty)``, the best first.
    update_id
        The venue's id of the book; None where it has none.
    depth
        Levels a side that were asked for.
    """

    symbol: str
    bids: tuple[tuple[float, float], ...]
    asks: tuple[tuple[float, float], ...]
    update_id: int | None
    depth: int

    @classmethod
    def of(cls, book: BookView) -> Self:
        """The market data of a book.

        >>> from calib.market import BookView
        >>> MarketData.of(BookView("X", ((99.0, 1.0),), ((101.0, 2.0),), 7, 1)).mid
        100.0
        """
        return tuple.__new__(cls, book)  # a view's fields, in a view's order

    @property
    def best_bid(self) -> float | None:
        """The highest bid; None where there is none."""
        return self.bids[0][0] if self.bids else None

    @property
    def best_ask(self) -> float | None:
        """The lowest ask; None where there is none."""
        return self.asks[0][0] if self.asks else None

    @property
    def mid(self) -> float | None:
        """Half way between the best bid and ask; None while a side is empty."""
        return (self.bids[0][0] + self.asks[0][0]) / 2 if self.bids and self.asks else None


class CacheStamp(NamedTuple):
    """The state of the book that a quote was made from, for the quote's line and for its fills'.

    Parameters
    ----------
    used_stale
        Whether the cache served it past its freshness; None where it did not come from the cache.
    cache_age_ms
        Its age when it was served, ms; None likewise.
    """

    used_stale: bool | None
    cache_age_ms: float | None

    def fields(self) -> dict[str, Any]:
        """The two fields by their names in the feeds.

        >>> CacheStamp(False, 12.5).fields()
        {'used_stale': False, 'cache_age_ms': 12.5}
        """
        return {"used_stale": self.used_stale, "cache_age_ms": self.cache_age_ms}


NO_STAMP: Final = CacheStamp(None, None)
"""Of a quote whose book did not come from the cache."""


@dataclass(frozen=True, slots=True)
class ShadowAnswer:
    """What the cache would have answered, beside the direct fetch that was used.

    Parameters
    ----------
    meta
        The cache's own account of its answer; None where it refused the question.
    took_ms
        How long it took, ms.
    mid_error_bps
        |its mid - the direct mid| / the direct mid, bps; None without both.
    same_top
        Whether best bid and ask agree in price and quantity; None without its book.
    """

    meta: MDCacheMeta | None
    took_ms: float
    mid_error_bps: float | None
    same_top: bool | None


class QuoteContext(msgspec.Struct, frozen=True):
    """One tick of one symbol. It never changes: a stage returns the next one.

    Parameters
    ----------
    symbol
        The instrument.
    guard
        Whether the tick is for a guard (a kill switch, an inventory or price check) and not for pricing.
    depth
        Levels a side that it needs.
    expected_update_id
        The newest update id that the bot's stream has shown for the symbol.
    max_age_ms
        Accept no cached book older than this; None: the cache's own bounds.
    ws_gap_ms
        Time since the last stream message, ms.
    bucket
        Arm of an experiment, ``A`` or ``B``.
    market_data, meta, shadow
        Filled by `calib.pipeline.FetchMDStage`: the market, how it was come by, and the cache's answer in shadow mode.
    decision, widen_ratio
        Filled by `calib.pipeline.StalePricingStage`: whether to quote, and how many times as wide.
    n_quotes
        Quotes sent by this tick; None where no stage says.
    values
        What other stages hand on, by name.

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
            # A copy: a dict that its giver changes later would change this tick.
            msgspec.structs.force_setattr(self, "values", MappingProxyType(dict(self.values)))

    def __hash__(self) -> int:
        return hash((self.symbol, self.expected_update_id, self.market_data))

    @property
    def use_case(self) -> str:
        """``guards`` or ``pricing``: the rules by which the cache serves this tick."""
        return "guards" if self.guard else "pricing"

    @property
    def cache_stamp(self) -> CacheStamp:
        """What a quote made from this tick's market data is stamped with, and later its fill.

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
        """The tick with its market data, and how they were come by."""
        return replace(self, market_data=market_data, meta=meta, shadow=shadow)

    def with_decision(self, decision: Decision, widen_ratio: float = 1.0) -> Self:
        """The tick with the decision how to quote."""
        return replace(self, decision=decision, widen_ratio=widen_ratio)

    def with_quotes(self, n_quotes: int) -> Self:
        """The tick with the number of quotes that it sent."""
        return replace(self, n_quotes=n_quotes)

    def with_value(self, name: str, value: object) -> Self:
        """The tick with one more value for the stages that follow."""
        return replace(self, values={**self.values, name: value})
