"""Sums that do not depend on how the rows were cut, ordered or spread over threads.

A streaming engine adds partial sums in the order in which its threads finish, and so differs in the last bits from run
to run. Here each group is summed once, as a whole, and rounded once (Shewchuk's algorithm, as in `math.fsum`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

_DOWN, _UP = 2.0**-64, 2.0**64


def exact_sum(values: Sequence[float]) -> float:
    """The sum of the values as if computed without rounding, then rounded once.

    Infinite where it leaves the doubles or a value is infinite; NaN where a value is, or where both infinities meet.

    >>> exact_sum([1e100, 1.0, -1e100]), exact_sum([]), exact_sum([1e308, 1e308, -1e308])
    (1.0, 0.0, 1e+308)
    >>> exact_sum([1e308, 1e308]), exact_sum([float("inf"), -float("inf")])
    (inf, nan)
    """
    try:
        return math.fsum(values)
    except ValueError:
        return math.nan
    except OverflowError:  # on the way, perhaps not in the end
        if endless := [value for value in values if not math.isfinite(value)]:
            return sum(endless)
        # Scaled down there is room for 2**64 values.
        return math.fsum(value * _DOWN for value in values) * _UP


def sum_lists(table: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Each of these list columns replaced by its exact sums; null where a list is empty.

    An empty sum is "nothing was seen", never 0.
    """
    return table.with_columns(
        pl.Series(name, [exact_sum(values) if values else None for values in table[name].to_list()], dtype=pl.Float64)
        for name in names
    )
