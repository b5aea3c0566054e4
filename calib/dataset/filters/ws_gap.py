"""Too long a silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl


@dataclass(frozen=True, slots=True)
class WsGap:
    """Drops a row with a silence of more than ``max_gap_s``: the bot did not see the market.

    Parameters
    ----------
    max_gap_s
        Longest silence that is kept, s. A row without ticks has no silence and passes.
    """

    max_gap_s: float
    reason: ClassVar[str] = "ws_gap"

    @property
    def limit(self) -> float:
        return self.max_gap_s

    def drops(self) -> pl.Expr:
        return (pl.col("max_gap_s") > self.max_gap_s).fill_null(value=False)
