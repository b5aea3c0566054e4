"""Packed columns as polars columns, and the polars schema of each feed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl

from calib.feeds.packing import Column, is_stage
from calib.feeds.schema import FEEDS, Type
from calib.feeds.types import columns_of

_DTYPES: Final[dict[Type, pl.DataType]] = {
    Type.STRING: pl.String(),
    Type.NUMBER: pl.Float64(),
    Type.INTEGER: pl.Int64(),
    Type.BOOLEAN: pl.Boolean(),
}


def schema(kind: str, columns: Sequence[str] | None = None) -> dict[str, pl.DataType]:
    """The polars schema of a feed's columns, in the order given; by default of every flat field.

    >>> schema("pipeline_ticks", ["symbol", "stage_latencies.fetch_md"])
    {'symbol': String, 'stage_latencies.fetch_md': Float64}
    """
    feed = FEEDS[kind]
    return {
        name: _DTYPES[Type.NUMBER if is_stage(kind, name) else feed.field(name).type]
        for name in (columns_of(feed) if columns is None else columns)
    }


def series(name: str, column: Column, length: int) -> pl.Series:
    """The column as polars holds it; nulls are nulls.

    Only plain methods of series here: expressions, even small ones, wake polars' threads for every chunk.
    """
    dtype = _DTYPES[column.type]
    if column.values is None:
        return pl.Series(name, [None], dtype=dtype).new_from_index(0, length)
    match column.type:
        case Type.NUMBER:
            return pl.Series(name, np.frombuffer(column.values, dtype=np.float64), nan_to_null=True)
        case Type.INTEGER:
            values = pl.Series(name, np.frombuffer(column.values, dtype=np.int64))
            if column.extra is None:
                return values
            return values.set(pl.Series(np.frombuffer(column.extra, dtype=np.uint8).astype(bool)), None)
        case Type.BOOLEAN:
            flags = np.frombuffer(column.values, dtype=np.uint8)
            values = pl.Series(name, flags == 1)
            return values.set(pl.Series(flags == 2), None) if (flags == 2).any() else values
        case _:
            if column.extra is None:
                return pl.Series(name, column.values, dtype=dtype)
            codes = pl.Series(np.frombuffer(column.values, dtype=np.uint32))
            return pl.Series(name, column.extra, dtype=dtype)[codes]
