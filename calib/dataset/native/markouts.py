"""Markouts of packed fills, by what `calib.dataset.markouts` computes them of frames."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import partial

import numpy as np

from calib.dataset.markouts import HORIZONS_S, BookMarkouts, MarkedFills, markouts_of
from calib.dataset.native.file_pass import Markouts
from calib.feeds.reading.days import DayFile
from calib.feeds.reading.native.plans import RecordLayout
from calib.feeds.reading.packing import ColumnPlan

_NUMPY = {"ts": "f8", "ts_exchange": "f8", "mid_now": "f8", "mid_at_quote": "f8"}
_CODES = {"symbol": "u4", "side": "u4", "liquidity": "u4"}


def marking(books: BookMarkouts, file: DayFile, columns: tuple[str, ...]) -> Callable[[], Markouts] | None:
    """Return a factory of the markouts of a day's fills; None if the day has no book."""
    if not books.has_book(file.first_ts):
        return None
    layout = RecordLayout.of(ColumnPlan(file.kind, file.first_ts, columns), [])
    return lambda: partial(_mark, books, file.first_ts, layout)


def _mark(books: BookMarkouts, day: int, layout: RecordLayout, names: list[str], records: bytes) -> array[float]:
    wanted = _NUMPY | _CODES
    form = np.dtype(
        {
            "names": list(wanted),
            "formats": list(wanted.values()),
            "offsets": [layout.offsets[name] for name in wanted],
            "itemsize": len(layout.nulls),
        }
    )
    fills = np.frombuffer(records, form)
    found = np.full((len(fills), len(HORIZONS_S)), np.nan)
    tops = books.tops(day)
    for code in np.unique(fills["symbol"]):
        if (own := tops.get(names[code])) is not None:
            rows = np.flatnonzero(fills["symbol"] == code)
            part = fills[rows]
            ts, ts_exchange, mid_now, mid_at_quote = (part[name].copy() for name in _NUMPY)
            # Codes of the choices, in the order of the table: buy, sell; maker, taker.
            marked = MarkedFills(ts, ts_exchange, mid_now, mid_at_quote, part["side"] == 1, part["liquidity"] == 1)
            for n, values in enumerate(markouts_of(marked, own).values()):
                found[rows, n] = values
    return array("d", found.tobytes())
