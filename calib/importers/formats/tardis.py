"""Read Tardis' downloadable tables: incremental_book_L2, trades, quotes and book_snapshot_N, plain or compressed.

Times are microseconds UTC: ``timestamp`` is the venue's time, ``local_timestamp`` the receive time. The tables have no
sequence ids, so the book's ``update_id`` is generated here. See docs/how-to/import-market-data.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from calib.errors import NotThisFormat
from calib.importers.base import ROW_FAULTS, Advance, BadRow, Imported, ImportOption, Rejected, fault_of, unseen
from calib.importers.cells import MAX_LEVELS, level_or_empty, number, price_above_0, whole_number, wrong_unit
from calib.importers.lines import TOO_LONG, TextLine, text_lines
from calib.words import counted

Row = dict[str, str]

_HINT: Final = "Give Tardis' csv or csv.gz files of incremental_book_L2, trades, quotes or book_snapshot_N"
_COMMON: Final = frozenset({"exchange", "symbol", "timestamp", "local_timestamp"})
_BOOK: Final = _COMMON | {"is_snapshot", "side", "price", "amount"}
_TRADES: Final = _COMMON | {"id", "side", "price", "amount"}
_QUOTES: Final = _COMMON | {"ask_amount", "ask_price", "bid_price", "bid_amount"}
_LEVEL: Final = re.compile(r"(bids|asks)\[(\d+)\]\.(price|amount)")
_US: Final = 1e6
_UNKNOWN: Final = 0
_LONGEST_HEADER: Final = 1 << 16
_MAX_PENDING: Final = 10_000
"""Most messages and rejects held until all rows of their receive time have been read."""


class Tardis:
    """Reads the book and trades of any number of markets per file; the header identifies the table."""

    name: ClassVar[str] = "tardis"
    summary: ClassVar[str] = "Turn Tardis' order-book, best-price and trade tables into book and trades feeds."
    files: ClassVar[str] = "Tardis' csv or csv.gz files."
    example: ClassVar[str] = "deribit_trades_2020-04-01_BTC-PERPETUAL.csv.gz --out artifacts/edge/feeds"
    options: ClassVar[tuple[ImportOption, ...]] = ()
    hints: ClassVar[Mapping[str, str]] = {}

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        lines = text_lines(path, _HINT, advance)
        first = next(lines, TextLine(1, b"", False)).text
        names = [name.strip() for name in first[:_LONGEST_HEADER].decode("utf-8", "replace").split(",")]
        table = _table(path, names)
        for line, raw, too_long in lines:
            text = raw.decode("utf-8", "replace") if not too_long else raw[:500].decode("utf-8", "replace")
            if too_long:
                yield from table.row(line, TOO_LONG, text)
            elif raw.count(b",") + 1 == len(names):
                yield from table.row(line, dict(zip(names, text.split(","), strict=True)), text)
            else:
                yield from table.row(line, BadRow("bad_csv"), text)
        yield from table.flush()


def _table(path: Path, names: list[str]) -> _RowTable | _Incremental:
    columns = frozenset(names)
    if columns == _BOOK:
        return _Incremental()
    if columns == _TRADES:
        # Liquidations have the same columns; read as trades, they would add trades that did not happen.
        if "liquidations" in path.name:
            raise NotThisFormat("holds liquidations, which have no feed", where=str(path), hint=_HINT)
        return _RowTable("trades", "trades", _trade)
    if columns == _QUOTES:
        return _RowTable("book", "quotes", _quote)
    levels = columns - _COMMON
    if len(levels) + len(_COMMON) == len(columns) == len(names) and _is_ladder(levels):
        depth = len(levels) // 4
        return _RowTable("book", f"book_snapshot_{depth}", lambda row: _ladder(row, depth))
    raise NotThisFormat("the header is not that of a Tardis table", where=f"{path}:1", hint=_HINT)


def _is_ladder(names: frozenset[str]) -> bool:
    """Return whether the names are price and amount of levels 0..N-1 of both sides, with none missing."""
    depth = len(names) // 4
    ladder = {f"{side}[{i}].{what}" for side in ("bids", "asks") for i in range(depth) for what in ("price", "amount")}
    return bool(names) and names == ladder


@dataclass(slots=True)
class _RowTable:
    """A table with one record per row."""

    kind: str
    table: str
    record: Callable[[Row], dict[str, Any]]

    def row(self, line: int, row: Row | BadRow, text: str) -> Iterator[Imported | Rejected]:
        try:
            stamps = _stamps(row)
            assert isinstance(row, dict)
            yield Imported(self.kind, stamps | self.record(row), line, self.table, row["exchange"])
        except BadRow as bad:
            yield bad.rejected(line, text)
        except ROW_FAULTS as error:
            yield fault_of(error).rejected(line, text)

    def flush(self) -> Iterator[Imported | Rejected]:
        return iter(())


@dataclass(slots=True)
class _BookState:
    """The state of one symbol's book: ids, and whether a snapshot was read."""

    next_id: int
    newest_us: int
    synced: bool = False
    lost_us: int | None = None
    """Receive time of a lost row that belongs to no message, or `_UNKNOWN`; None if no row was lost."""


