"""Tardis' downloadable tables: incremental_book_L2, trades, quotes and book_snapshot_N, plain or packed.

Times are microseconds UTC: ``timestamp`` is the venue's, ``local_timestamp`` that of receiving. There are no sequence
ids, so the book's ``update_id`` is made here. See docs/how-to/import-market-data.md.
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
_MOST_PENDING: Final = 10_000
"""Messages and rejects held back until their time of receiving is over."""


class Tardis:
    """Book and trades of any number of markets per file; which table it is, its header says."""

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


def _table(path: Path, names: list[str]) -> _Each | _Incremental:
    columns = frozenset(names)
    if columns == _BOOK:
        return _Incremental()
    if columns == _TRADES:
        # Liquidations have the very same columns: taken for trades, they would be trades that never were.
        if "liquidations" in path.name:
            raise NotThisFormat("holds liquidations, which have no feed", where=str(path), hint=_HINT)
        return _Each("trades", "trades", _trade)
    if columns == _QUOTES:
        return _Each("book", "quotes", _quote)
    levels = columns - _COMMON
    if len(levels) + len(_COMMON) == len(columns) == len(names) and _is_ladder(levels):
        depth = len(levels) // 4
        return _Each("book", f"book_snapshot_{depth}", lambda row: _ladder(row, depth))
    raise NotThisFormat("does not begin with the header of one of Tardis' tables", where=f"{path}:1", hint=_HINT)


def _is_ladder(names: frozenset[str]) -> bool:
    """Whether they are price and amount of both sides' levels 0..N-1, none missing."""
    depth = len(names) // 4
    wanted = {f"{side}[{i}].{what}" for side in ("bids", "asks") for i in range(depth) for what in ("price", "amount")}
    return bool(names) and names == wanted


@dataclass(slots=True)
class _Each:
    """A table whose rows are a record each."""

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
class _Chain:
    """What is known of one symbol's book."""

    next_id: int
    newest_us: int
    synced: bool = False
    broken_us: int | None = None
    """When a row was lost that no message holds: its time of receiving, or `_UNKNOWN`."""


@dataclass(slots=True)
class _Message:
    """The rows of one message of the venue: one symbol, one time of receiving, snapshot or not."""

    line: int
    at_us: int
    record: dict[str, Any]
    market: str
    is_snapshot: bool
    rows: int = 0
    damaged: bool = False
    """One of its rows was lost."""
    doubtful: bool = False
    """A row was lost that is its own or the next one's."""


