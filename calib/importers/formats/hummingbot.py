"""Read Hummingbot's trade files, ``trades_*.csv``: a bot's own fills, with either of the two headers."""

from __future__ import annotations

import ast
import csv
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, ClassVar, Final, Literal

from calib.errors import NotThisFormat
from calib.importers.base import ROW_FAULTS, Advance, BadRow, Imported, ImportOption, Rejected, fault_of, unseen
from calib.importers.cells import wrong_unit
from calib.importers.csv_lines import CsvLines
from calib.importers.lines import TOO_LONG, text_lines

LimitAs = Literal["maker", "taker", "reject"]
_NEW: Final = (
    "exchange_trade_id", "symbol", "base_asset", "quote_asset", "timestamp", "order_id", "trade_type", "order_type",
    "price", "amount", "trade_fee",
)  # fmt: skip
_OLD: Final = {
    "Exchange Trade ID": "exchange_trade_id", "Exchange": "market", "Market": "symbol", "Base": "base_asset",
    "Quote": "quote_asset", "Timestamp": "timestamp", "Order ID": "order_id", "Trade": "trade_type",
    "Type": "order_type", "Price": "price", "Amount": "amount", "Fee": "trade_fee", "Trade Fee": "trade_fee",
}  # fmt: skip
"""Column of the older header -> column of the newer one, or ``market`` for ``Exchange``."""
_LIQUIDITY: Final = {"LIMIT_MAKER": "maker", "MARKET": "taker", "AMM_SWAP": "taker"}
"""A swap takes liquidity from a pool."""
_NOT_A_FILL: Final = ("AMM_ADD", "AMM_REMOVE", "RANGE")
"""Liquidity added to or removed from a pool: not a trade."""
_HINT: Final = "Give Hummingbot's trades_*.csv files"
_BPS: Final = 10_000
_EARLIEST_MS: Final = 946_684_800_000
_LATEST_MS: Final = 4_102_444_800_000


class HummingbotTrades:
    """Reads Hummingbot's fills.

    Parameters
    ----------
    limit_as
        Liquidity of plain LIMIT orders: such an order may have rested or crossed, and the file does not say which.
        ``reject`` counts their fills as rejects.
    """

    name: ClassVar[str] = "hummingbot"
    summary: ClassVar[str] = "Turn Hummingbot's trade files into a fills feed, one file per UTC day."
    files: ClassVar[str] = "Hummingbot's trades_*.csv files."
    example: ClassVar[str] = "trades_*.csv --out artifacts/edge/feeds --limit-as taker"
    options: ClassVar[tuple[ImportOption, ...]] = (
        ImportOption(
            "--limit-as",
            "Liquidity of plain LIMIT orders, which the file does not state [reject].",
            choices=("maker", "taker", "reject"),
            setting="import.limit_as",
        ),
    )
    hints: ClassVar[Mapping[str, str]] = {
        "unknown_liquidity": "a plain LIMIT order may have rested or crossed, choose with --limit-as"
    }

    def __init__(self, limit_as: LimitAs = "reject") -> None:
        self._liquidity = _LIQUIDITY if limit_as == "reject" else {**_LIQUIDITY, "LIMIT": limit_as}

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        lines = CsvLines(text_lines(path, _HINT, advance), "surrogateescape")
        rows = csv.reader(lines)
        names = _header(rows, path)
        yield from self._rows(rows, names, lines)

    def _rows(self, rows: Any, names: list[str], lines: CsvLines) -> Iterator[Imported | Rejected]:
        while True:
            lines.begin_row()
            try:
                cells = next(rows)
            except StopIteration:
                return
            except csv.Error as error:
                yield Rejected(lines.begun, "bad_csv", "", str(error))
                continue
            if not cells:
                continue
            text = ",".join(cells[: len(names)])[:500]
            try:
                if lines.too_long:
                    raise TOO_LONG
                if len(cells) != len(names):
                    raise BadRow("bad_csv")
                row = dict(zip(names, cells, strict=True))
                yield Imported("fills", self._fill(row), lines.begun, market=row.get("market", "").strip())
            except BadRow as bad:
                yield bad.rejected(lines.begun, text)
            except ROW_FAULTS as error:
                yield fault_of(error).rejected(lines.begun, text)

    def _fill(self, row: dict[str, str]) -> dict[str, Any]:
        kind = _word(row, "order_type")
        if kind in _NOT_A_FILL or _word(row, "trade_type") in _NOT_A_FILL:
            raise BadRow("no_feed", "order_type", damaged=False, what=f"{kind} is not a trade")
        price, qty = _number(row, "price"), _number(row, "amount")
        record: dict[str, Any] = {
            "ts": _seconds(row),
            "symbol": row["symbol"],
            "side": _side(row),
            "price": float(price),
            "qty": float(qty),
            "liquidity": self._liquidity_of(kind),
        }
        fee_bps = _fee_bps(row, price, qty)
        optional = {"fee_bps": fee_bps, "trade_id": row["exchange_trade_id"], "order_id": row["order_id"]}
        return record | {name: value for name, value in optional.items() if value not in (None, "")}

    def _liquidity_of(self, kind: str) -> str:
        if kind in self._liquidity:
            return self._liquidity[kind]
        if kind.replace("_", "").isalpha():  # an intact row whose order type allows both
            reason = "unknown_liquidity" if kind == "LIMIT" else "unknown_order_type"
            raise BadRow(reason, "order_type", damaged=False, what=f"order type {kind[:40]}")
        raise BadRow("bad_value", "order_type")


