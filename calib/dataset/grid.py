"""The interval grid: Unix time cut into equal lengths that start at the epoch."""

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
"""Column that holds an interval's number on the grid."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Intervals ``[k * interval_sec, (k + 1) * interval_sec)``, k whole.

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
        """Whether every midnight is a boundary."""
        return DAY_S % self.interval_sec == 0

    def index(self, ts: float) -> int:
        """Number of the interval that holds ``ts``.

        The whole seconds are divided, as integers, so that no rounding can carry a line over a boundary.
        """
        return math.floor(ts) // self.interval_sec

    def index_of(self, ts: str = "ts") -> pl.Expr:
        """The same as an expression over a column of Unix seconds."""
        import polars as pl

        return (pl.col(ts).floor().cast(pl.Int64) // self.interval_sec).alias(INDEX)

    def widen(self, start: float, end: float) -> Span:
        """The smallest span of whole intervals that covers ``[start, end)``.

        Raises
        ------
        BadRange
            Where it is empty, or lies outside the years 1970 to 9999.
        """
        if not start < end:
            raise BadRange("the range ends before it begins", hint="The range is [from, to)")
        first = self.index(start) * self.interval_sec
        last = -(-math.ceil(end) // self.interval_sec) * self.interval_sec
        if first < 0 or last >= _YEAR_10000:
            raise BadRange("the range leaves the years 1970 to 9999", hint="Give --from and --to as dates of the feeds")
        return Span(first, last)


@dataclass(frozen=True, slots=True)
class Span:
    """``[start, end)`` in whole Unix seconds."""

    start: int
    end: int

    def days(self) -> range:
        """The UTC days that it touches, as days since the epoch."""
        return range(self.start // DAY_S, -(-self.end // DAY_S))
