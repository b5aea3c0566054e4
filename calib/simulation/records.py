"""The log lines of the simulated bot, as records of the feeds; numbers are scaled integers or rounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from calib.pipeline import NO_STAMP, CacheStamp
from calib.simulation.instruments import Instrument
from calib.simulation.market import Book

Record = dict[str, Any]


@dataclass(slots=True)
class Quote:
    """A resting quote of ours.

    Parameters
    ----------
    number
        Sequence number of the orders of this symbol and hour, including hedges.
    side
        +1 buy, -1 sell.
    price, lots
        Whole ticks and lots.
    seen
        The book that the decision was based on.
    mid_open_h
        The true mid when the quote was opened, half ticks.
    sent_us, opened_us
        Times at which it was sent and at which the venue had it, Unix microseconds.
    queue_lots
        Quantity ahead of it when it was opened.
    filled_lots
        Quantity filled.
    stamp
        The cache's description of that book.
    """

    number: int
    side: int
    price: int
    lots: int
    seen: Book
    mid_open_h: int
    sent_us: int
    opened_us: int
    queue_lots: int = 0
    filled_lots: int = 0
    stamp: CacheStamp = NO_STAMP


class Execution(NamedTuple):
    """One fill of ours, maker or taker."""

    quote: Quote
    number: int
    price: int
    lots: int
    mid_h: int
    at_us: int
    received_us: int
    taker: bool


class RecordBuilder:
    """Creates the feed records of one symbol and hour.

    Parameters
    ----------
    instrument
        The instrument, for its tick and lot.
    stamp
        The hour as ten digits, ``YYYYMMDDHH``; it makes ids unique.
    """

    __slots__ = ("_instrument", "_stamp")

    def __init__(self, instrument: Instrument, stamp: str) -> None:
        self._instrument = instrument
        self._stamp = stamp

    def fill(self, done: Execution) -> Record:
        """Return a line of the fills feed."""
        scale, quote = self._instrument, done.quote
        slip = quote.side * (done.price - quote.price) / quote.price * 1e4
        return {
            "ts": done.received_us / 1e6,
            "symbol": scale.name,
            "side": "buy" if quote.side > 0 else "sell",
            "price": scale.price(done.price),
            "qty": scale.qty(done.lots),
            "liquidity": "taker" if done.taker else "maker",
            "queue_pos_est": scale.qty(quote.queue_lots),
            "quote_price": scale.price(quote.price),
            "mid_at_quote": scale.half(quote.seen.mid_h),
            "mid_now": scale.half(done.mid_h),
            "spread_at_quote_bps": round(2e4 * (quote.seen.ask - quote.seen.bid) / quote.seen.mid_h, 4),
            "latency_ms": (quote.opened_us - quote.sent_us) / 1e3,
            "slip_bps": round(slip, 4) + 0.0,  # + 0.0 turns -0.0 into 0.0
            "fee_bps": scale.taker_fee_bps if done.taker else scale.maker_fee_bps,
            "trade_id": f"{self._stamp}{done.number:05d}",
            "order_id": f"o{self._stamp}{quote.number:05d}",
            "quote_id": self._quote_id(quote),
            "ts_quote": quote.sent_us / 1e6,
            "ts_exchange": done.at_us / 1e6,
            **_stamped(quote),
            **({} if done.taker else {"queue_ahead": scale.qty(quote.queue_lots)}),
        }

    def quote(self, quote: Quote, closed_us: int, reason: str) -> Record:
        """Return a line of the quotes feed."""
        scale = self._instrument
        return {
            "ts": closed_us / 1e6,
            "quote_id": self._quote_id(quote),
            "symbol": scale.name,
            "side": "buy" if quote.side > 0 else "sell",
            "price": scale.price(quote.price),
            "qty": scale.qty(quote.lots),
            "ts_open": quote.opened_us / 1e6,
            "ts_close": closed_us / 1e6,
            "close_reason": reason,
            "qty_filled": scale.qty(quote.filled_lots),
            "queue_ahead_open": scale.qty(quote.queue_lots),
            "mid_open": scale.half(quote.mid_open_h),
            **_stamped(quote),
        }

    def _quote_id(self, quote: Quote) -> str:
        return f"q{self._stamp}{quote.number:05d}"


def _stamped(quote: Quote) -> Record:
    """The fields of the stamp, rounded to a microsecond; fields without a value are omitted."""
    age = quote.stamp.cache_age_ms
    fields = {"used_stale": quote.stamp.used_stale, "cache_age_ms": None if age is None else round(age, 3)}
    return {name: value for name, value in fields.items() if value is not None}