@dataclass(slots=True)
class _Incremental:
    """incremental_book_L2: a row per level, grouped into the messages that they came in.

    Every message of snapshot rows is a whole book, also where one follows another: the second replaces the first.

    ``update_id`` counts a symbol's messages from its first ``local_timestamp`` on, in microseconds: a day can hold
    fewer messages than microseconds, so the ids of the next day's file are higher, with nothing kept between files.
    Where a row is lost, one id is left out: the message after it is a gap to the reader of the feed.
    """

    chains: dict[str, _Chain] = field(default_factory=dict)
    now_us: int = 0
    lost: tuple[bool, bool] = (False, False)
    """Whether a row of no known symbol was lost before this time of receiving, and in it."""
    pending: list[_Message | Rejected] = field(default_factory=list)
    open: dict[str, _Message] = field(default_factory=dict)

    def row(self, line: int, row: Row | BadRow, text: str) -> Iterator[Imported | Rejected]:
        try:
            stamps = _stamps(row)
            assert isinstance(row, dict)
        except BadRow as bad:
            self._lost_anywhere()
            yield from self._pend(bad.rejected(line, text))
            return
        symbol, local_us = stamps["symbol"], int(row["local_timestamp"])
        if local_us != self.now_us:
            yield from self.flush()
            self.now_us, self.lost = local_us, (self.lost[1], False)
        if symbol not in self.chains:
            self.chains[symbol] = _Chain(local_us, local_us, broken_us=_UNKNOWN if any(self.lost) else None)
        try:
            self._add(line, row, stamps)
        except BadRow as bad:
            self._lost(symbol)
            yield from self._pend(bad.rejected(line, text))

    def _pend(self, rejected: Rejected) -> Iterator[Imported | Rejected]:
        """Hold a reject back behind the messages that began before it; where none is open there is nothing to wait."""
        self.pending.append(rejected)
        if not self.open or len(self.pending) >= _MOST_PENDING:
            yield from self.flush()

    def flush(self) -> Iterator[Imported | Rejected]:
        """The messages of one time of receiving, and the rejects between them, by line."""
        for item in self.pending:
            yield item if isinstance(item, Rejected) else self._judged(item)
        self.pending, self.open = [], {}

    def _add(self, line: int, row: Row, stamps: dict[str, Any]) -> None:
        chain = self.chains[stamps["symbol"]]
        if self.now_us < chain.newest_us:
            raise BadRow("out_of_order", "local_timestamp")
        chain.newest_us = self.now_us
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

    def _lost(self, symbol: str) -> None:
        """A row of this symbol and time."""
        if symbol in self.open:
            self.open[symbol].damaged = True
        else:
            self.chains[symbol].broken_us = self.now_us

    def _lost_anywhere(self) -> None:
        """A row of any symbol, of the message that is open or of the next."""
        self.lost = (self.lost[0], True)
        for message in self.open.values():
            message.damaged = message.doubtful = True
        for chain in self.chains.values():
            chain.broken_us = _UNKNOWN

    def _judged(self, message: _Message) -> Imported | Rejected:
        chain = self.chains[message.record["symbol"]]
        whole = message.is_snapshot
        # A row lost at another time was none of this snapshot's, and the snapshot repairs what it did.
        relevant = (_UNKNOWN, message.at_us) if whole else (chain.broken_us,)
        affected = message.damaged or (chain.broken_us is not None and chain.broken_us in relevant)
        chain.broken_us = _UNKNOWN if message.doubtful else None
        if whole:
            chain.synced = not affected
        if not chain.synced:
            reason = "incomplete_snapshot" if whole else "before_snapshot"
            text = f"{counted(message.rows, 'row')} of {message.record['symbol']}"
            return Rejected(message.line, reason, "is_snapshot", text, damaged=whole)
        update_id = chain.next_id + affected
        chain.next_id = update_id + 1
        kind = {"type": "snapshot", "origin": "pushed"} if whole else {"type": "delta"}
        record = message.record | kind | {"update_id": update_id}
        return Imported("book", record, message.line, "incremental_book_L2", message.market)


def _is_another_book(message: _Message, stamps: dict[str, Any], side: str, level: list[float]) -> bool:
    """Whether a row begins a second book received at the same moment: a book has each of its levels once."""
    if not message.is_snapshot or message.record["ts_exchange"] == stamps["ts_exchange"]:
        return False
    return any(level[0] == known[0] for known in message.record[side])


def _stamps(row: Row | BadRow) -> dict[str, Any]:
    """Symbol and times of a row."""
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
        # "unknown" is Tardis' own word: the row is whole, the venue did not say.
        raise BadRow("unknown_side", "side", damaged=row["side"] != "unknown")
    return {
        "price": price_above_0(row["price"], "price"),
        "qty": price_above_0(row["amount"], "amount"),
        "side": row["side"],
        "trade_id": row["id"] or None,
    }


def _quote(row: Row) -> dict[str, Any]:
    return _whole(row) | {
        "bids": _level(row, "bid_price", "bid_amount"),
        "asks": _level(row, "ask_price", "ask_amount"),
    }


def _ladder(row: Row, depth: int) -> dict[str, Any]:
    return _whole(row) | {
        side: [level for i in range(depth) for level in _level(row, f"{side}[{i}].price", f"{side}[{i}].amount")]
        for side in ("bids", "asks")
    }


def _whole(row: Row) -> dict[str, Any]:
    """Each row is a book of its own: ids must rise, and need not be without holes."""
    return {"type": "snapshot", "update_id": int(row["local_timestamp"]), "origin": "pushed"}


def _level(row: Row, price: str, amount: str) -> list[list[float]]:
    """The level; none where the side is empty."""
    return level_or_empty(row[price], price, row[amount], amount)
