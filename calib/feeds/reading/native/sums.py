"""The sums of one kind of feed in the kernel: records go into groups, closed groups come out as rows."""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from calib.feeds.contracts import Contracts
from calib.feeds.reading.native.plans import NO_COLUMN, RecordLayout

ROW_BYTES: Final = 112
"""Of ``struct sums_row``."""
BATCH: Final = 64
"""Groups that are folded at a time."""
FOREVER: Final = 2**63 - 1
TICK_COLUMNS: Final = (
    *("ts", "symbol", "tick_total_ms", "stage_latencies.fetch_md", "cache_age_ms", "mid", "ws_gap_ms"),
    *("sample_rate", "n_quotes", "cache_hit", "deadline_miss", "used_stale"),
)
"""The columns that the kernel sums, in the order of ``struct tick_columns``."""
FILL_COLUMNS: Final = (
    *("ts", "symbol", "price", "qty", "quote_price", "mid_at_quote", "mid_now", "slip_bps", "fee_bps"),
    *("side", "liquidity", "trade_id", "order_id", "quote_id"),
)
"""The same for fills, ``struct fill_columns``."""


class Settlement(ctypes.Structure):
    """A chunk's records on their way into the groups, see ``struct settlement``."""

    _fields_ = (
        ("records", ctypes.c_void_p),
        ("lines", ctypes.c_void_p),
        ("places", ctypes.c_void_p),
        ("content", ctypes.c_void_p),
        ("other", ctypes.c_void_p),
        ("codes", ctypes.c_void_p),
        ("markouts", ctypes.c_void_p),
        ("repeated", ctypes.c_void_p),
        ("count", ctypes.c_uint64),
        ("last_line", ctypes.c_uint64),
        ("used", ctypes.c_uint64),
        ("repeated_count", ctypes.c_uint64),
        ("conflicts", ctypes.c_uint64),
        ("steps_back", ctypes.c_uint64),
        ("first", ctypes.c_double),
        ("last", ctypes.c_double),
        ("least", ctypes.c_double),
        ("largest", ctypes.c_double),
    )


class _Late(ctypes.Structure):
    _fields_ = (("index", ctypes.c_int64), ("symbol", ctypes.c_uint32), ("lines", ctypes.c_uint32))


