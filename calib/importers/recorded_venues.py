"""Recorded messages of the venues in `calib.market.venues`, as records of the book and trades feeds.

Books are read by the venue's own file; its trades, which the live book does not need, are read here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from calib.errors import VenueMessageError
from calib.importers.base import ROW_FAULTS, BadRow, fault_of
from calib.importers.binance import Found
from calib.market.book.prices import Number
from calib.market.stream.messages import Delta
from calib.market.venues import BYBIT, HYPERLIQUID, BookMessage, Venue

_INVERSE: Final = re.compile(r"[A-Z0-9]+USD([FGHJKMNQUVXZ]\d\d)?")
"""Bybit's contracts of a fixed amount of dollars."""
_SIDES: Final = {"Buy": "buy", "Sell": "sell", "B": "buy", "A": "sell"}
"""The aggressor's side: of Bybit, and of Hyperliquid (bid, ask)."""


@dataclass(frozen=True, slots=True)
class RecordedVenue:
    """A venue whose recordings can be read.

    Parameters
    ----------
    venue
        Reads its books.
    trades
        Key and beginning of the value of messages that hold trades.
    fields
        What a trade calls its symbol, price, quantity, side, id and time in milliseconds.
    market
        The market of a symbol.
    """

    venue: Venue
    trades: tuple[str, str]
    fields: tuple[str, str, str, str, str, str]
    market: Callable[[str], str]

    def records(self, text: bytes, ts: float) -> Iterator[Found | BadRow]:
        """The records of one message that was received at ``ts`` (Unix seconds), or why there are none."""
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            yield BadRow("bad_json")
            return
        if not isinstance(message, dict):
            yield BadRow("no_feed", damaged=False)
            return
        key, begin = self.trades
        name = message.get(key)
        if isinstance(name, str) and name.startswith(begin):
            yield from self._trades(message.get("data"), ts)
        else:
            yield from self._books(message, ts)

    def _trades(self, trades: object, ts: float) -> Iterator[Found | BadRow]:
        if not isinstance(trades, list):
            yield BadRow("missing_field" if trades is None else "bad_type", "data")
            return
        for trade in trades:
            try:
                yield self._trade(trade, ts)
            except BadRow as bad:
                yield bad
            except ROW_FAULTS as error:
                yield fault_of(error)

    def _trade(self, trade: dict[str, Any], ts: float) -> Found:
        symbol, price, qty, side, trade_id, time_ms = (_value(trade, name) for name in self.fields)
        if not isinstance(symbol, str) or not symbol:
            raise BadRow("no_symbol", self.fields[0])
        if side not in _SIDES:
            raise BadRow("bad_value", self.fields[3])
        if not isinstance(time_ms, int) or not isinstance(trade_id, str | int):
            raise BadRow("bad_type", self.fields[4 if isinstance(time_ms, int) else 5])
        record = {
            "ts": ts,
            "ts_exchange": time_ms / 1e3,
            "symbol": symbol,
            "price": _float(price, self.fields[1]),
            "qty": _float(qty, self.fields[2]),
            "side": _SIDES[side],
            "trade_id": str(trade_id),
        }
        return Found("trades", record, "trade", self.market(symbol))

    def _books(self, message: dict[str, Any], ts: float) -> Iterator[Found | BadRow]:
        try:
            events = self.venue.read(message, "")
        except VenueMessageError as error:
            reason = "missing_field" if error.what.endswith("missing") else "bad_type"
            yield BadRow(reason, error.where, what=error.what)
            return
        for event in events:
            if isinstance(event, BookMessage) and event.depth != 1:
                try:
                    yield self._book(event, ts)
                except BadRow as bad:
                    yield bad
            else:  # best prices have no feed, nor has what is not of a book
                yield BadRow("no_feed", damaged=False)

    def _book(self, event: BookMessage, ts: float) -> Found:
        message = event.message
        record: dict[str, Any] = {
            "ts": ts,
            "ts_exchange": None if event.exchange_us is None else event.exchange_us / 1e6,
            "symbol": event.symbol,
            "bids": [[_float(price, "bids"), _float(qty, "bids")] for price, qty in message.bids],
            "asks": [[_float(price, "asks"), _float(qty, "asks")] for price, qty in message.asks],
        }
        if isinstance(message, Delta):
            ids = {"first_update_id": message.first_id, "update_id": message.last_id, "prev_update_id": message.prev_id}
            record |= {"type": "delta", **ids}
        else:
            record |= {"type": "snapshot", "update_id": message.update_id, "origin": "pushed"}
        return Found("book", record, f"depth{event.depth or ''}", self.market(event.symbol))


def _value(trade: dict[str, Any], name: str) -> Any:
    value = trade.get(name)
    if value is None or isinstance(value, bool):
        raise BadRow("missing_field" if value is None else "bad_type", name)
    return value


def _float(value: Number, name: str) -> float:
    try:
        return float("" if isinstance(value, str) and "_" in value else value)
    except (ValueError, OverflowError):
        raise BadRow("bad_type", name) from None


def bybit_market(symbol: str) -> str:
    """Linear and spot recordings look alike; inverse contracts show in the symbol.

    >>> bybit_market("BTCUSDT"), bybit_market("BTCUSD"), bybit_market("ETHUSDZ26")
    ('bybit', 'bybit-inverse', 'bybit-inverse')
    """
    return "bybit-inverse" if _INVERSE.fullmatch(symbol) else "bybit"


RECORDED: Final = {
    "Bybit": RecordedVenue(BYBIT, ("topic", "publicTrade."), ("s", "p", "v", "S", "i", "T"), bybit_market),
    "Hyperliquid": RecordedVenue(
        HYPERLIQUID, ("channel", "trades"), ("coin", "px", "sz", "side", "tid", "time"), lambda symbol: "hyperliquid"
    ),
}
"""By the name that `calib.importers.binance.Scan` gives a foreign venue."""
