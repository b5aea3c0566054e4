"""Binance's public data files (data.binance.vision): aggTrades, trades and bookTicker, zip or csv.

Symbol and kind are read from the file's name, for no row has them. Nobody received these rows, so both clocks of a
record are the venue's. See docs/how-to/import-market-data.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from calib.errors import NotThisFormat
from calib.importers.base import Advance, Imported, Rejected, unseen
from calib.importers.table import BadCell, number, numbered_lines, price_above_0, whole_number

_HINT: Final = "Give files named as Binance names them: SYMBOL-KIND-YYYY-MM[-DD], KIND aggTrades, trades or bookTicker"
_NAME: Final = re.compile(r"(\w+)-(\w+)-\d{4}-\d{2}(?:-\d{2})?(?!\d)")
_UNITS: Final = {13: 1e3, 16: 1e6}
"""Digits of a time -> its units in a second: spot went from milliseconds to microseconds on 2025-01-01."""


class BinanceVision:
    """Trades or best prices of one market per file, with a header or without."""

    name = "binance-vision"

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        lines = numbered_lines(path, _HINT, advance)
        line, text = next(lines, (1, ""))
        symbol, name = _named(path)
        kind = _KINDS[name]
        columns = text.count(",") + 1
        header = text.replace("_", "").lower().startswith(kind.header)
        if columns not in kind.columns or not (header or text[0].isdigit()):
            raise NotThisFormat(f"does not begin as a {name} file does", where=f"{path}:{line}", hint=_HINT)
        read = _Rows(symbol, kind, columns, f"{kind.columns[columns]} {name}")
        if not header:
            yield read.row(line, text)
        for line, text in lines:
            yield read.row(line, text)


def _named(path: Path) -> tuple[str, str]:
    match = _NAME.match(path.name)
    if match is None:
        raise NotThisFormat("its name tells neither symbol nor kind", where=str(path), hint=_HINT)
    symbol, kind = match[1].upper(), match[2]
    if kind == "bookDepth":
        raise NotThisFormat(
            "bookDepth is no book: it sums the depth within bands of some per cent about the mid, without prices",
            where=str(path),
            hint="Give bookTicker for best prices; for whole books take another source",
        )
    if kind not in _KINDS:
        raise NotThisFormat(f"{kind} has no feed", where=str(path), hint=_HINT)
    return symbol, kind


@dataclass(frozen=True, slots=True)
class _Kind:
    feed: str
    columns: dict[int, str]
    """How many a row has -> the market that has so many."""
    header: tuple[str, ...]
    """How the header may begin, in lower case without underscores."""
    record: Callable[[list[str]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class _Rows:
    symbol: str
    kind: _Kind
    columns: int
    stream: str

    def row(self, line: int, text: str) -> Imported | Rejected:
        cells = text.split(",")
        try:
            if len(cells) != self.columns:
                raise BadCell("bad_csv", "")
            record = {"symbol": self.symbol} | self.kind.record(cells)
        except BadCell as bad:
            return bad.rejected(line, text)
        return Imported(self.kind.feed, record, line, self.stream)


def _agg_trade(cells: list[str]) -> dict[str, Any]:
    identity, price, qty, _first, _last, time, buyer_rested = cells[:7]
    return _trade_of(identity, "agg_trade_id", price, qty, time, buyer_rested)


def _trade(cells: list[str]) -> dict[str, Any]:
    identity, price, qty, _quote_qty, time, buyer_rested = cells[:6]
    return _trade_of(identity, "id", price, qty, time, buyer_rested)


def _trade_of(identity: str, id_field: str, price: str, qty: str, time: str, buyer_rested: str) -> dict[str, Any]:
    side = {"true": "sell", "false": "buy"}.get(buyer_rested.lower())
    if side is None:
        raise BadCell("unknown_side", "is_buyer_maker")
    return _times(time, "time") | {
        "price": price_above_0(price, "price"),
        "qty": price_above_0(qty, "qty"),
        "side": side,
        "trade_id": str(whole_number(identity, id_field)),
    }


def _best(cells: list[str]) -> dict[str, Any]:
    update_id, bid, bid_qty, ask, ask_qty, transaction_time, _event_time = cells
    return _times(transaction_time, "transaction_time") | {
        "type": "snapshot",
        "update_id": whole_number(update_id, "update_id"),
        "bids": [[price_above_0(bid, "best_bid_price"), number(bid_qty, "best_bid_qty")]],
        "asks": [[price_above_0(ask, "best_ask_price"), number(ask_qty, "best_ask_qty")]],
    }


def _times(text: str, field: str) -> dict[str, Any]:
    time = whole_number(text, field)
    if len(text) not in _UNITS:
        raise BadCell("bad_value", field)
    seconds = time / _UNITS[len(text)]
    return {"ts": seconds, "ts_exchange": seconds}


_KINDS: Final = {
    "aggTrades": _Kind("trades", {8: "spot", 7: "futures"}, ("aggtradeid",), _agg_trade),
    "trades": _Kind("trades", {7: "spot", 6: "futures"}, ("id,", "tradeid"), _trade),
    "bookTicker": _Kind("book", {7: "futures"}, ("updateid",), _best),
}
