"""The fill and tick records of an experiment, and their formulas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from calib.feeds.schema.table import EARLIEST_TS, LATEST_TS

NAN = float("nan")
LARGEST = 1e15
"""Maximum price, quantity, notional and number of quotes: sums stay within double precision."""
SMALLEST = 1e-15
"""Minimum price and quantity."""
LARGEST_BPS = 1e6
"""Maximum cost of a fill, bps: a hundred times its price; a larger one is an invalid record."""
LARGEST_MS = 86_400_000.0
"""Maximum duration of a tick, ms: one day; a longer one is an invalid record."""


class Fill(NamedTuple):
    """The fields of one execution that windows and blocks use; NaN where a figure cannot be computed."""

    ts: float
    ts_block: float
    """Time of its quote, else of the fill: it determines the block."""
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
    """Number of quotes that this line represents: ``n_quotes`` (else 1) x ``sample_rate``."""


def net_bps(sign: int, price: float, mid_at_quote: float | None, mid_now: float | None, fee_bps: float) -> float:
    """Return ``s (mid_now - p) / mid_at_quote x 1e4 - fee``; NaN if ``mid_now`` is missing.

    >>> round(net_bps(+1, 100.0, 100.0, 100.05, 1.0), 9)
    4.0
    """
    if mid_now is None:
        return NAN
    return sign * (mid_now - price) / (mid_at_quote or mid_now) * 1e4 - fee_bps


def slippage_bps(sign: int, price: float, quote_price: float | None, logged: float | None) -> float:
    """Return ``s (p - quote_price) / quote_price x 1e4``, else the logged figure, else NaN; positive is bad for us.

    >>> round(slippage_bps(-1, 99.99, 100.0, None), 9)
    1.0
    """
    if quote_price:
        return sign * (price - quote_price) / quote_price * 1e4
    return NAN if logged is None else logged


def usable_ts(ts: Any) -> bool:
    """Whether a value is plausibly Unix seconds."""
    return isinstance(ts, int | float) and not isinstance(ts, bool) and EARLIEST_TS <= ts < LATEST_TS


def as_number(value: Any, low: float = -LARGEST, high: float = LARGEST) -> float | None:
    """Return the value as a float if it is a number in [low, high], else None; integers may have any size.

    >>> as_number(10**400), as_number(True), as_number(3)
    (None, None, 3.0)
    """
    if type(value) is float:  # fast path: runs for every record
        return value if low <= value <= high else None
    if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
        return None
    return float(value)


def missing_or_number(value: Any, low: float = -LARGEST) -> bool:
    """Whether a value is None or a number in [low, `LARGEST`]."""
    return value is None or as_number(value, low) is not None


def fill_arguments(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of `ABHarness.record_fill` from a line of the feed ``fills``."""
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


def make_fill(
    symbol: Any,
    ts: float,
    side: str,
    price: float,
    qty: float,
    liquidity: str,
    arm: str,
    *,
    quote_price: float | None = None,
    mid_at_quote: float | None = None,
    mid_now: float | None = None,
    slip_bps: float | None = None,
    fee_bps: float | None = None,
    quote_id: str | None = None,
    ts_block: float,
) -> Fill | None:
    """Return a fill from the fields of the feed ``fills``; None if a field is invalid."""
    known = side in ("buy", "sell") and liquidity in ("maker", "taker")
    price_, qty_ = as_number(price, SMALLEST), as_number(qty, SMALLEST)
    if not isinstance(symbol, str) or not known or not usable_ts(ts) or price_ is None or qty_ is None:
        return None
    if not (missing_or_number(quote_price, SMALLEST) and missing_or_number(mid_at_quote, SMALLEST)):
        return None
    if not missing_or_number(mid_now, SMALLEST) or price_ * qty_ > LARGEST:
        return None
    if not (missing_or_number(slip_bps) and missing_or_number(fee_bps)):
        return None
    sign = 1 if side == "buy" else -1
    net = net_bps(sign, price_, mid_at_quote, mid_now, fee_bps or 0.0)
    slippage = slippage_bps(sign, price_, quote_price, slip_bps)
    if abs(net) > LARGEST_BPS or abs(slippage) > LARGEST_BPS:
        return None
    identity = None if quote_id is None else str(quote_id)
    return Fill(round(ts, 6), ts_block, symbol, arm, price_ * qty_, net, slippage, liquidity == "taker", identity)


def make_tick(
    symbol: Any,
    ts: float,
    tick_total_ms: float,
    deadline_miss: bool,
    arm: str,
    *,
    n_quotes: int | None = None,
    sample_rate: int | None = None,
) -> TickRecord | None:
    """Return a tick from the fields of the feed ``pipeline_ticks``; None if a field is invalid."""
    total = as_number(tick_total_ms, 0.0, LARGEST_MS)
    quotes = 1.0 if n_quotes is None else as_number(n_quotes, 0.0)
    rate = 1.0 if sample_rate is None else as_number(sample_rate, 1.0)
    if not isinstance(symbol, str) or not usable_ts(ts) or total is None or quotes is None or rate is None:
        return None
    if quotes * rate > LARGEST:
        return None
    return TickRecord(round(ts, 6), symbol, arm, total, bool(deadline_miss), quotes * rate)
