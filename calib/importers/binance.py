"""Convert Binance's market data messages, spot and futures, into book and trades records.

Recordings differ only in how a line stores the receive time; the messages are the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import orjson

from calib.errors import UsageError
from calib.importers.base import ROW_FAULTS, BadRow, fault_of
from calib.importers.contracts import is_coin_margined
from calib.market.venues.binance import depth_stream

SPOT: Final = "binance-spot"
USDM: Final = "binance-usdm"
COINM: Final = "binance-coinm"
SCANNED: Final = 2_000
"""Messages read ahead to find a recording's symbols and market."""
_SCANNED_BYTES: Final = 32 << 20
_TRADES: Final = {"trade": "t", "aggTrade": "a"}
"""Event of a trade -> key of its id."""
_PER_SECOND: Final = {13: 1e3, 16: 1e6, 19: 1e9}
"""Digits of a venue's time -> units per second: milliseconds, or microseconds if the recorder requested them."""


class ParsedMessage(NamedTuple):
    """One message as a record: the arguments of `calib.importers.base.Imported` except the line."""

    kind: str
    record: dict[str, Any]
    stream: str
    market: str


@dataclass(slots=True)
class Scan:
    """Symbols, market and venue found in the first messages of a recording.

    Parameters
    ----------
    symbols
        Symbols that the messages name.
    market
        Market of the first message that identifies one; empty if none does.
    binance_messages
        Number of messages of Binance.
    other_venue
        Another venue whose messages were found; empty if there are none.
    """

    symbols: set[str] = field(default_factory=set)
    market: str = ""
    binance_messages: int = 0
    other_venue: str = ""

    @classmethod
    def of(cls, texts: Iterable[bytes]) -> Scan:
        """Scan the first messages, at most `SCANNED`."""
        scan, size = cls(), 0
        for count, text in enumerate(texts):
            size += len(text)
            if count >= SCANNED or size > _SCANNED_BYTES:
                break
            try:
                scan._add(orjson.loads(text))
            except ROW_FAULTS:
                continue  # a damaged line identifies nothing
        return scan

    def _add(self, message: Any) -> None:
        data, name = _unwrap(message)
        is_binance = isinstance(data, dict) and (
            _is_snapshot(data) or _event(data) == "depthUpdate" or _event(data) in _TRADES
        )
        if not is_binance:
            self.other_venue = self.other_venue or _other_venue(message)
            return
        self.binance_messages += 1
        symbol = data.get("symbol", data.get("s")) or _symbol_of_stream(name)
        if isinstance(symbol, str):
            self.symbols.add(symbol)
        self.market = self.market or _market(data)


