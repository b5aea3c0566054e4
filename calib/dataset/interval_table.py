"""Intervals as the kernel gives them: packed records, and their columns without polars."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from calib.dataset.columns import NUMBERS

if TYPE_CHECKING:
    import polars as pl

RECORD: Final = struct.Struct(f"<qIIqqq{len(NUMBERS)}d")
"""Interval index, symbol, nulls, ticks, fills, quotes, then the numbers; see ``struct interval`` of the kernel."""
INDEX_AT, SYMBOL_AT, NULLS_AT, TICKS_AT, FILLS_AT, QUOTES_AT, NUMBERS_AT = range(7)
"""Where each stands in an unpacked record."""
_PLACES: Final = {column.name: NUMBERS_AT + n for n, column in enumerate(NUMBERS)}


def place_of(name: str) -> int:
    """Where a target or feature stands in an unpacked record."""
    return _PLACES[name]


@dataclass(frozen=True, slots=True)
class IntervalTable:
    """Intervals sorted by (symbol, start).

    Parameters
    ----------
    names
        The symbols, sorted; a record's symbol is a position in it.
    records
        One after the other; a number that is missing is NaN, and its bit of the nulls is set.
    interval_sec
        Length of an interval, s.
    """

    names: Sequence[str]
    records: bytes
    interval_sec: int

    def __len__(self) -> int:
        return len(self.records) // RECORD.size

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Each record unpacked."""
        return RECORD.iter_unpack(self.records)

    def symbols(self) -> list[str]:
        """The symbols that have a record, sorted."""
        return [self.names[n] for n in sorted({row[SYMBOL_AT] for row in self.rows()})]

    def known(self, name: str) -> bool:
        """Whether any record has a finite value of this target or feature."""
        place = place_of(name)
        return any(math.isfinite(row[place]) for row in self.rows())

    def frame(self) -> pl.DataFrame:
        """The same as a frame with the columns of `calib.dataset.model.INTERVALS`; a number may be NaN or infinite."""
        import numpy as np
        import polars as pl

        from calib.dataset.model import INTERVALS

        kinds = [("index", "i8"), ("symbol", "u4"), ("nulls", "u4"), *((name, "i8") for name in _COUNTS)]
        found = np.frombuffer(self.records, np.dtype([*kinds, *((column.name, "f8") for column in NUMBERS)]))
        names = pl.Series(self.names, dtype=pl.String())
        columns: dict[str, Any] = {
            "symbol": names.gather(found["symbol"]),
            "start_ts": found["index"] * self.interval_sec,
            "end_ts": (found["index"] + 1) * self.interval_sec,
            **{name: found[name].copy() for name in _COUNTS},
        }
        for n, column in enumerate(NUMBERS):
            values = pl.Series(column.name, found[column.name].copy())
            missing = (found["nulls"] >> n) & 1 == 1
            columns[column.name] = values.set(pl.Series(missing), None) if missing.any() else values
        return pl.DataFrame(columns, schema=INTERVALS)


_COUNTS: Final = ("ticks", "fills", "quotes")
