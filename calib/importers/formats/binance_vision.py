"""Read Binance's public data files (data.binance.vision): aggTrades, trades and bookTicker, zip or csv.

The file name gives symbol and kind, which the rows lack. The rows have no receive time, so both times of a record are
the venue's. See docs/how-to/import-market-data.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from calib.errors import NotThisFormat
from calib.importers.base import ROW_FAULTS, Advance, BadRow, Imported, ImportOption, Rejected, fault_of, unseen
from calib.importers.binance import COINM, SPOT, USDM
from calib.importers.cells import level_or_empty, price_above_0, whole_number, wrong_unit
from calib.importers.contracts import is_coin_margined
from calib.importers.lines import TOO_LONG, TextLine, text_lines

_HINT: Final = "Give files named as Binance names them: SYMBOL-KIND-YYYY-MM[-DD], KIND aggTrades, trades or bookTicker"
_NAME: Final = re.compile(r"(\w+)-(\w+)-\d{4}-\d{2}(?:-\d{2})?(?!\d)")
_UNITS: Final = {13: 1e3, 16: 1e6}
"""Digits of a time -> units per second; spot changed from milliseconds to microseconds on 2025-01-01."""


class BinanceVision:
    """Reads the trades or best prices of one market per file, with or without a header."""

    name: ClassVar[str] = "binance-vision"
    summary: ClassVar[str] = "Turn Binance's public trade and best-price files into trades and book feeds."
    files: ClassVar[str] = "Binance's public data files, zip or csv, with their original names."
    example: ClassVar[str] = "BTCUSDT-trades-2025-01-01.zip --out artifacts/edge/feeds"
    options: ClassVar[tuple[ImportOption, ...]] = ()
    hints: ClassVar[Mapping[str, str]] = {}

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        lines = text_lines(path, _HINT, advance)
        first = next(lines, TextLine(1, b"", False))
        symbol, name = _named(path)
        kind = _KINDS[name]
        columns = first.text.count(b",") + 1
        header = first.text.replace(b"_", b"").lower().startswith(kind.header)
        if columns not in kind.columns or not (header or first.text[:1].isdigit()):
            raise NotThisFormat(
                f"is not a {name} file: wrong header or columns", where=f"{path}:{first.number}", hint=_HINT
            )
        market = COINM if is_coin_margined(symbol) else kind.columns[columns]
        read = _Rows(symbol, kind, columns, name, market)
        if not header:
            yield read.row(first)
        yield from map(read.row, lines)


def _named(path: Path) -> tuple[str, str]:
    match = _NAME.match(path.name)
    if match is None:
        raise NotThisFormat("the file name does not give symbol and kind", where=str(path), hint=_HINT)
    symbol, kind = match[1].upper(), match[2]
    if kind == "bookDepth":
        raise NotThisFormat(
            "bookDepth is not a book: it holds depth summed over percentage bands around the mid, without prices",
            where=str(path),
            hint="Give bookTicker for best prices; whole books need another source",
        )
    if kind not in _KINDS:
        raise NotThisFormat(f"files of kind {kind} cannot be imported", where=str(path), hint=_HINT)
    return symbol, kind


@dataclass(frozen=True, slots=True)
class _Kind:
    feed: str
    columns: dict[int, str]
    """Number of columns -> the market whose rows have that number."""
    header: tuple[bytes, ...]
    """Prefixes of the header, in lower case without underscores."""
    record: Callable[[list[str]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Rows:
    symbol: str
    kind: _Kind
    columns: int
    stream: str
    market: str

    def row(self, line: TextLine) -> Imported | Rejected:
        try:
            if line.too_long:
                raise TOO_LONG
            if line.text.count(b",") + 1 != self.columns:
                raise BadRow("bad_csv")
            record = {"symbol": self.symbol} | self.kind.record(line.text.decode("utf-8", "replace").split(","))
        except BadRow as bad:
            return bad.rejected(line.number, line.text)
        except ROW_FAULTS as error:
            return fault_of(error).rejected(line.number, line.text)
        return Imported(self.kind.feed, record, line.number, self.stream, self.market)


def _agg_trade(cells: list[str]) -> dict[str, Any]:
    trade_id, price, qty, _first, _last, time, buyer_is_maker = cells[:7]
    return _trade_of(trade_id, "agg_trade_id", price, qty, time, buyer_is_maker)


def _trade(cells: list[str]) -> dict[str, Any]:
    trade_id, price, qty, _quote_qty, time, buyer_is_maker = cells[:6]
    return _trade_of(trade_id, "id", price, qty, time, buyer_is_maker)


def _trade_of(trade_id: str, id_field: str, price: str, qty: str, time: str, buyer_is_maker: str) -> dict[str, Any]:
    side = {"true": "sell", "false": "buy"}.get(buyer_is_maker.lower())
    if side is None:
        raise BadRow("unknown_side", "is_buyer_maker")
    return _times(time, "time") | {
        "price": price_above_0(price, "price"),
        "qty": price_above_0(qty, "qty"),
        "side": side,
        "trade_id": str(whole_number(trade_id, id_field)),
    }


def _best(cells: list[str]) -> dict[str, Any]:
    update_id, bid, bid_qty, ask, ask_qty, transaction_time, _event_time = cells
    return _times(transaction_time, "transaction_time") | {
        "type": "snapshot",
        "update_id": whole_number(update_id, "update_id"),
        "bids": level_or_empty(bid, "best_bid_price", bid_qty, "best_bid_qty"),
        "asks": level_or_empty(ask, "best_ask_price", ask_qty, "best_ask_qty"),
        "origin": "pushed",
    }


def _times(text: str, field: str) -> dict[str, Any]:
    time = whole_number(text, field)
    if len(text) not in _UNITS:
        raise wrong_unit(text, field, "milliseconds or microseconds")
    seconds = time / _UNITS[len(text)]
    return {"ts": seconds, "ts_exchange": seconds}


_KINDS: Final = {
    "aggTrades": _Kind("trades", {8: SPOT, 7: USDM}, (b"aggtradeid",), _agg_trade),
    "trades": _Kind("trades", {7: SPOT, 6: USDM}, (b"id,", b"tradeid"), _trade),
    "bookTicker": _Kind("book", {7: USDM}, (b"updateid",), _best),
}