@dataclass(slots=True)
class _Message:
    """The rows of one message of the venue: one symbol, one receive time, either a snapshot or not."""

    line: int
    at_us: int
    record: dict[str, Any]
    market: str
    is_snapshot: bool
    rows: int = 0
    damaged: bool = False
    """One of its rows was lost."""
    ambiguous_loss: bool = False
    """A row was lost that belongs either to this message or to the next."""


@dataclass(slots=True)
class _Incremental:
    """incremental_book_L2: one row per level, grouped into the messages of the venue.

    Every message of snapshot rows is a whole book, even directly after another one: the second replaces the first.

    ``update_id`` starts at a symbol's first ``local_timestamp`` in microseconds and rises by 1 per message. A day has
    fewer messages than microseconds, so the ids of the next day's file are higher without state kept between files.
    After a lost row one id is skipped, so that readers of the feed see a gap.
    """

    books: dict[str, _BookState] = field(default_factory=dict)
    now_us: int = 0
    lost: tuple[bool, bool] = (False, False)
    """Whether a row of unknown symbol was lost before the current receive time, and within it."""
    pending: list[_Message | Rejected] = field(default_factory=list)
    open: dict[str, _Message] = field(default_factory=dict)

    def row(self, line: int, row: Row | BadRow, text: str) -> Iterator[Imported | Rejected]:
        try:
            stamps = _stamps(row)
            assert isinstance(row, dict)
        except BadRow as bad:
            self._mark_lost_everywhere()
            yield from self._hold(bad.rejected(line, text))
            return
        symbol, local_us = stamps["symbol"], int(row["local_timestamp"])
        if local_us != self.now_us:
            yield from self.flush()
            self.now_us, self.lost = local_us, (self.lost[1], False)
        if symbol not in self.books:
            self.books[symbol] = _BookState(local_us, local_us, lost_us=_UNKNOWN if any(self.lost) else None)
        try:
            self._add(line, row, stamps)
        except BadRow as bad:
            self._mark_lost(symbol)
            yield from self._hold(bad.rejected(line, text))

    def _hold(self, rejected: Rejected) -> Iterator[Imported | Rejected]:
        """Hold a reject until the messages that began before it are complete; yield it at once if none is open."""
        self.pending.append(rejected)
        if not self.open or len(self.pending) >= _MAX_PENDING:
            yield from self.flush()

    def flush(self) -> Iterator[Imported | Rejected]:
        """Yield the messages of one receive time and the rejects between them, by line."""
        for item in self.pending:
            yield item if isinstance(item, Rejected) else self._finish(item)
        self.pending, self.open = [], {}

    def _add(self, line: int, row: Row, stamps: dict[str, Any]) -> None:
        book = self.books[stamps["symbol"]]
        if self.now_us < book.newest_us:
            raise BadRow("out_of_order", "local_timestamp")
        book.newest_us = self.now_us
        flag = {"true": True, "false": False}.get(row["is_snapshot"].lower())
        if flag is None:
            raise BadRow("bad_value", "is_snapshot")
        side = {"bid": "bids", "ask": "asks"}.get(row["side"])
        if side is None:
            raise BadRow("unknown_side", "side")
        level = [price_above_0(row["price"], "price"), number(row["amount"], "amount")]
        message = self.open.get(stamps["symbol"])
        if message is None or message.is_snapshot != flag or _is_another_book(message, stamps, side, level):
            record = stamps | {"bids": [], "asks": []}
            message = _Message(line, self.now_us, record, row["exchange"], flag)
            self.open[stamps["symbol"]] = message
            self.pending.append(message)
        if message.rows >= MAX_LEVELS:
            raise BadRow("too_many_levels", "local_timestamp", what=f"a message of more than {MAX_LEVELS:,} levels")
        message.record[side].append(level)
        message.record["ts_exchange"] = stamps["ts_exchange"]
        message.rows += 1

    def _mark_lost(self, symbol: str) -> None:
        """Record that a row of this symbol and receive time was lost."""
        if symbol in self.open:
            self.open[symbol].damaged = True
        else:
            self.books[symbol].lost_us = self.now_us

    def _mark_lost_everywhere(self) -> None:
        """Record that a row of unknown symbol was lost, which may belong to any open message or to the next."""
        self.lost = (self.lost[0], True)
        for message in self.open.values():
            message.damaged = message.ambiguous_loss = True
        for book in self.books.values():
            book.lost_us = _UNKNOWN

    def _finish(self, message: _Message) -> Imported | Rejected:
        book = self.books[message.record["symbol"]]
        is_snapshot = message.is_snapshot
        # A row lost at another time is not part of this snapshot, and the snapshot replaces the damaged book.
        relevant = (_UNKNOWN, message.at_us) if is_snapshot else (book.lost_us,)
        affected = message.damaged or (book.lost_us is not None and book.lost_us in relevant)
        book.lost_us = _UNKNOWN if message.ambiguous_loss else None
        if is_snapshot:
            book.synced = not affected
        if not book.synced:
            reason = "incomplete_snapshot" if is_snapshot else "before_snapshot"
            text = f"{counted(message.rows, 'row')} of {message.record['symbol']}"
            return Rejected(message.line, reason, "is_snapshot", text, damaged=is_snapshot)
        update_id = book.next_id + affected
        book.next_id = update_id + 1
        kind = {"type": "snapshot", "origin": "pushed"} if is_snapshot else {"type": "delta"}
        record = message.record | kind | {"update_id": update_id}
        return Imported("book", record, message.line, "incremental_book_L2", message.market)


