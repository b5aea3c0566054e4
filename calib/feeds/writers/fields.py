"""The keywords of each logger, made by ``make docs`` from `calib.feeds.schema.table`: do not edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict


class FillFields(TypedDict):
    """Fields of one ``fills`` record; without ``ts`` the logger's clock stamps it."""

    ts: NotRequired[float | None]
    symbol: str
    side: Literal["buy", "sell"]
    price: float
    qty: float
    liquidity: Literal["maker", "taker"]
    queue_pos_est: NotRequired[float | None]
    quote_price: NotRequired[float | None]
    mid_at_quote: NotRequired[float | None]
    mid_now: NotRequired[float | None]
    spread_at_quote_bps: NotRequired[float | None]
    latency_ms: NotRequired[float | None]
    slip_bps: NotRequired[float | None]
    fee_bps: NotRequired[float | None]
    trade_id: NotRequired[str | None]
    order_id: NotRequired[str | None]
    quote_id: NotRequired[str | None]
    ts_quote: NotRequired[float | None]
    ts_exchange: NotRequired[float | None]
    used_stale: NotRequired[bool | None]
    cache_age_ms: NotRequired[float | None]
    queue_ahead: NotRequired[float | None]
    bucket: NotRequired[Literal["A", "B"] | None]


class TickFields(TypedDict):
    """Fields of one ``pipeline_ticks`` record; without ``ts`` the logger's clock stamps it."""

    ts: NotRequired[float | None]
    symbol: str
    stage_latencies: NotRequired[Mapping[str, float | None] | None]
    stage_p95_ms: NotRequired[Mapping[str, float | None] | None]
    tick_total_ms: float
    cache_hit: bool
    deadline_miss: bool
    cache_age_ms: NotRequired[float | None]
    used_stale: NotRequired[bool | None]
    sample_rate: NotRequired[int | None]
    n_quotes: NotRequired[int | None]
    bid: NotRequired[float | None]
    ask: NotRequired[float | None]
    mid: NotRequired[float | None]
    update_id: NotRequired[int | None]
    depth: NotRequired[int | None]
    use_case: NotRequired[str | None]
    source: NotRequired[str | None]
    status: NotRequired[str | None]
    ws_gap_ms: NotRequired[float | None]
    fetch_md_cache_ms: NotRequired[float | None]
    bucket: NotRequired[Literal["A", "B"] | None]


class BookFields(TypedDict):
    """Fields of one ``book`` record; without ``ts`` the logger's clock stamps it."""

    ts: NotRequired[float | None]
    ts_exchange: NotRequired[float | None]
    symbol: str
    type: Literal["snapshot", "delta"]
    first_update_id: NotRequired[int | None]
    update_id: NotRequired[int | None]
    prev_update_id: NotRequired[int | None]
    bids: Sequence[Sequence[float]]
    asks: Sequence[Sequence[float]]
    origin: NotRequired[Literal["requested", "pushed"] | None]


class TradeFields(TypedDict):
    """Fields of one ``trades`` record; without ``ts`` the logger's clock stamps it."""

    ts: NotRequired[float | None]
    ts_exchange: NotRequired[float | None]
    symbol: str
    price: float
    qty: float
    side: Literal["buy", "sell"]
    trade_id: NotRequired[str | None]


class QuoteFields(TypedDict):
    """Fields of one ``quotes`` record; without ``ts`` the logger's clock stamps it."""

    ts: NotRequired[float | None]
    quote_id: str
    symbol: str
    side: Literal["buy", "sell"]
    price: float
    qty: float
    ts_open: float
    ts_close: float
    close_reason: Literal["filled", "cancelled", "replaced", "expired", "open"]
    qty_filled: float
    queue_ahead_open: NotRequired[float | None]
    mid_open: NotRequired[float | None]
    used_stale: NotRequired[bool | None]
    cache_age_ms: NotRequired[float | None]
