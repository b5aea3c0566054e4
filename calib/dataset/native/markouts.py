"""Markouts of packed fills, by what `calib.dataset.markouts` computes them of frames."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Callable
from functools import partial

from calib.dataset.markouts import HORIZONS_S, BookMarkouts, MarkedFill
from calib.dataset.native.file_pass import Markouts
from calib.feeds.reading.days import DayFile
from calib.feeds.reading.native.plans import RecordLayout
from calib.feeds.reading.packing import ColumnPlan

_FIELDS = {"ts": "d", "ts_exchange": "d", "mid_now": "d", "mid_at_quote": "d"}
_CODES = {"symbol": "I", "side": "I", "liquidity": "I"}
# Codes of the choices, in the order of the table: buy, sell; maker, taker.
_BUY = _MAKER = 1


def marking(books: BookMarkouts, file: DayFile, columns: tuple[str, ...]) -> Callable[[], Markouts] | None:
    """Return a factory of the markouts of a day's fills; None if the day has no book."""
    if not books.has_book(file.first_ts):
        return None
    layout = RecordLayout.of(ColumnPlan(file.kind, file.first_ts, columns), [])
    columns_of = [_column(layout, name, form) for name, form in (_CODES | _FIELDS).items()]
    return lambda: partial(_mark, books, file.first_ts, columns_of)


def _column(layout: RecordLayout, name: str, form: str) -> struct.Struct:
    """Gives one column of records."""
    before = layout.offsets[name]
    after = len(layout.nulls) - before - struct.calcsize(f"={form}")
    return struct.Struct(f"={before}x{form}{after}x")


def _mark(
    books: BookMarkouts, day: int, columns_of: list[struct.Struct], names: list[str], records: bytes
) -> array[float]:
    by_symbol = books.by_symbol(day)
    of_code = [by_symbol.get(name) for name in names]
    unknown = [math.nan] * len(HORIZONS_S)
    found = array("d")
    columns = ([value for (value,) in column.iter_unpack(records)] for column in columns_of)
    for symbol, side, liquidity, *numbers in zip(*columns, strict=True):
        markouts = of_code[symbol] if liquidity == _MAKER else None
        found.extend(unknown if markouts is None else markouts.of(MarkedFill(side == _BUY, *numbers)))
    return found
