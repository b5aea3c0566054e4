"""Too long a gap."""

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
    """Drops a row with a gap of more than ``max_gap_s``: the bot did not receive market data.

    Parameters
    ----------
    max_gap_s
        Longest gap that is kept, s. A row without ticks has no gap and is kept.
    """

    max_gap_s: float
    reason: ClassVar[str] = "ws_gap"
    setting: ClassVar[Setting | None] = Setting(
        "aggregate.max_gap_sec", "float", 60.0, "Filter ws_gap: longest gap of an interval, s", 0
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
