"""Intervals as packed records, as the kernel returns them, read without polars."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from calib.dataset.columns import NUMBERS

RECORD: Final = struct.Struct(f"<qIIqqq{len(NUMBERS)}d")
"""Interval index, symbol, null bits, ticks, fills, quotes, then the numbers; see ``struct interval`` of the kernel."""
INDEX_AT, SYMBOL_AT, NULLS_AT, TICKS_AT, FILLS_AT, QUOTES_AT, NUMBERS_AT = range(7)
"""Position of each of these in an unpacked record."""
_PLACES: Final = {column.name: NUMBERS_AT + n for n, column in enumerate(NUMBERS)}


def place_of(name: str) -> int:
    """Return the position of a target or feature in an unpacked record."""
    return _PLACES[name]


@dataclass(frozen=True, slots=True)
class IntervalTable:
    """Intervals sorted by (symbol, start).

    Parameters
    ----------
    names
        The symbols, sorted; the symbol of a record is an index of this sequence.
    records
        The concatenated records. A missing number is NaN, and its null bit is set.
    interval_sec
        Length of an interval, s.
    """

    names: Sequence[str]
    records: bytes
    interval_sec: int

    def __len__(self) -> int:
        return len(self.records) // RECORD.size

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Iterate over the unpacked records."""
        return RECORD.iter_unpack(self.records)

    def symbols(self) -> list[str]:
        """Return the symbols that have a record, sorted."""
        return [self.names[n] for n in sorted({row[SYMBOL_AT] for row in self.rows()})]

    def known(self, name: str) -> bool:
        """Whether any record has a finite value of this target or feature."""
        place = place_of(name)
        return any(math.isfinite(row[place]) for row in self.rows())
