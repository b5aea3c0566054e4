"""Convert recorded messages of the venues in `calib.market.venues` into book and trades records.

The venue's own module parses book messages. The live book does not use trades, so they are parsed here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson

from calib.errors import VenueMessageError
from calib.importers.base import ROW_FAULTS, BadRow, fault_of
from calib.importers.binance import ParsedMessage
from calib.market.book.prices import Number
from calib.market.stream.messages import Delta
from calib.market.venues import BYBIT, HYPERLIQUID, BookMessage, Venue

_INVERSE: Final = re.compile(r"[A-Z0-9]+USD([FGHJKMNQUVXZ]\d\d)?")
"""Symbols of Bybit's inverse contracts, each worth a fixed amount of dollars."""
_SIDES: Final = {"Buy": "buy", "Sell": "sell", "B": "buy", "A": "sell"}
"""Aggressor side as Bybit (Buy, Sell) and Hyperliquid (B for bid, A for ask) write it."""


@dataclass(frozen=True, slots=True)
class RecordedVenue:
    """How to read the recorded messages of one venue.

    Parameters
    ----------
    venue
        Parses its book messages.
    trades
        Key and value prefix that identify a message of trades.
    fields
        Keys of a trade's symbol, price, quantity, side, id and time (ms).
    market
        Returns the market of a symbol.
    """

    venue: Venue
    trades: tuple[str, str]
    fields: tuple[str, str, str, str, str, str]
    market: Callable[[str], str]

    def records(self, text: bytes, ts: float) -> Iterator[ParsedMessage | BadRow]:
        """Yield the records of a message received at ``ts`` (Unix seconds), or a `BadRow` for a part without one."""
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            yield BadRow("bad_json")
            return
        if not isinstance(message, dict):
            yield BadRow("no_feed", damaged=False)
            return
        key, prefix = self.trades
        name = message.get(key)
        if isinstance(name, str) and name.startswith(prefix):
            yield from self._trades(message.get("data"), ts)
        else:
            yield from self._books(message, ts)

    def _trades(self, trades: object, ts: float) -> Iterator[ParsedMessage | BadRow]:
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

    def _trade(self, trade: dict[str, Any], ts: float) -> ParsedMessage:
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
        return ParsedMessage("trades", record, "trade", self.market(symbol))

    def _books(self, message: dict[str, Any], ts: float) -> Iterator[ParsedMessage | BadRow]:
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
            else:  # neither best prices nor messages of other channels have a feed
                yield BadRow("no_feed", damaged=False)

    def _book(self, event: BookMessage, ts: float) -> ParsedMessage:
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
        return ParsedMessage("book", record, f"depth{event.depth or ''}", self.market(event.symbol))


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
    """Return ``bybit-inverse`` for the symbol of an inverse contract, else ``bybit``.

    Messages of linear contracts and of spot do not differ, so one name covers both.

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
"""Name of a venue, as in `calib.importers.binance.Scan.other_venue` -> how to read its recordings."""
