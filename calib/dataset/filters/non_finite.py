"""Numbers that are none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from calib.dataset.columns import NUMBERS


@dataclass(frozen=True, slots=True)
class NonFinite:
    """Drops a row in which any number is NaN or infinite: something overflowed on the way."""

    reason: ClassVar[str] = "non_finite"

    @property
    def limit(self) -> bool:
        return True

    def drops(self) -> pl.Expr:
        broken = [pl.col(column.name).is_finite().not_().fill_null(value=False) for column in NUMBERS]
        return pl.any_horizontal(broken)
