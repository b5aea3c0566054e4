"""Too long a silence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from calib.config import Setting
from calib.dataset.filters.base import PlainFilter
from calib.dataset.interval_table import place_of

if TYPE_CHECKING:
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
    setting: ClassVar[Setting | None] = Setting(
        "aggregate.max_gap_sec", "float", 60.0, "Filter ws_gap: longest silence of an interval, s", 0
    )

    @property
    def limit(self) -> float:
        return self.max_gap_s

    def plain(self) -> PlainFilter:
        place, limit = place_of("max_gap_s"), self.max_gap_s
        return PlainFilter(self.reason, lambda row: row[place] > limit)

    def drops(self) -> pl.Expr:
        import polars as pl

        return (pl.col("max_gap_s") > self.max_gap_s).fill_null(value=False)
