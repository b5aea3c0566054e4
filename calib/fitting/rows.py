"""The lines of one symbol as columns; NaN for missing values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np

from calib.fitting.arrays import Bools, Floats, Ints


class _Rows:
    """Columns of equal length."""

    __slots__ = ()

    def __len__(self) -> int:
        return len(self.ts)  # type: ignore[attr-defined]

    def take(self, chosen: Ints | Bools | slice) -> Self:
        """A selection of the rows."""
        values: dict[str, Any] = {}
        for field in fields(self):  # type: ignore[arg-type]
            column = getattr(self, field.name)
            if isinstance(column, np.ndarray):
                values[field.name] = column[chosen]
            else:
                values[field.name] = [column[place] for place in np.arange(len(self))[chosen].tolist()]
        return type(self)(**values)


@dataclass(frozen=True, slots=True)
class FillRows(_Rows):
    """Executions of one symbol, in time order.

    Parameters
    ----------
    ts, ts_exchange, ts_quote
        Times at which it was received, happened and was quoted, s.
    sign
        +1 our buy, -1 our sell.
    price, qty, fee_bps, latency_ms
        As in the feed; a missing fee is replaced by the configured one.
    maker
        Whether it was a maker fill.
    mid_now, mid_at_quote
        As in the feed.
    used_stale, cache_age_ms
        State of the cache when the quote was made; 1 and 0 for true and false.
    quote_id
        Id of the filled quote.
    """

    ts: Floats
    ts_exchange: Floats
    ts_quote: Floats
    sign: Floats
    price: Floats
    qty: Floats
    fee_bps: Floats
    latency_ms: Floats
    maker: Bools
    mid_now: Floats
    mid_at_quote: Floats
    used_stale: Floats
    cache_age_ms: Floats
    quote_id: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class QuoteRows(_Rows):
    """Quotes of one symbol, in order of their lines.

    Parameters
    ----------
    ts
        Time of the line, s.
    ts_open, ts_close
        Times on the bot's clock, s.
    sign
        +1 buy, -1 sell.
    price, qty, qty_filled, queue_ahead_open, mid_open, used_stale, cache_age_ms
        As in the feed.
    close_reason, quote_id
        As in the feed.
    """

    ts: Floats
    ts_open: Floats
    ts_close: Floats
    sign: Floats
    price: Floats
    qty: Floats
    qty_filled: Floats
    queue_ahead_open: Floats
    mid_open: Floats
    used_stale: Floats
    cache_age_ms: Floats
    close_reason: Sequence[str]
    quote_id: Sequence[str]


@dataclass(frozen=True, slots=True)
class TradeRows(_Rows):
    """Public trades of one symbol, in time order; ``sign`` is the aggressor's."""

    ts: Floats
    ts_exchange: Floats
    sign: Floats
    price: Floats
    qty: Floats


@dataclass(frozen=True, slots=True)
class TickRows(_Rows):
    """Logged ticks of one symbol, in time order."""

    ts: Floats
    tick_total_ms: Floats
    mid: Floats
    used_stale: Floats
    cache_age_ms: Floats
