"""Too many late ticks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from calib.config import Setting
from calib.dataset.filters.base import PlainFilter
from calib.dataset.interval_table import place_of

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class DeadlineMiss:
    """Drops a row whose share of late ticks is above ``max_rate``: the bot was too slow for normal operation.

    Parameters
    ----------
    max_rate
        Largest share that is kept, 0 to 1. A row without ticks has no share and is kept.
    """

    max_rate: float
    reason: ClassVar[str] = "deadline_miss"
    setting: ClassVar[Setting | None] = Setting(
        "aggregate.max_deadline_miss_rate", "float", 0.05, "Filter deadline_miss: largest share of late ticks", 0, 1
    )

    @property
    def limit(self) -> float:
        return self.max_rate

    def plain(self) -> PlainFilter:
        place, limit = place_of("deadline_miss_rate"), self.max_rate
        return PlainFilter(self.reason, lambda row: row[place] > limit)

    def drops(self) -> pl.Expr:
        import polars as pl

        return (pl.col("deadline_miss_rate") > self.max_rate).fill_null(value=False)
