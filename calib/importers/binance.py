"""Binance's market data messages, spot and futures, as records of the book and trades feeds.

Recordings differ in how a line says when its message came, not in the message.
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
"""Messages that are looked at before a recording is read."""
_SCANNED_BYTES: Final = 32 << 20
_TRADES: Final = {"trade": "t", "aggTrade": "a"}
"""Event -> its id."""
_PER_SECOND: Final = {13: 1e3, 16: 1e6, 19: 1e9}
"""Digits of a venue's time -> its units in a second: milliseconds, or microseconds where a recorder asked for them."""


class Found(NamedTuple):
    """One message as a record: the arguments of `calib.importers.base.Imported` without the line."""

    kind: str
    record: dict[str, Any]
    stream: str
    market: str


@dataclass(slots=True)
class Scan:
    """What the first messages of a recording say of the whole of it.

    Parameters
    ----------
    symbols
        Those that its stream names.
    market
        Of the first message that tells; empty where none does.
    known
        Messages of Binance.
    foreign
        Another venue whose messages were found; empty where there were none.
    """

    symbols: set[str] = field(default_factory=set)
    market: str = ""
    known: int = 0
    foreign: str = ""

    @classmethod
    def of(cls, texts: Iterable[bytes]) -> Scan:
        """Look at the first messages, at most `SCANNED`."""
        scan, size = cls(), 0
        for count, text in enumerate(texts):
            size += len(text)
            if count >= SCANNED or size > _SCANNED_BYTES:
                break
            try:
                scan._add(orjson.loads(text))
            except ROW_FAULTS:
                continue  # a damaged line says nothing
        return scan

    def _add(self, message: Any) -> None:
        data, name = _opened(message)
        ours = isinstance(data, dict) and (_is_whole(data) or _event(data) == "depthUpdate" or _event(data) in _TRADES)
        if not ours:
            self.foreign = self.foreign or _other_venue(message)
            return
        self.known += 1
        symbol = data.get("symbol", data.get("s")) or _symbol_of_stream(name)
        if isinstance(symbol, str):
            self.symbols.add(symbol)
        self.market = self.market or _market(data)


class BinanceMessages:
    """Messages of one recording, in its order: what must be known of the ones before to read the next.

    A snapshot that repeats the last one of its symbol is a ``duplicate``.

    Parameters
    ----------
    scan
        What the recording's first messages say.
    named
        The symbol of messages that name none, as the user gave it; None where they did not.
    file_symbol
        That symbol by the file's name; it counts where the stream names it too, or names none.
    where
        The file, for errors.
    """

    def __init__(
        self, scan: Scan, *, named: str | None = None, file_symbol: str | None = None, where: str = ""
    ) -> None:
        self._named, self._where = named, where
        self._scan = scan
        self._guess = self._guessed(scan.symbols, file_symbol)
        self._guess_used = False
        self._snapshots: dict[str, tuple[object, ...]] = {}

    def reconnected(self) -> None:
        """Forget the snapshots: after a new connection the same one again is news."""
        self._snapshots.clear()

    def record(
        self,
        text: bytes,
        ts: float,
        *,
        asked_for: str | None = None,
        partial: str = "",
        told: str = "",
        requested: bool = True,
    ) -> Found:
        """The record of one JSON message, received at ``ts`` (Unix seconds).

        Parameters
        ----------
        asked_for
            The symbol that the request of an HTTP answer named.
        partial
            Levels of the connection's one depth stream, ``5``, where messages stand without their stream's name.
        told
            The market of the connection; empty where the recording does not name it.
        requested
            Whether a whole book may be the answer to a request; one in a stream's envelope never is.

        Raises
        ------
        BadRow
            Where it gives no record.
        UsageError
            Where a snapshot names no symbol, and nothing else tells which it is.
        """
        try:
            found, data = self._record(text, ts, asked_for, partial, requested)
        except UsageError:
            raise
        except ROW_FAULTS as error:
            raise fault_of(error) from None
        self._keep_to_the_guess(found)
        return found._replace(market=_agreed(_market(data), told) or self._scan.market)

    def _record(
        self, text: bytes, ts: float, asked_for: str | None, partial: str, requested: bool
    ) -> tuple[Found, dict[str, Any]]:
        try:
            message = orjson.loads(text)
        except orjson.JSONDecodeError:
            raise BadRow("bad_json") from None
        data, name = _opened(message)
        if not isinstance(data, dict):
            if isinstance(message, list) or isinstance(data, list):
                raise BadRow("no_feed", "data", damaged=False)
            raise BadRow("bad_type", "data")
        event, named = _event(data), depth_stream(name)
        # Such as rpiDepth: other levels than the book's. A name without @ is a recorder's own, and says nothing.
        if event == "depthUpdate" and "@" in name and named is None:
            raise BadRow("no_feed", "stream", damaged=False, what=f"the stream {name[:40]} has no feed")
        partial = str(named.depth) if named and named.depth else partial
        if _is_whole(data):
            pushed = bool(name) or bool(partial) or not requested
            whole = self._whole(ts, data, "lastUpdateId", "bids", "asks", pushed)
            self._name(whole, self._snapshot_symbol(data, name, asked_for))
            return Found("book", whole, f"depth{partial}" if pushed else "", ""), data
        if event == "depthUpdate" and partial:
            whole = self._whole(ts, data, "u", "b", "a", pushed=True)
            self._name(whole, _symbol(data))
            return Found("book", whole, f"depth{partial}", ""), data
        if event == "depthUpdate":
            return Found("book", _delta(data, ts), "depth", ""), data
        if event in _TRADES:
            return Found("trades", _trade(data, ts, event), event, ""), data
        raise _without_feed(data, event)

    def _keep_to_the_guess(self, found: Found) -> None:
        symbol = found.record["symbol"]
        if self._guess_used and symbol != self._guess:
            raise UsageError(
                f"{symbol} is named here, and a snapshot before that names no symbol was taken for {self._guess}'s",
                where=self._where,
                hint="Name the snapshot's symbol with --symbol",
            )

    def _snapshot_symbol(self, data: dict[str, Any], name: str, asked_for: str | None) -> str:
        own = data.get("symbol", data.get("s"))
        told = own or _symbol_of_stream(name) or asked_for or self._named
        if told is not None:
            if not isinstance(told, str):
                raise BadRow("no_symbol", "symbol")
            return told
        if self._guess is None:
            several = ", ".join(sorted(self._scan.symbols)[:5]) or "no symbol"
            raise UsageError(
                f"a snapshot names no symbol, its file's name gives none of the stream, and the stream names {several}",
                where=self._where,
                hint="Name the snapshot's symbol with --symbol",
            )
        self._guess_used = self._guess not in self._scan.symbols or len(self._scan.symbols) == 1
        return self._guess

    @staticmethod
    def _guessed(symbols: set[str], file_symbol: str | None) -> str | None:
        """The file's name where the stream knows it or knows none; else the only symbol of the stream."""
        by_name = {symbol.casefold(): symbol for symbol in symbols}
        if file_symbol is not None and (file_symbol.casefold() in by_name or not symbols):
            return by_name.get(file_symbol.casefold(), file_symbol)
        return next(iter(symbols)) if len(symbols) == 1 else None

    @staticmethod
    def _whole(ts: float, data: dict[str, Any], id_key: str, bids: str, asks: str, pushed: bool) -> dict[str, Any]:
        return {
            "ts": ts,
            "ts_exchange": _seconds(data, "T", "E"),
            "type": "snapshot",
            "update_id": _whole_number(data, id_key),
            "bids": _levels(data, bids),
            "asks": _levels(data, asks),
            "origin": "pushed" if pushed else "requested",
        }

    def _name(self, whole: dict[str, Any], symbol: str) -> None:
        """Give the whole book its symbol; one that repeats the symbol's last one is refused."""
        same = whole["update_id"], whole["bids"], whole["asks"]
        if same == self._snapshots.get(symbol):
            raise BadRow("duplicate", "lastUpdateId", damaged=False)
        self._snapshots[symbol] = same
        whole["symbol"] = symbol