def _is_another_book(message: _Message, stamps: dict[str, Any], side: str, level: list[float]) -> bool:
    """Return whether a row begins a second snapshot with the same receive time: a book has each level once."""
    if not message.is_snapshot or message.record["ts_exchange"] == stamps["ts_exchange"]:
        return False
    return any(level[0] == known[0] for known in message.record[side])


def _stamps(row: Row | BadRow) -> dict[str, Any]:
    """Return symbol and times of a row."""
    if isinstance(row, BadRow):
        raise row
    if not row["symbol"]:
        raise BadRow("no_symbol", "symbol")
    times = {}
    for name in ("timestamp", "local_timestamp"):
        times[name] = whole_number(row[name], name)
        if len(row[name]) != 16:
            raise wrong_unit(row[name], name, "microseconds")
    return {
        "ts": times["local_timestamp"] / _US,
        "ts_exchange": times["timestamp"] / _US,
        "symbol": row["symbol"],
    }


def _trade(row: Row) -> dict[str, Any]:
    if row["side"] not in ("buy", "sell"):
        # Tardis writes "unknown" if the venue did not send the side: the row is intact.
        raise BadRow("unknown_side", "side", damaged=row["side"] != "unknown")
    return {
        "price": price_above_0(row["price"], "price"),
        "qty": price_above_0(row["amount"], "amount"),
        "side": row["side"],
        "trade_id": row["id"] or None,
    }


def _quote(row: Row) -> dict[str, Any]:
    return _snapshot(row) | {
        "bids": _level(row, "bid_price", "bid_amount"),
        "asks": _level(row, "ask_price", "ask_amount"),
    }


def _ladder(row: Row, depth: int) -> dict[str, Any]:
    return _snapshot(row) | {
        side: [level for i in range(depth) for level in _level(row, f"{side}[{i}].price", f"{side}[{i}].amount")]
        for side in ("bids", "asks")
    }


def _snapshot(row: Row) -> dict[str, Any]:
    """Return the fields of a snapshot: each row is a whole book, whose ids must rise but may skip numbers."""
    return {"type": "snapshot", "update_id": int(row["local_timestamp"]), "origin": "pushed"}


def _level(row: Row, price: str, amount: str) -> list[list[float]]:
    """Return the level; empty if the side is empty."""
    return level_or_empty(row[price], price, row[amount], amount)
