"""Too many late ticks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl


@dataclass(frozen=True, slots=True)
class DeadlineMiss:
    """Drops a row whose share of late ticks is above ``max_rate``: the bot was not itself.

    Parameters
    ----------
    max_rate
        Largest share that is kept, 0 to 1. A row without ticks has no share and passes.
    """

    max_rate: float
    reason: ClassVar[str] = "deadline_miss"

    @property
    def limit(self) -> float:
        return self.max_rate

    def drops(self) -> pl.Expr:
        return (pl.col("deadline_miss_rate") > self.max_rate).fill_null(value=False)
