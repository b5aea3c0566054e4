"""Apply a list of filters; every filter checks every row, so that all reasons are recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import polars as pl

from calib.dataset.columns import NUMBERS
from calib.dataset.model import DROPPED, INTERVALS

if TYPE_CHECKING:
    from calib.dataset.filters.base import Filter


def apply_filters(rows: pl.DataFrame, filters: Sequence[Filter]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Split rows into those kept and those dropped.

    Parameters
    ----------
    rows
        Rows with the columns `INTERVALS`; a number may be NaN or infinite.
    filters
        The filters that are on, in the order in which reasons are recorded.

    Returns
    -------
    tuple[polars.DataFrame, polars.DataFrame]
        The kept rows (`INTERVALS`; a number that is not finite is null) and the dropped ones with all their reasons
        (`DROPPED`), both in the order of ``rows``.
    """
    reasons = pl.concat_list(
        [pl.lit(None, pl.String), *(pl.when(rule.drops()).then(pl.lit(rule.reason)) for rule in filters)]
    ).list.drop_nulls()
    checked = rows.with_columns(reasons.alias("reasons"))
    fails = pl.col("reasons").list.len() > 0
    finite = [pl.when(pl.col(column.name).is_finite()).then(pl.col(column.name)) for column in NUMBERS]
    kept = checked.filter(~fails).with_columns(finite).select(INTERVALS.names())
    return kept, checked.filter(fails).select(DROPPED.names())
