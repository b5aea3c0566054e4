"""The interval grid: Unix time divided into intervals of equal length from the epoch on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from calib.errors import BadRange

if TYPE_CHECKING:
    import polars as pl

DAY_S: Final = 86_400
_YEAR_10000: Final = 253_402_300_800

ALLOWED_LATENESS_S: Final = 900.0
"""How far behind its symbol's watermark a line may come and still meet its interval open, s."""
INDEX: Final = "index"
"""Column with the index of an interval on the grid."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Intervals ``[k * interval_sec, (k + 1) * interval_sec)`` for integer k.

    Parameters
    ----------
    interval_sec
        Length of an interval, s, at least 1.

    >>> Grid(300).index(1735689899.999999), Grid(300).index(1735689900.0)
    (5785632, 5785633)
    """

    interval_sec: int

    def __post_init__(self) -> None:
        if self.interval_sec < 1:
            raise ValueError(f"interval_sec is {self.interval_sec}; it must be at least 1")

    @property
    def divides_a_day(self) -> bool:
        """Whether every UTC midnight is a boundary of intervals."""
        return DAY_S % self.interval_sec == 0

    def index(self, ts: float) -> int:
        """Return the index of the interval that contains ``ts``.

        Whole seconds are divided as integers: a rounded division could move a line across a boundary.
        """
        return math.floor(ts) // self.interval_sec

    def index_of(self, ts: str = "ts") -> pl.Expr:
        """Return `index` as an expression over a column of Unix seconds."""
        import polars as pl

        return (pl.col(ts).floor().cast(pl.Int64) // self.interval_sec).alias(INDEX)

    def widen(self, start: float, end: float) -> Span:
        """Return the smallest span of whole intervals that covers ``[start, end)``.

        Raises
        ------
        BadRange
            If it is empty, or lies outside the years 1970 to 9999.
        """
        if not start < end:
            raise BadRange(
                "the range is empty or ends before it begins", hint="Give --from before --to: the range is [from, to)"
            )
        first = self.index(start) * self.interval_sec
        last = -(-math.ceil(end) // self.interval_sec) * self.interval_sec
        if first < 0 or last >= _YEAR_10000:
            raise BadRange("the range is not within 1970 to 9999", hint="Give --from and --to as dates of the feeds")
        return Span(first, last)


@dataclass(frozen=True, slots=True)
class Span:
    """``[start, end)`` in whole Unix seconds."""

    start: int
    end: int

    def days(self) -> range:
        """Return the UTC days that it overlaps, as days since the epoch."""
        return range(self.start // DAY_S, -(-self.end // DAY_S))
