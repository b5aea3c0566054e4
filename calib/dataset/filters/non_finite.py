"""NaN or infinite values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from calib.config import Setting
from calib.dataset.columns import NUMBERS
from calib.dataset.filters.base import PlainFilter
from calib.dataset.interval_table import NULLS_AT, NUMBERS_AT

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class NonFinite:
    """Drops a row in which any number is NaN or infinite, which is the result of an overflow."""

    reason: ClassVar[str] = "non_finite"
    setting: ClassVar[Setting | None] = None

    @property
    def limit(self) -> bool:
        return True

    def plain(self) -> PlainFilter:
        return PlainFilter(self.reason, _broken)

    def drops(self) -> pl.Expr:
        import polars as pl

        not_finite = [pl.col(column.name).is_finite().not_().fill_null(value=False) for column in NUMBERS]
        return pl.any_horizontal(not_finite)


def _broken(row: tuple[Any, ...]) -> bool:
    """Whether a number is NaN or infinite; one that is missing is NaN too, with its bit set."""
    if math.isfinite(sum(row[NUMBERS_AT:])):
        return False  # then all are; a sum that overflowed only costs the closer look
    missing = row[NULLS_AT]
    return any(not (math.isfinite(value) or missing >> n & 1) for n, value in enumerate(row[NUMBERS_AT:]))
