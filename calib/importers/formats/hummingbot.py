"""Hummingbot's trade files, ``trades_*.csv``: the own fills of a bot, under either of their two headers."""

from __future__ import annotations

import ast
import csv
import io
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final, Literal

from calib.errors import NotThisFormat, UnreadableInput
from calib.importers.base import Advance, Imported, Rejected, unseen
from calib.importers.opened import opened

LimitAs = Literal["maker", "taker", "reject"]
_NEW: Final = (
    "exchange_trade_id", "symbol", "base_asset", "quote_asset", "timestamp", "order_id", "trade_type", "order_type",
    "price", "amount", "trade_fee",
)  # fmt: skip
_OLD: Final = {
    "Exchange Trade ID": "exchange_trade_id", "Market": "symbol", "Base": "base_asset", "Quote": "quote_asset",
    "Timestamp": "timestamp", "Order ID": "order_id", "Trade": "trade_type", "Type": "order_type", "Price": "price",
    "Amount": "amount", "Fee": "trade_fee", "Trade Fee": "trade_fee",
}  # fmt: skip
"""The names of the older header, under which the exchange's name stands as ``Exchange``."""
_LIQUIDITY: Final = {"LIMIT_MAKER": "maker", "MARKET": "taker"}
_BPS: Final = 10_000


class _Bad(Exception):
    """A cell that cannot be read."""

    def __init__(self, reason: str, field: str, damaged: bool = True) -> None:
        super().__init__(reason)
        self.reason, self.field, self.damaged = reason, field, damaged


class HummingbotTrades:
    """Fills of Hummingbot.

    Parameters
    ----------
    limit_as
        What a plain LIMIT order was: such an order may have rested or crossed, and the file does not say. ``reject``
        counts its fills as rejects, the others take them all for the one or the other.
    """

    name = "hummingbot"

    def __init__(self, limit_as: LimitAs = "reject") -> None:
        self._liquidity = _LIQUIDITY if limit_as == "reject" else {**_LIQUIDITY, "LIMIT": limit_as}

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        try:
            raw = opened(path, advance)
        except OSError as error:
            hint = "Give Hummingbot's trades_*.csv files"
            raise UnreadableInput(f"cannot be opened: {error.strerror}", where=str(path), hint=hint) from error
        with io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="") as handle:
            rows = csv.reader(handle)
            names = _header(rows, path)
            yield from self._rows(rows, names)

    def _rows(self, rows: Any, names: list[str]) -> Iterator[Imported | Rejected]:
        while True:
            line = rows.line_num + 1
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield Rejected(line, "bad_csv", "", str(error))
                continue
            if not cells:
                continue
            text = ",".join(cells)[:500]
            if len(cells) != len(names):
                yield Rejected(line, "bad_csv", "", text)
                continue
            try:
                yield Imported("fills", self._fill(dict(zip(names, cells, strict=True))), line)
            except _Bad as bad:
                yield Rejected(line, bad.reason, bad.field, text, bad.damaged)

    def _fill(self, row: dict[str, str]) -> dict[str, Any]:
        price, qty = _number(row, "price"), _number(row, "amount")
        record: dict[str, Any] = {
            "ts": _seconds(row),
            "symbol": row["symbol"],
            "side": _side(row),
            "price": float(price),
            "qty": float(qty),
            "liquidity": self._rested(row),
        }
        fee_bps = _fee_bps(row, price, qty)
        optional = {"fee_bps": fee_bps, "trade_id": row["exchange_trade_id"], "order_id": row["order_id"]}
        return record | {name: value for name, value in optional.items() if value not in (None, "")}

    def _rested(self, row: dict[str, str]) -> str:
        kind = _word(row, "order_type")
        if kind not in self._liquidity:
            if kind == "LIMIT":
                raise _Bad("unknown_liquidity", "order_type", damaged=False)
            raise _Bad("bad_value", "order_type")
        return self._liquidity[kind]


def _header(rows: Any, path: Path) -> list[str]:
    try:
        first = [name.strip() for name in next(rows, [])]
    except csv.Error:
        first = []
    names = [_OLD.get(name, name) for name in first] if "Config File" in first else first
    missing = [name for name in _NEW if name not in names]
    if missing:
        what = f"is no Hummingbot trade file: its header lacks {', '.join(missing)}"
        raise NotThisFormat(what, where=f"{path}:1", hint="Give Hummingbot's trades_*.csv files")
    return names


def _word(row: dict[str, str], name: str) -> str:
    """``LIMIT`` of ``OrderType.LIMIT`` or ``limit``."""
    return row[name].strip().rpartition(".")[2].upper()


def _side(row: dict[str, str]) -> str:
    side = _word(row, "trade_type").lower()
    if side not in ("buy", "sell"):
        raise _Bad("bad_value", "trade_type")
    return side


def _number(row: dict[str, str], name: str) -> Decimal:
    try:
        number = Decimal(row[name].strip())
    except InvalidOperation:
        raise _Bad("bad_type", name) from None
    if not number.is_finite() or number <= 0:
        raise _Bad("bad_value", name)
    return number


def _seconds(row: dict[str, str]) -> float:
    """Unix seconds of Hummingbot's milliseconds, which older versions wrote with a fraction."""
    try:
        ms = Decimal(row["timestamp"].strip())
    except InvalidOperation:
        raise _Bad("bad_type", "timestamp") from None
    if not ms.is_finite() or not 946_684_800_000 <= ms < 4_102_444_800_000:
        raise _Bad("bad_value", "timestamp")
    return float(ms / 1000)


def _fee_bps(row: dict[str, str], price: Decimal, qty: Decimal) -> float | None:
    """The fee over the notional, bps; None where its currency is neither side of the pair, or it cannot be read.

    ``percent`` is a fraction of the notional, whichever way it was charged. A flat fee in the quote currency is
    divided by ``price x qty``, one in the base currency by ``qty``.
    """
    try:
        fee = ast.literal_eval(row["trade_fee"].strip().replace(": null", ": None"))
        total = Decimal(str(fee["percent"])) if fee["percent"] is not None else Decimal(0)
        for flat in fee.get("flat_fees") or ():
            token = str(flat["token"] if "token" in flat else flat["asset"]).upper()
            whole = {row["quote_asset"].upper(): price * qty, row["base_asset"].upper(): qty}[token]
            total += Decimal(str(flat["amount"])) / whole
    except (
        ValueError,
        SyntaxError,
        KeyError,
        TypeError,
        AttributeError,
        InvalidOperation,
        MemoryError,
        RecursionError,
    ):
        return None
    return round(float(total * _BPS), 9) if total.is_finite() else None
