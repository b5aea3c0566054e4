"""NaN or infinite values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from calib.config import Setting
from calib.dataset.columns import NUMBERS

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

    def drops(self) -> pl.Expr:
        import polars as pl

        not_finite = [pl.col(column.name).is_finite().not_().fill_null(value=False) for column in NUMBERS]
        return pl.any_horizontal(not_finite)
