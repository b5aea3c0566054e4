"""The facts that an experiment keeps of a fill and of a tick, and their formulas."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from calib.feeds.schema.table import EARLIEST_TS, LATEST_TS

NAN = float("nan")


class Fill(NamedTuple):
    """One execution, as the windows and the blocks need it. NaN where a figure cannot be had."""

    ts: float
    ts_block: float
    """The time of its quote (else of itself): the block it counts to."""
    symbol: str
    bucket: str
    notional: float
    net_bps: float
    slippage_bps: float
    taker: bool
    quote_id: str | None


class TickRecord(NamedTuple):
    """One tick of the pipeline."""

    ts: float
    symbol: str
    bucket: str
    tick_total_ms: float
    deadline_miss: bool
    quotes: float
    """Quotes that this line stands for: ``n_quotes`` (else 1) x ``sample_rate``."""


def net_bps(sign: int, price: float, mid_at_quote: float | None, mid_now: float | None, fee_bps: float) -> float:
    """``s (mid_now - p) / mid_at_quote x 1e4 - fee``; NaN where ``mid_now`` is missing.

    >>> round(net_bps(+1, 100.0, 100.0, 100.05, 1.0), 9)
    4.0
    """
    if mid_now is None:
        return NAN
    return sign * (mid_now - price) / (mid_at_quote or mid_now) * 1e4 - fee_bps


def slippage_bps(sign: int, price: float, quote_price: float | None, logged: float | None) -> float:
    """``s (p - quote_price) / quote_price x 1e4``, else the logged figure, else NaN; positive is bad for us.

    >>> round(slippage_bps(-1, 99.99, 100.0, None), 9)
    1.0
    """
    if quote_price:
        return sign * (price - quote_price) / quote_price * 1e4
    return NAN if logged is None else logged


def usable_ts(ts: Any) -> bool:
    """Whether a value is plausibly Unix seconds."""
    return isinstance(ts, int | float) and not isinstance(ts, bool) and EARLIEST_TS <= ts < LATEST_TS


def positive(value: Any) -> bool:
    """Whether a value is a finite number above zero."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def fill_arguments(row: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a feed line of kind ``fills`` that `ABHarness.record_fill` takes."""
    return {name: row.get(name) for name in FILL_FIELDS}


FILL_FIELDS = (
    "symbol",
    "ts",
    "side",
    "price",
    "qty",
    "liquidity",
    "quote_price",
    "mid_at_quote",
    "mid_now",
    "slip_bps",
    "fee_bps",
    "quote_id",
    "ts_quote",
    "bucket",
)
TICK_FIELDS = ("symbol", "ts", "tick_total_ms", "deadline_miss", "n_quotes", "sample_rate", "bucket")
