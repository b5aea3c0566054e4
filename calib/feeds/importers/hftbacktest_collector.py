"""The recordings of hftbacktest's collector: ``<receive time> <the exchange's JSON>`` a line, of Binance.

Newer files stamp nanoseconds, older ones microseconds. A message may stand in a combined-stream envelope
(``{"stream", "data"}``); the REST snapshot stands inline, on spot without a symbol. Best prices (bookTicker) have no
feed: they are left out, counted as ``no_feed``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile, GzipFile
from pathlib import Path
from typing import BinaryIO, Final

import orjson

from calib.errors import NotThisFormat, TruncatedInput, UnreadableInput
from calib.feeds.importers.base import Imported, Rejected

_HINT: Final = "Give the collector's files, plain or .gz: <name>_YYYYMMDD.gz"
_STAMP: Final = re.compile(rb"(\d{16}|\d{19}) +(\{.*)", re.DOTALL)
_NAME: Final = re.compile(r"([A-Za-z0-9]+)_\d{8}(?!\d)")
_KNOWN_WITHOUT_FEED: Final = ("bookTicker", "markPriceUpdate", "forceOrder", "kline", "24hrTicker")
_TRADES: Final = {"trade": "t", "aggTrade": "a"}
"""Event -> its id."""


class HftbacktestCollector:
    """Book and trades of one market per file.

    A file that holds both plain and aggregated trades shows each trade twice: the kind that comes first is taken, the
    other counted as ``second_trade_stream``. A snapshot that repeats the one before it is a ``duplicate``.
    """

    name = "hftbacktest-collector"

    def read(self, path: Path) -> Iterator[Imported | Rejected]:
        market = _Market(path)
        line = 0
        try:
            with _opened(path) as handle:
                for line, raw in enumerate(handle, 1):  # the line of an error below
                    if text := raw.strip():
                        if line == 1 and _STAMP.fullmatch(text) is None:
                            raise NotThisFormat(
                                "does not begin with a receive time and the exchange's JSON",
                                where=f"{path}:1",
                                hint=_HINT,
                            )
                        yield market.row(line, text)
        except (EOFError, zlib.error, BadGzipFile) as error:
            raise TruncatedInput(
                f"the compression ends too early or is damaged: {error}",
                where=f"{path}:{line + 1}",
                hint="Fetch the file again",
            ) from error
        except OSError as error:
            raise UnreadableInput(f"cannot be read: {error.strerror}", where=str(path), hint=_HINT) from error


class _Bad(Exception):
    """A line that gives no record."""

    def __init__(self, reason: str, field: str, *, damaged: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.field, self.damaged = reason, field, damaged


class _Market:
    """What must be known of the lines before to read the next one."""

    def __init__(self, path: Path) -> None:
        named = _NAME.match(path.name)
        self.symbol = named[1].upper() if named else None
        self.trades: str | None = None
        self.snapshot: tuple[object, ...] | None = None

    def row(self, line: int, text: bytes) -> Imported | Rejected:
        try:
            kind, record = self._record(text)
        except _Bad as bad:
            shown = text[:500].decode("utf-8", "replace")
            return Rejected(line, bad.reason, bad.field, shown, bad.damaged)
        return Imported(kind, record, line)

    def _record(self, text: bytes) -> tuple[str, dict[str, object]]:
        match = _STAMP.fullmatch(text)
        if match is None:
            raise _Bad("bad_line", "")
        try:
            message = orjson.loads(match[2])
        except orjson.JSONDecodeError:
            raise _Bad("bad_json", "") from None
        data = message.get("data", message)
        if not isinstance(data, dict):
            raise _Bad("bad_type", "data")
        ts = int(match[1]) / (1e6 if len(match[1]) == 16 else 1e9)
        if "lastUpdateId" in data:
            return "book", self._whole(data, ts)
        event = data.get("e")
        if event == "depthUpdate":
            return "book", self._delta(data, ts)
        if event in _TRADES:
            return "trades", self._trade(data, ts, event)
        best_price = event is None and {"u", "b", "B", "a", "A"} <= data.keys()  # spot names no event here
        if best_price or event in _KNOWN_WITHOUT_FEED:
            raise _Bad("no_feed", "e", damaged=False)
        raise _Bad("unknown_event", "e")

    def _whole(self, data: dict[str, object], ts: float) -> dict[str, object]:
        bids, asks = _levels(data, "bids"), _levels(data, "asks")
        update_id = _whole_number(data, "lastUpdateId")
        same = (update_id, bids, asks)
        if same == self.snapshot:
            raise _Bad("duplicate", "lastUpdateId", damaged=False)
        self.snapshot = same
        return {
            "ts": ts,
            "ts_exchange": _milliseconds(data, "T", "E"),
            "symbol": self._symbol(data),
            "type": "snapshot",
            "update_id": update_id,
            "bids": bids,
            "asks": asks,
        }

    def _delta(self, data: dict[str, object], ts: float) -> dict[str, object]:
        return {
            "ts": ts,
            "ts_exchange": _milliseconds(data, "T", "E"),
            "symbol": self._symbol(data),
            "type": "delta",
            "first_update_id": _whole_number(data, "U"),
            "update_id": _whole_number(data, "u"),
            "prev_update_id": _whole_number(data, "pu") if "pu" in data else None,
            "bids": _levels(data, "b"),
            "asks": _levels(data, "a"),
        }

    def _trade(self, data: dict[str, object], ts: float, event: str) -> dict[str, object]:
        self.trades = self.trades or event
        if event != self.trades:
            raise _Bad("second_trade_stream", "e", damaged=False)
        buyer_rested = data.get("m")
        if not isinstance(buyer_rested, bool):
            raise _Bad("bad_type", "m")
        return {
            "ts": ts,
            "ts_exchange": _milliseconds(data, "T", "E"),
            "symbol": self._symbol(data),
            "price": _number(data.get("p"), "p"),
            "qty": _number(data.get("q"), "q"),
            "side": "sell" if buyer_rested else "buy",
            "trade_id": str(_whole_number(data, _TRADES[event])),
        }

    def _symbol(self, data: dict[str, object]) -> str:
        symbol = data.get("s", self.symbol)
        if not isinstance(symbol, str) or not symbol:
            raise _Bad("no_symbol", "s")
        return symbol


def _opened(path: Path) -> BinaryIO | GzipFile:
    """By what the file is, not by what it is called."""
    with path.open("rb") as handle:
        packed = handle.read(2) == b"\x1f\x8b"
    return GzipFile(path, "rb") if packed else path.open("rb")


def _whole_number(data: dict[str, object], key: str) -> int:
    value = data.get(key)
    if isinstance(value, bool) or not isinstance(value, int):
        raise _Bad("missing_field" if value is None else "bad_type", key)
    return value


def _milliseconds(data: dict[str, object], *keys: str) -> float | None:
    """The exchange's time in seconds, of the first key that is there."""
    key = next((key for key in keys if key in data), None)
    return None if key is None else _whole_number(data, key) / 1e3


def _number(value: object, key: str) -> float:
    if not isinstance(value, str):
        raise _Bad("missing_field" if value is None else "bad_type", key)
    try:
        return float(value)
    except ValueError:
        raise _Bad("bad_type", key) from None


def _levels(data: dict[str, object], key: str) -> list[list[float]]:
    levels = data.get(key)
    if not isinstance(levels, list):
        raise _Bad("missing_field" if levels is None else "bad_type", key)
    try:
        return [[float(price), float(qty)] for price, qty in levels]
    except (TypeError, ValueError):
        raise _Bad("bad_type", key) from None
