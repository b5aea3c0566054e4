"""Too few ticks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from calib.config import Setting
from calib.dataset.filters.base import PlainFilter
from calib.dataset.interval_table import TICKS_AT

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class LowTicks:
    """Drops a row with fewer than ``min_ticks`` tick lines: its quantiles and rates are unreliable.

    Parameters
    ----------
    min_ticks
        Fewest tick lines of a row that is kept; a sampled line counts once.
    """

    min_ticks: int
    reason: ClassVar[str] = "low_ticks"
    setting: ClassVar[Setting | None] = Setting(
        "aggregate.min_ticks", "int", 10, "Filter low_ticks: fewest tick lines of an interval", 0
    )

    @property
    def limit(self) -> int:
        return self.min_ticks

    def plain(self) -> PlainFilter:
        limit = self.min_ticks
        return PlainFilter(self.reason, lambda row: row[TICKS_AT] < limit)

    def drops(self) -> pl.Expr:
        import polars as pl

        return pl.col("ticks") < self.min_ticks
