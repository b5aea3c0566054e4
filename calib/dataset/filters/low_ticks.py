"""Too few ticks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl


@dataclass(frozen=True, slots=True)
class LowTicks:
    """Drops a row with fewer than ``min_ticks`` tick lines: its quantiles and rates would be guesses.

    Parameters
    ----------
    min_ticks
        Fewest tick lines of a row that is kept; sampled lines count one each.
    """

    min_ticks: int
    reason: ClassVar[str] = "low_ticks"

    @property
    def limit(self) -> int:
        return self.min_ticks

    def drops(self) -> pl.Expr:
        return pl.col("ticks") < self.min_ticks