def _opened(message: Any) -> tuple[Any, str]:
    """A message out of its envelope, and the name of its stream; empty without an envelope."""
    if not isinstance(message, dict) or "data" not in message:
        return message, ""
    name = message.get("stream")
    return message["data"], name if isinstance(name, str) else ""


def _is_whole(data: dict[str, Any]) -> bool:
    return "lastUpdateId" in data


def _event(data: dict[str, Any]) -> str:
    event = data.get("e")
    return event if isinstance(event, str) else ""


def _symbol_of_stream(name: str) -> str | None:
    symbol, at, _ = name.partition("@")
    return symbol.upper() if at and symbol else None


def _market(data: dict[str, Any]) -> str:
    """The market that only such a message comes from; empty where it may be of either."""
    symbol = data.get("s", data.get("symbol"))
    if "ps" in data or "pair" in data or (isinstance(symbol, str) and is_coin_margined(symbol)):
        return COINM
    if _is_whole(data):
        return USDM if "T" in data else ""
    if data.get("e") == "depthUpdate":
        return USDM if "pu" in data else SPOT
    return SPOT if "M" in data else USDM if "X" in data else ""


def _agreed(own: str, told: str) -> str:
    """The market by the message itself and by its connection, which may know the venue better.

    >>> _agreed("binance-spot", "binance-us-spot"), _agreed("binance-usdm", "binance-spot"), _agreed("", "binance-spot")
    ('binance-us-spot', 'binance-usdm', 'binance-spot')
    """
    return told if not own or told.rpartition("-")[2] == own.rpartition("-")[2] else own


def _without_feed(data: dict[str, Any], event: str) -> BadRow:
    best_price = not event and {"u", "b", "B", "a", "A"} <= data.keys()  # spot names no event here
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
    symbol, buyer_rested = _symbol(data), data.get("m")
    if not isinstance(buyer_rested, bool):
        raise BadRow("bad_type", "m")
    return {
        "ts": ts,
        "ts_exchange": _seconds(data, "T", "E"),
        "symbol": symbol,
        "price": _number(data.get("p"), "p"),
        "qty": _number(data.get("q"), "q"),
        "side": "sell" if buyer_rested else "buy",
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
    """The venue's time in seconds, of the first key that is there; its digits tell the unit."""
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
        # Spot's levels once had a third, empty item.
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
"""Venue, key of its messages, and how the value begins."""


def _other_venue(message: Any) -> str:
    """The venue whose message it is; empty where it cannot be told."""
    if not isinstance(message, dict):
        return ""
    subscription = message.get("arg")
    if isinstance(subscription, dict):
        return "Bitget" if "instType" in subscription and "action" in message else "OKX"
    for venue, key, begins in _OTHER_VENUES:
        if isinstance(value := message.get(key), str) and re.match(begins, value):
            return venue
    return ""