class BinanceMessages:
    """Converts the messages of one recording, in order; some depend on the messages before them.

    A snapshot that repeats the last one of its symbol is a ``duplicate`` reject.

    Parameters
    ----------
    scan
        What the recording's first messages show.
    symbol
        Symbol of messages that name none, as the user gave it; None if not given.
    file_symbol
        Symbol in the file's name; used for messages that name none, if other messages name it too or none name any.
    where
        The file, for error messages.
    """

    def __init__(
        self, scan: Scan, *, symbol: str | None = None, file_symbol: str | None = None, where: str = ""
    ) -> None:
        self._symbol, self._where = symbol, where
        self._scan = scan
        self._guess = self._guessed(scan.symbols, file_symbol)
        self._guess_used = False
        self._snapshots: dict[str, tuple[object, ...]] = {}

    def reconnected(self) -> None:
        """Forget the last snapshots: after a reconnect, an equal snapshot is not a duplicate."""
        self._snapshots.clear()

    def record(
        self,
        text: bytes,
        ts: float,
        *,
        requested_symbol: str | None = None,
        partial_depth: str = "",
        connection_market: str = "",
        may_be_requested: bool = True,
    ) -> ParsedMessage:
        """Return the record of one JSON message received at ``ts`` (Unix seconds).

        Parameters
        ----------
        requested_symbol
            Symbol in the HTTP request that this message answers.
        partial_depth
            Depth of the connection's only depth stream, such as ``5``, for messages without the name of their stream.
        connection_market
            Market of the connection; empty if the recording does not name it.
        may_be_requested
            Whether a snapshot may be the response to a request; one in a stream's envelope never is.

        Raises
        ------
        BadRow
            If the message has no record.
        UsageError
            If a snapshot names no symbol, and nothing else identifies it.
        """
        try:
            found, data = self._record(text, ts, requested_symbol, partial_depth, may_be_requested)
        except UsageError:
            raise
        except ROW_FAULTS as error:
            raise fault_of(error) from None
        self._check_guess(found)
        return found._replace(market=_resolve_market(_market(data), connection_market) or self._scan.market)

    def _record(
        self, text: bytes, ts: float, requested_symbol: str | None, partial_depth: str, may_be_requested: bool
    ) -> tuple[ParsedMessage, dict[str, Any]]:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise BadRow("bad_json") from None
        data, name = _unwrap(message)
        if not isinstance(data, dict):
            if isinstance(message, list) or isinstance(data, list):
                raise BadRow("no_feed", "data", damaged=False)
            raise BadRow("bad_type", "data")
        event, stream = _event(data), depth_stream(name)
        # Such as rpiDepth, whose levels are not the book's. A name without @ is the recorder's own and means nothing.
        if event == "depthUpdate" and "@" in name and stream is None:
            raise BadRow("no_feed", "stream", damaged=False, what=f"the stream {name[:40]} has no feed")
        depth = str(stream.depth) if stream and stream.depth else partial_depth
        if _is_snapshot(data):
            pushed = bool(name) or bool(depth) or not may_be_requested
            snapshot = self._snapshot(ts, data, "lastUpdateId", "bids", "asks", pushed)
            self._set_symbol(snapshot, self._snapshot_symbol(data, name, requested_symbol))
            return ParsedMessage("book", snapshot, f"depth{depth}" if pushed else "", ""), data
        if event == "depthUpdate" and depth:
            snapshot = self._snapshot(ts, data, "u", "b", "a", pushed=True)
            self._set_symbol(snapshot, _symbol(data))
            return ParsedMessage("book", snapshot, f"depth{depth}", ""), data
        if event == "depthUpdate":
            return ParsedMessage("book", _delta(data, ts), "depth", ""), data
        if event in _TRADES:
            return ParsedMessage("trades", _trade(data, ts, event), event, ""), data
        raise _no_feed(data, event)

    def _check_guess(self, found: ParsedMessage) -> None:
        symbol = found.record["symbol"]
        if self._guess_used and symbol != self._guess:
            raise UsageError(
                f"has messages of {symbol}, but an earlier snapshot that names no symbol was read as {self._guess}",
                where=self._where,
                hint="Give the snapshot's symbol with --symbol",
            )

    def _snapshot_symbol(self, data: dict[str, Any], name: str, requested_symbol: str | None) -> str:
        own = data.get("symbol", data.get("s"))
        symbol = own or _symbol_of_stream(name) or requested_symbol or self._symbol
        if symbol is not None:
            if not isinstance(symbol, str):
                raise BadRow("no_symbol", "symbol")
            return symbol
        if self._guess is None:
            names = ", ".join(sorted(self._scan.symbols)[:5]) or "no symbol"
            raise UsageError(
                f"a snapshot names no symbol, the file name gives none either, and the other messages name {names}",
                where=self._where,
                hint="Give the snapshot's symbol with --symbol",
            )
        self._guess_used = self._guess not in self._scan.symbols or len(self._scan.symbols) == 1
        return self._guess

    @staticmethod
    def _guessed(symbols: set[str], file_symbol: str | None) -> str | None:
        """Return the file name's symbol if the messages name it too or name none, else the messages' only symbol."""
        by_name = {symbol.casefold(): symbol for symbol in symbols}
        if file_symbol is not None and (file_symbol.casefold() in by_name or not symbols):
            return by_name.get(file_symbol.casefold(), file_symbol)
        return next(iter(symbols)) if len(symbols) == 1 else None

    @staticmethod
    def _snapshot(ts: float, data: dict[str, Any], id_key: str, bids: str, asks: str, pushed: bool) -> dict[str, Any]:
        return {
            "ts": ts,
            "ts_exchange": _seconds(data, "T", "E"),
            "type": "snapshot",
            "update_id": _whole_number(data, id_key),
            "bids": _levels(data, bids),
            "asks": _levels(data, asks),
            "origin": "pushed" if pushed else "requested",
        }

    def _set_symbol(self, snapshot: dict[str, Any], symbol: str) -> None:
        """Set the symbol of a snapshot; raises `BadRow` if it repeats the symbol's last snapshot."""
        content = snapshot["update_id"], snapshot["bids"], snapshot["asks"]
        if content == self._snapshots.get(symbol):
            raise BadRow("duplicate", "lastUpdateId", damaged=False)
        self._snapshots[symbol] = content
        snapshot["symbol"] = symbol


def _unwrap(message: Any) -> tuple[Any, str]:
    """Return the message without its envelope and the name of its stream, which is empty without an envelope."""
    if not isinstance(message, dict) or "data" not in message:
        return message, ""
    name = message.get("stream")
    return message["data"], name if isinstance(name, str) else ""


def _is_snapshot(data: dict[str, Any]) -> bool:
    return "lastUpdateId" in data


def _event(data: dict[str, Any]) -> str:
    event = data.get("e")
    return event if isinstance(event, str) else ""


def _symbol_of_stream(name: str) -> str | None:
    symbol, at, _ = name.partition("@")
    return symbol.upper() if at and symbol else None


def _market(data: dict[str, Any]) -> str:
    """Return the market that the message's fields identify; empty if both spot and futures send such messages."""
    symbol = data.get("s", data.get("symbol"))
    if "ps" in data or "pair" in data or (isinstance(symbol, str) and is_coin_margined(symbol)):
        return COINM
    if _is_snapshot(data):
        return USDM if "T" in data else ""
    if data.get("e") == "depthUpdate":
        return USDM if "pu" in data else SPOT
    return SPOT if "M" in data else USDM if "X" in data else ""