@dataclass(frozen=True, slots=True)
class SumsOptions:
    """How lines are summed.

    Parameters
    ----------
    kind
        ``fills`` or ``pipeline_ticks``.
    interval_sec
        Length of an interval, s.
    start, end
        Lines in [start, end), Unix seconds, are summed.
    symbols
        Only these; empty for all.
    allowance_s
        How far behind its symbol a line may come and still find its interval open, s.
    tick_sample_rate, maker_fee_bps, taker_fee_bps, contracts
        As `calib.dataset.ticks.TickAggregator` and `calib.dataset.fills.FillAggregator` have them.
    """

    kind: str
    interval_sec: int
    start: int
    end: int
    symbols: tuple[str, ...]
    allowance_s: float
    tick_sample_rate: int
    maker_fee_bps: float
    taker_fee_bps: float
    contracts: Contracts

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the kernel sums."""
        return FILL_COLUMNS if self.kind == "fills" else TICK_COLUMNS


class NativeSums:
    """The groups of one kind of feed. One thread at a time may call it, but for what `closed` gives."""

    def __init__(self, library: Any, options: SumsOptions, layout: RecordLayout) -> None:
        self._library, self.options, self.layout = library, options, layout
        columns = [_column(layout, name) for name in options.columns]
        given = (ctypes.c_uint32 * len(columns))(*columns)
        secret = os.urandom(16)
        self._sums: int = library.sums_new(
            options.kind == "fills",
            *(options.interval_sec, options.start, options.end, options.allowance_s, options.tick_sample_rate),
            *(options.maker_fee_bps, options.taker_fee_bps),
            given,
            *(len(layout.nulls), len(layout.placed)),
            secret,
        )
        if not self._sums:
            raise MemoryError
        self._end = weakref.finalize(self, library.sums_free, self._sums)
        self._symbols: dict[str, int] = {}

    @property
    def names(self) -> list[str]:
        """Symbols by their number here."""
        return list(self._symbols)

    @property
    def seen(self) -> set[str]:
        """The symbols of all used lines, whatever range and symbols were asked for."""
        return {name for name, number in self._symbols.items() if self._library.sums_seen(self._sums, number)}

    def symbol(self, name: str) -> int:
        """Its number, the same each time."""
        number = self._symbols.get(name)
        if number is None:
            number = self._symbols[name] = len(self._symbols)
            contract = self.options.contracts.get(name)
            form = 0 if contract is None else 2 if contract.inverse else 1
            wanted = not self.options.symbols or name in self.options.symbols
            multiplier = 1.0 if contract is None else float(contract.multiplier)
            self._must(self._library.sums_symbol(self._sums, wanted, form, multiplier))
        return number

    def only(self, groups: Sequence[tuple[str, int]]) -> None:
        """Sum nothing but these (symbol, interval); they stay open until `close_all`."""
        for name, index in groups:
            self._must(self._library.sums_only(self._sums, self.symbol(name), index))

    def begin_file(self) -> None:
        """From here on another file: its fills' ids are its own."""
        self._library.sums_begin_file(self._sums)

    def settle(self, settlement: Settlement) -> None:
        """Take a chunk's records; what it counted stands in the settlement."""
        self._must(self._library.sums_settle(self._sums, ctypes.addressof(settlement)))

    def close_before(self, ts: int) -> None:
        """No later line is before ``ts``, Unix seconds."""
        self._library.sums_close_before(self._sums, ts // self.options.interval_sec)

    def close_all(self) -> None:
        """No line comes any more."""
        self._library.sums_close_before(self._sums, FOREVER)

    def late(self) -> dict[tuple[str, int], int]:
        """Lines since the last call whose (symbol, interval) was closed too early."""
        names, found = self.names, dict[tuple[str, int], int]()
        room = (_Late * 1024)()
        while count := self._library.sums_late(self._sums, ctypes.addressof(room), len(room)):
            for entry in room[:count]:
                key = names[entry.symbol], entry.index
                found[key] = found.get(key, 0) + entry.lines
        return found

    def closed(self) -> list[Callable[[], bytes]]:
        """Work that gives the rows of the closed groups, `ROW_BYTES` each; to be done once, by any thread."""
        found: list[Callable[[], bytes]] = []
        while self._library.sums_closed(self._sums):
            groups = (ctypes.c_void_p * BATCH)()
            count = self._library.sums_take(self._sums, ctypes.addressof(groups), BATCH)
            found.append(_Fold(self, groups, count))
        return found

    def fold(self, groups: Any, count: int) -> bytes:
        """The rows of groups that were taken."""
        rows = ctypes.create_string_buffer(ROW_BYTES * count)
        self._must(self._library.sums_fold(self._sums, ctypes.addressof(groups), count, ctypes.addressof(rows)))
        return rows.raw

    def _must(self, failed: int) -> None:
        if failed:
            raise MemoryError


@dataclass(frozen=True, slots=True)
class _Fold:
    sums: NativeSums
    groups: Any
    count: int

    def __call__(self) -> bytes:
        return self.sums.fold(self.groups, self.count)


def _column(layout: RecordLayout, name: str) -> int:
    return layout.placed.index(name) if name in layout.placed else layout.offsets.get(name, NO_COLUMN)


def join_rows(library: Any, parts: Sequence[tuple[bytearray, Mapping[str, int]]]) -> tuple[list[str], bytes]:
    """The rows of ticks and fills as intervals, sorted by (symbol, interval).

    Parameters
    ----------
    parts
        Of ticks and of fills: rows, and the number of each symbol in them.

    Returns
    -------
    tuple
        The names that an interval's symbol is a position in, sorted; the intervals, see ``struct interval``.
    """
    names = sorted({name for _, symbols in parts for name in symbols})
    place = {name: rank for rank, name in enumerate(names)}
    sizes = []
    copies = [bytearray(rows) for rows, _ in parts]
    for rows, (_, symbols) in zip(copies, parts, strict=True):
        ranks = (ctypes.c_uint32 * (len(symbols) + 1))(*(place[name] for name in symbols))
        sizes.append(len(rows) // ROW_BYTES)
        library.rows_sort(_address(rows), sizes[-1], ranks)
    made = ctypes.create_string_buffer(INTERVAL_BYTES * sum(sizes) + 1)
    (ticks, fills), address = copies, ctypes.addressof(made)
    count = library.rows_join(_address(ticks), sizes[0], _address(fills), sizes[1], address)
    return names, ctypes.string_at(address, count * INTERVAL_BYTES)


INTERVAL_BYTES: Final = 208
"""Of ``struct interval``."""


def _address(rows: bytearray) -> int | None:
    return ctypes.addressof(ctypes.c_char.from_buffer(rows)) if rows else None
