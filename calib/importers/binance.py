"""Binance's market data messages, spot and USD-M futures, as records of the book and trades feeds.

Recordings differ in how a line says when its message came, not in the message.
"""

from __future__ import annotations

from typing import Final

import orjson

_KNOWN_WITHOUT_FEED: Final = ("bookTicker", "markPriceUpdate", "forceOrder", "kline", "24hrTicker")
_TRADES: Final = {"trade": "t", "aggTrade": "a"}
"""Event -> its id."""


class BadMessage(Exception):
    """A message that gives no record: the words of its `Rejected`."""

    def __init__(self, reason: str, field: str, *, damaged: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.field, self.damaged = reason, field, damaged


class BinanceMessages:
    """Messages of one recording, in its order: what must be known of the ones before to read the next.

    A recording with both plain and aggregated trades of a symbol shows each trade twice: the kind that comes first is
    taken, the other refused as ``second_trade_stream``. A snapshot that repeats the last one of its symbol is a
    ``duplicate``.
    """

    def __init__(self) -> None:
        self._trades: dict[str, str] = {}
        self._snapshots: dict[str, tuple[object, ...]] = {}

    def reconnected(self) -> None:
        """Forget the snapshots: after a new connection the same one again is news."""
        self._snapshots.clear()

    def record(self, text: bytes, ts: float, symbol: str | None) -> tuple[str, dict[str, object]]:
        """The feed and record of one JSON message, received at ``ts`` (Unix seconds).

        ``symbol`` is of messages that name none: the REST snapshots.

        Raises
        ------
        BadMessage
            Where it gives no record.
        """
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise BadMessage("bad_json", "") from None
        data = message.get("data", message) if isinstance(message, dict) else message
        if not isinstance(data, dict):
            raise BadMessage("bad_type", "data")
        if "lastUpdateId" in data:
            return "book", self._whole(data, ts, symbol)
        event = data.get("e")
        if event == "depthUpdate":
            return "book", self._delta(data, ts, symbol)
        if event in _TRADES:
            return "trades", self._trade(data, ts, symbol, event)
        best_price = event is None and {"u", "b", "B", "a", "A"} <= data.keys()  # spot names no event here
        if best_price or event in _KNOWN_WITHOUT_FEED:
            raise BadMessage("no_feed", "e", damaged=False)
        raise BadMessage("unknown_event", "e")

    def _whole(self, data: dict[str, object], ts: float, named: str | None) -> dict[str, object]:
        bids, asks = _levels(data, "bids"), _levels(data, "asks")
        update_id = _whole_number(data, "lastUpdateId")
        symbol = _symbol(data, named)
        same = (update_id, bids, asks)
        if same == self._snapshots.get(symbol):
            raise BadMessage("duplicate", "lastUpdateId", damaged=False)
        self._snapshots[symbol] = same
        return {
            "ts": ts,
            "ts_exchange": _milliseconds(data, "T", "E"),
            "symbol": symbol,
            "type": "snapshot",
            "update_id": update_id,
            "bids": bids,
            "asks": asks,
        }

    def _delta(self, data: dict[str, object], ts: float, named: str | None) -> dict[str, object]:
        return {
            "ts": ts,
            "ts_exchange": _milliseconds(data, "T", "E"),
            "symbol": _symbol(data, named),
            "type": "delta",
            "first_update_id": _whole_number(data, "U"),
            "update_id": _whole_number(data, "u"),
            "prev_update_id": _whole_number(data, "pu") if "pu" in data else None,
            "bids": _levels(data, "b"),
            "asks": _levels(data, "a"),
        }

    def _trade(self, data: dict[str, object], ts: float, named: str | None, event: str) -> dict[str, object]:
        symbol = _symbol(data, named)
        if event != self._trades.setdefault(symbol, event):
            raise BadMessage("second_trade_stream", "e", damaged=False)
        buyer_rested = data.get("m")
        if not isinstance(buyer_rested, bool):
            raise BadMessage("bad_type", "m")
        return {
            "ts": ts,
            "ts_exchange": _milliseconds(data, "T", "E"),
            "symbol": symbol,
            "price": _number(data.get("p"), "p"),
            "qty": _number(data.get("q"), "q"),
            "side": "sell" if buyer_rested else "buy",
            "trade_id": str(_whole_number(data, _TRADES[event])),
        }


def _symbol(data: dict[str, object], named: str | None) -> str:
    symbol = data.get("s", named)
    if not isinstance(symbol, str) or not symbol:
        raise BadMessage("no_symbol", "s")
    return symbol


def _whole_number(data: dict[str, object], key: str) -> int:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadMessage("missing_field" if value is None else "bad_type", key)
    return value


def _milliseconds(data: dict[str, object], *keys: str) -> float | None:
    """The exchange's time in seconds, of the first key that is there."""
    key = next((key for key in keys if key in data), None)
    return None if key is None else _whole_number(data, key) / 1e3


def _number(value: object, key: str) -> float:
    if not isinstance(value, str):
        raise BadMessage("missing_field" if value is None else "bad_type", key)
    try:
        return float(value)
    except ValueError:
        raise BadMessage("bad_type", key) from None


def _levels(data: dict[str, object], key: str) -> list[list[float]]:
    levels = data.get(key)
    if not isinstance(levels, list):
        raise BadMessage("missing_field" if levels is None else "bad_type", key)
    try:
        return [[float(price), float(qty)] for price, qty in levels]
    except (TypeError, ValueError):
        raise BadMessage("bad_type", key) from None
