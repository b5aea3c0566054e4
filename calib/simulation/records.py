"""The lines that the model's bot logs, as the feeds' fields; every number is a whole one scaled, or rounded."""

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
        Counts the orders of this symbol and hour, hedges included.
    side
        +1 buy, -1 sell.
    price, lots
        Whole ticks and lots.
    seen
        The book that the bot saw when it decided.
    mid_open_h
        The market's own mid when the quote came to rest, half ticks.
    sent_us, opened_us
        When it was sent and when the venue had it, Unix microseconds.
    queue_lots
        What stood ahead of it when it came to rest.
    filled_lots
        How much of it was filled.
    stamp
        What the cache said of the book that it was made from.
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
    """One execution of ours, maker or taker."""

    quote: Quote
    number: int
    price: int
    lots: int
    mid_h: int
    at_us: int
    received_us: int
    taker: bool


class Scribe:
    """Turns what happened to one symbol in one hour into feed records.

    Parameters
    ----------
    instrument
        Whose tick and lot the numbers are in.
    stamp
        Ten digits of the hour, ``YYYYMMDDHH``; ids are unique because they carry it.
    """

    __slots__ = ("_instrument", "_stamp")

    def __init__(self, instrument: Instrument, stamp: str) -> None:
        self._instrument = instrument
        self._stamp = stamp

    def fill(self, done: Execution) -> Record:
        """A line of the fills feed."""
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
            "slip_bps": round(slip, 4) + 0.0,  # + 0.0: no line says -0.0
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
        """A line of the quotes feed."""
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
    """The stamp's fields, to a microsecond; a field without a value is left out, as it is optional."""
    age = quote.stamp.cache_age_ms
    fields = {"used_stale": quote.stamp.used_stale, "cache_age_ms": None if age is None else round(age, 3)}
    return {name: value for name, value in fields.items() if value is not None}
