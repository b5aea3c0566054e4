"""Sums that do not depend on how the rows are partitioned, ordered or distributed over threads.

A streaming engine adds partial sums in the order in which its threads finish, so the last bits differ from run to run.
Here each group is summed as a whole and rounded once (Shewchuk's algorithm, as in `math.fsum`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import polars as pl

_DOWN, _UP = 2.0**-64, 2.0**64


def exact_sum(values: Sequence[float]) -> float:
    """Return the exact sum of the values, rounded once.

    Infinite if the sum overflows or a value is infinite; NaN if a value is NaN or both infinities occur.

    >>> exact_sum([1e100, 1.0, -1e100]), exact_sum([]), exact_sum([1e308, 1e308, -1e308])
    (1.0, 0.0, 1e+308)
    >>> exact_sum([1e308, 1e308]), exact_sum([float("inf"), -float("inf")])
    (inf, nan)
    """
    try:
        return math.fsum(values)
    except ValueError:
        return math.nan
    except OverflowError:  # an intermediate sum overflowed; the result may still be finite
        if infinite := [value for value in values if not math.isfinite(value)]:
            return sum(infinite)
        # Scaled by 2**-64, the sum of up to 2**64 values cannot overflow.
        return math.fsum(value * _DOWN for value in values) * _UP


def sum_lists(table: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Replace each of these list columns by its exact sums.

    The sum of an empty list is null, not 0: no value was observed.
    """
    return table.with_columns(
        pl.Series(name, [exact_sum(values) if values else None for values in table[name].to_list()], dtype=pl.Float64)
        for name in names
    )
