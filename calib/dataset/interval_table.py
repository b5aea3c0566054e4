"""Intervals as the kernel gives them: packed records, read without polars."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from calib.dataset.columns import NUMBERS

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