def _resolve_market(of_message: str, of_connection: str) -> str:
    """Return the connection's market if it agrees with the message on spot or futures, else the message's.

    The connection's URL also identifies the venue: Binance US sends the same messages as Binance.

    >>> _resolve_market("binance-spot", "binance-us-spot"), _resolve_market("binance-usdm", "binance-spot")
    ('binance-us-spot', 'binance-usdm')
    >>> _resolve_market("", "binance-spot")
    'binance-spot'
    """
    agree = of_connection.rpartition("-")[2] == of_message.rpartition("-")[2]
    return of_connection if not of_message or agree else of_message


def _no_feed(data: dict[str, Any], event: str) -> BadRow:
    best_price = not event and {"u", "b", "B", "a", "A"} <= data.keys()  # spot's bookTicker has no event
    if best_price or data.keys() & {"result", "error", "id", "code"}:
        return BadRow("no_feed", "e", damaged=False)
    if event:
        return BadRow("no_feed", "e", damaged=False, what=f"the event {event[:40]} has no feed")
    if "e" in data:
        return BadRow("bad_type", "e")
    return BadRow("unknown_event", "e")


def _delta(data: dict[str, Any], ts: float) -> dict[str, Any]:
    return {
        "ts": ts,
        "ts_exchange": _seconds(data, "T", "E"),
        "symbol": _symbol(data),
        "type": "delta",
        "first_update_id": _whole_number(data, "U"),
        "update_id": _whole_number(data, "u"),
        "prev_update_id": _whole_number(data, "pu") if "pu" in data else None,
        "bids": _levels(data, "b"),
        "asks": _levels(data, "a"),
    }


def _trade(data: dict[str, Any], ts: float, event: str) -> dict[str, Any]:
    symbol, buyer_is_maker = _symbol(data), data.get("m")
    if not isinstance(buyer_is_maker, bool):
        raise BadRow("bad_type", "m")
    return {
        "ts": ts,
        "ts_exchange": _seconds(data, "T", "E"),
        "symbol": symbol,
        "price": _number(data.get("p"), "p"),
        "qty": _number(data.get("q"), "q"),
        "side": "sell" if buyer_is_maker else "buy",
        "trade_id": str(_whole_number(data, _TRADES[event])),
    }


def _symbol(data: dict[str, Any]) -> str:
    symbol = data.get("s", data.get("symbol"))
    if not isinstance(symbol, str) or not symbol:
        raise BadRow("no_symbol", "s")
    return symbol


def _whole_number(data: dict[str, Any], key: str) -> int:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise BadRow("missing_field" if value is None else "bad_type", key)
    return value


def _seconds(data: dict[str, Any], *keys: str) -> float | None:
    """Return the venue's time of the first key that is present, Unix seconds; the number of digits gives the unit."""
    key = next((key for key in keys if key in data), None)
    if key is None:
        return None
    time = _whole_number(data, key)
    per_second = _PER_SECOND.get(len(str(time)))
    if per_second is None:
        raise BadRow("bad_value", key, what=f"{time} is not a time in milliseconds or microseconds")
    return time / per_second


def _number(value: Any, key: str) -> float:
    if not isinstance(value, str):
        raise BadRow("missing_field" if value is None else "bad_type", key)
    try:
        return float("" if "_" in value else value)
    except ValueError:
        raise BadRow("bad_type", key) from None


def _levels(data: dict[str, Any], key: str) -> list[list[float]]:
    levels = data.get(key)
    if not isinstance(levels, list):
        raise BadRow("missing_field" if levels is None else "bad_type", key)
    try:
        # Old spot recordings have a third, empty item in each level.
        return [[float(level[0]), float(level[1])] for level in levels if _is_level(level)]
    except (TypeError, ValueError):
        raise BadRow("bad_type", key) from None


def _is_level(level: Any) -> bool:
    if not isinstance(level, list) or not (len(level) == 2 or level[2:] == [[]]):
        raise TypeError
    return True


_OTHER_VENUES: Final = (
    ("Bybit", "topic", r"(?:orderbook|publicTrade|trade|tickers|orderBookL2)"),
    ("KuCoin", "topic", r"/"),
    ("Gate.io", "channel", r"(?:spot|futures)\."),
    ("Hyperliquid", "channel", r"(?:l2Book|bbo|allMids|trades)"),
    ("Kraken", "channel", r"(?:book|trade|ticker|heartbeat|status)"),
    ("Coinbase", "product_id", r"."),
    ("Deribit", "jsonrpc", r"."),
    ("Huobi", "ch", r"market\."),
)
"""Venue, a key of its messages, and the pattern that the key's value begins with."""


def _other_venue(message: Any) -> str:
    """Return the venue that sent the message; empty if unknown."""
    if not isinstance(message, dict):
        return ""
    subscription = message.get("arg")
    if isinstance(subscription, dict):
        return "Bitget" if "instType" in subscription and "action" in message else "OKX"
    for venue, key, pattern in _OTHER_VENUES:
        if isinstance(value := message.get(key), str) and re.match(pattern, value):
            return venue
    return ""
