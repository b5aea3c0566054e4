"""Read hftbacktest's data files: ``data`` in a .npz, one row per changed level or trade, in either of two layouts.

The current layout is a structured array (``ev, exch_ts, local_ts, px, qty, order_id, ival, fval``) with times in
nanoseconds. The older one has six columns of numbers (event, exchange time, local time, side, price, quantity) with
times in micro- or nanoseconds, told apart by their size. There a time of -1 marks a row for the exchange or for the
local side only.

Consecutive rows with the same two times, to the microsecond, belong to one message and become one record.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

from calib.errors import UsageError
from calib.feeds.schema.table import EARLIEST_TS, LATEST_TS
from calib.importers.base import Advance, Imported, ImportOption, Rejected, unseen
from calib.importers.cells import MAX_LEVELS
from calib.importers.formats.hftbacktest_collector import symbol_of
from calib.importers.npz import ROWS, NpzArray

if TYPE_CHECKING:
    import numpy as np

_HINT: Final = "Give hftbacktest's data files: .npz with an array named data"
_FIELDS: Final = {"ev": "u8", "exch_ts": "i8", "local_ts": "i8", "px": "f8", "qty": "f8"}
_COLUMNS: Final = 6

_DEPTH, _TRADE, _CLEAR, _SNAPSHOT, _BBO = 1, 2, 3, 4, 5
_BY_ORDER: Final = (10, 11, 12, 13)
"""Order added, cancelled, modified, filled: order-by-order books have no feed."""
_EXCH, _LOCAL, _BUY, _SELL = 1 << 31, 1 << 30, 1 << 29, 1 << 28


class Row(NamedTuple):
    """One row of either layout."""

    number: int
    """From 1."""
    event: int
    """Low byte of the event: its type."""
    received: bool
    """Whether the row was received; other rows are for the simulated exchange only."""
    side: int
    """1 buy or bid, -1 sell or ask, 0 none."""
    exch_ts: float | None
    """Unix seconds; None if the row has no such time."""
    local_ts: float
    """Unix seconds; NaN if the row has no such time."""
    price: float
    qty: float


class HftbacktestNpz:
    """Reads the book and trades of one market per file.

    The files have no update ids, so ids are generated: the first is the receive time of the first row in microseconds,
    and each record adds 1. After a lost change of the book one id is skipped, so that a reader sees a gap and waits for
    the next snapshot instead of continuing with a wrong book. There is such a gap between two files too, because
    neither shows whether anything is missing between them.

    Parameters
    ----------
    symbol
        Symbol of every file; None: the symbol in each file's name, such as ``btcusdt_20240808.npz``.
    """

    name: ClassVar[str] = "hftbacktest-npz"
    summary: ClassVar[str] = "Turn hftbacktest's data files into book and trades feeds, one file per UTC day."
    files: ClassVar[str] = "hftbacktest's .npz files of one market."
    example: ClassVar[str] = "btcusdt_20240808.npz --out artifacts/edge/feeds"
    options: ClassVar[tuple[ImportOption, ...]] = (
        ImportOption("--symbol", "Symbol of the files [from each file's name].", "SYM"),
    )
    hints: ClassVar[Mapping[str, str]] = {}

    def __init__(self, symbol: str | None = None) -> None:
        self._symbol = symbol
        self._covered: dict[str, list[tuple[float, float, Path]]] = {}
        """Symbol -> first and last time of each of its files."""

    def read(self, path: Path, advance: Advance = unseen) -> Iterator[Imported | Rejected]:
        """Yield the rows of one file; a record has the number of its first row.

        Raises
        ------
        UsageError
            If neither ``symbol`` nor the file's name gives the symbol.
        """
        with NpzArray(path, "data", _HINT) as array:
            structured = _layout(array)
            symbol = self._symbol or symbol_of(path)
            if symbol is None:
                raise UsageError("the file name does not give a symbol", where=str(path), hint="Give it with --symbol")
            first, last = math.inf, -math.inf
            for item in self._items(array, _RecordBuilder(symbol), structured, advance):
                if isinstance(item, Imported):
                    first, last = min(first, item.record["ts"]), max(last, item.record["ts"])
                yield item
            self._covered.setdefault(symbol, []).append((first, last, path))

    @staticmethod
    def _items(
        array: NpzArray, builder: _RecordBuilder, structured: bool, advance: Advance
    ) -> Iterator[Imported | Rejected]:
        number = 1
        for chunk in array.chunks():
            yield from builder.rows(_rows(chunk, number, structured))
            number += len(chunk)
            advance(array.size * len(chunk) / array.header.shape[0])
        yield from builder.flush()

    def remarks(self) -> Iterator[str]:
        """Return files that cover the same times of one symbol: they may be of two markets."""
        for symbol, files in self._covered.items():
            for (_, last, one), (first, _, other) in itertools.pairwise(sorted(files)):
                if first < last:
                    yield (
                        f"{one} and {other} cover the same times of {symbol}, and npz files name no market: where they "
                        "are of two, such as spot and futures, import each alone with a --symbol of its own"
                    )


def _layout(array: NpzArray) -> bool:
    """Return whether the array has the current, structured layout."""
    shape, dtype = array.header.shape, array.header.dtype
    if dtype.names is not None and len(shape) == 1:
        kinds = {name: f"{dtype[name].kind}{dtype[name].itemsize}" for name in dtype.names}
        wrong = [name for name, kind in _FIELDS.items() if kinds.get(name) != kind]
        if not wrong:
            return True
        raise array.not_this_format(f"has rows whose {', '.join(wrong)} is missing or has another type: {dtype}")
    if len(shape) == 2 and shape[1] == _COLUMNS and dtype.kind == "f" and dtype.itemsize == 8:
        return False
    raise array.not_this_format(f"holds {dtype} of shape {shape}, which is not a layout of hftbacktest")


def _rows(chunk: np.ndarray[Any, Any], first: int, structured: bool) -> Iterator[Row]:
    import numpy as np

    columns = [chunk[name] for name in _FIELDS] if structured else [chunk[:, index] for index in range(_COLUMNS)]
    if structured:
        event, exch, local, price, qty = columns
        side = ((event & _BUY) != 0).astype(np.int8) - ((event & _SELL) != 0).astype(np.int8)
    else:
        # A number that is not an event becomes 0, which is not an event either.
        raw, exch, local, given, price, qty = columns
        event = np.where((raw >= 0) & (raw < 2**32) & (raw == np.floor(raw)), raw, 0).astype(np.uint64)
        side = np.where(np.abs(given) == 1, given, 0).astype(np.int8)
    # A file that hftbacktest has not sorted yet has neither bit: its rows are for both sides.
    received = (((event & _LOCAL) != 0) | ((event & _EXCH) == 0)) & ~(local < 0)
    return map(
        Row._make,
        zip(
            range(first, first + len(chunk)),
            (event & 0xFF).tolist(),
            received.tolist(),
            side.tolist(),
            [None if ts != ts else ts for ts in _seconds(exch).tolist()],
            _seconds(local).tolist(),
            price.tolist(),
            qty.tolist(),
            strict=True,
        ),
    )


def _seconds(stamps: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return nano- or microseconds, told apart by their size, as Unix seconds; NaN for other numbers.

    Nanoseconds are rounded to microseconds as integers, because a double cannot hold present-day nanoseconds.
    """
    import numpy as np

    seconds = np.full(len(stamps), np.nan)
    for per_us in (1_000, 1):
        unit = per_us * 1e6
        fits = (stamps >= EARLIEST_TS * unit) & (stamps <= LATEST_TS * unit)
        seconds[fits] = ((stamps[fits] + per_us // 2) // per_us) / 1e6
    return seconds


@dataclass(slots=True)
class _Message:
    """The rows of one message so far."""

    key: tuple[bool, float, float | None]
    """Whether it is a snapshot, its receive time and its exchange time."""
    row: int
    bids: dict[float, float] = field(default_factory=dict)
    asks: dict[float, float] = field(default_factory=dict)
    complete: bool = True
    rejects: list[Rejected] = field(default_factory=list)
    """Rejects of rows between its own; they are yielded after the record, which began before them."""


class _RecordBuilder:
    """Groups rows into records; keeps the state that the next row needs."""

    def __init__(self, symbol: str) -> None:
        self._symbol = symbol
        self._open: _Message | None = None
        self._id: int | None = None
        self._lost = False
        """Whether a change of the book was lost since the last record."""

    def rows(self, rows: Iterator[Row]) -> Iterator[Imported | Rejected]:
        for row in rows:
            reject = _reject_of(row)
            if reject is not None:
                yield from self._hold(row, reject)
            elif row.event == _TRADE:
                yield from self.flush()
                yield Imported("trades", self._trade(row), row.number)
            else:
                key = (row.event != _DEPTH, row.local_ts, row.exch_ts)
                if self._open is None or self._open.key != key or self._clears_again(self._open, row):
                    yield from self.flush()
                    self._open = _Message(key, row.number)
                self._level(self._open, row)

    def flush(self) -> Iterator[Imported | Rejected]:
        """Yield the open message, if any."""
        message, self._open = self._open, None
        if message is None:
            return
        snapshot, local_ts, _ = message.key
        self._lost |= not message.complete
        if snapshot and not (message.complete and message.bids and message.asks):
            self._lost = True
            yield Rejected(message.row, "incomplete_snapshot", "ev", f"snapshot received at {local_ts:.6f}", False)
        else:
            yield Imported("book", self._record(message), message.row)
        yield from message.rejects

    def _hold(self, row: Row, reject: Rejected) -> Iterator[Rejected | Imported]:
        """Hold a reject until the open message is complete; yield it at once if none is open."""
        if reject.damaged and row.event in (_DEPTH, _CLEAR, _SNAPSHOT):
            if self._open is not None and self._open.key[1] == row.local_ts:
                self._open.complete = False
            else:
                yield from self.flush()  # before `_lost` is set, because the loss comes after this message
                self._lost = True
        if self._open is None:
            yield reject
            return
        self._open.rejects.append(reject)
        if len(self._open.rejects) >= ROWS:
            yield from self.flush()

    @staticmethod
    def _clears_again(message: _Message, row: Row) -> bool:
        """Return whether the row clears a side that is already filled: it begins a second snapshot of the same time."""
        if row.event != _CLEAR:
            return False
        filled = [
            levels for levels, side in ((message.bids, 1), (message.asks, -1)) if levels and row.side in (0, side)
        ]
        return bool(filled)

    def _level(self, message: _Message, row: Row) -> None:
        if row.event == _CLEAR:
            return
        if len(message.bids) + len(message.asks) >= MAX_LEVELS:
            message.complete = False
            return
        levels = message.bids if row.side > 0 else message.asks
        levels[row.price] = row.qty

    def _record(self, message: _Message) -> dict[str, Any]:
        snapshot, local_ts, exch_ts = message.key
        before = round(local_ts * 1e6) - 1 if self._id is None else self._id
        update_id = self._id = before + 1 + self._lost
        self._lost = False
        return {
            "ts": local_ts,
            "ts_exchange": exch_ts,
            "symbol": self._symbol,
            "type": "snapshot" if snapshot else "delta",
            "first_update_id": None if snapshot else update_id,
            "update_id": update_id,
            "bids": [[price, message.bids[price]] for price in sorted(message.bids, reverse=True)],
            "asks": [[price, message.asks[price]] for price in sorted(message.asks)],
            **({"origin": "pushed"} if snapshot else {}),
        }

    def _trade(self, row: Row) -> dict[str, Any]:
        return {
            "ts": row.local_ts,
            "ts_exchange": row.exch_ts,
            "symbol": self._symbol,
            "price": row.price,
            "qty": row.qty,
            "side": "buy" if row.side > 0 else "sell",
        }


def _reject_of(row: Row) -> Rejected | None:
    """Return the reject of a row that cannot be used; None for any other row."""
    if not row.received:
        return _reject(row, "exchange_only", "local_ts", damaged=False)
    if row.event == _BBO or row.event in _BY_ORDER:
        return _reject(row, "no_feed", "ev", damaged=False)
    if row.event not in (_DEPTH, _TRADE, _CLEAR, _SNAPSHOT):
        return _reject(row, "unknown_event", "ev")
    if row.local_ts != row.local_ts:
        return _reject(row, "bad_value", "local_ts")
    if row.event == _CLEAR:
        return None
    if row.side == 0:
        return _reject(row, "no_side", "ev")
    if not 0 < row.price < math.inf:
        return _reject(row, "bad_value", "px")
    if not 0 <= row.qty < math.inf or (row.event == _TRADE and row.qty == 0):
        return _reject(row, "bad_value", "qty")
    return None


def _reject(row: Row, reason: str, name: str, *, damaged: bool = True) -> Rejected:
    text = f"event {row.event}, side {row.side}, time {row.local_ts}, price {row.price}, quantity {row.qty}"
    return Rejected(row.number, reason, name, text, damaged)