def _header(rows: Any, path: Path) -> list[str]:
    try:
        first = [name.strip() for name in next(rows, [])]
    except csv.Error:
        first = []
    names = [_OLD.get(name, name) for name in first] if "Config File" in first else first
    missing = [name for name in _NEW if name not in names]
    if missing:
        what = f"is not a Hummingbot trade file: its header lacks {', '.join(missing)}"
        raise NotThisFormat(what, where=f"{path}:1", hint=_HINT)
    return names


def _word(row: dict[str, str], name: str) -> str:
    """Return ``LIMIT`` for ``OrderType.LIMIT`` or ``limit``."""
    return row[name].strip().rpartition(".")[2].upper()


def _side(row: dict[str, str]) -> str:
    side = _word(row, "trade_type").lower()
    if side not in ("buy", "sell"):
        raise BadRow("bad_value", "trade_type")
    return side


def _number(row: dict[str, str], name: str) -> Decimal:
    try:
        number = Decimal(row[name].strip())
    except InvalidOperation:
        raise BadRow("bad_type", name) from None
    if not number.is_finite() or number <= 0:
        raise BadRow("bad_value", name)
    return number


def _seconds(row: dict[str, str]) -> float:
    """Return Hummingbot's milliseconds, which older versions wrote with a fraction, as Unix seconds."""
    text = row["timestamp"].strip()
    try:
        ms = Decimal(text)
    except InvalidOperation:
        raise BadRow("bad_type", "timestamp") from None
    if not ms.is_finite() or not _EARLIEST_MS <= ms < _LATEST_MS:
        raise wrong_unit(text.partition(".")[0], "timestamp", "milliseconds")
    return float(ms / 1000)


def _fee_bps(row: dict[str, str], price: Decimal, qty: Decimal) -> float | None:
    """Return the fee over the notional, bps; None if its currency is not of the pair, or if it cannot be parsed.

    ``percent`` is a fraction of the notional, in whichever currency it was charged. A flat fee in the quote currency is
    divided by ``price x qty``, one in the base currency by ``qty``.
    """
    try:
        fee = ast.literal_eval(row["trade_fee"].strip().replace(": null", ": None"))
        total = Decimal(str(fee["percent"])) if fee["percent"] is not None else Decimal(0)
        for flat in fee.get("flat_fees") or ():
            token = str(flat["token"] if "token" in flat else flat["asset"]).upper()
            notional = {row["quote_asset"].upper(): price * qty, row["base_asset"].upper(): qty}[token]
            total += Decimal(str(flat["amount"])) / notional
        return round(float(total * _BPS), 9) if total.is_finite() else None
    except (*ROW_FAULTS, SyntaxError, MemoryError):
        return None
