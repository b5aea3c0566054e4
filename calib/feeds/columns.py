"""Packed columns as polars columns, and the polars schema of each feed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

import numpy as np
import polars as pl

from calib.feeds.packing import NULL_FLAG, Packed, is_stage
from calib.feeds.schema import FEEDS, Type
from calib.feeds.types import columns_of

_DTYPES: Final[dict[Type, pl.DataType]] = {
    Type.STRING: pl.String(),
    Type.NUMBER: pl.Float64(),
    Type.INTEGER: pl.Int64(),
    Type.BOOLEAN: pl.Boolean(),
}
_NUMPY: Final = {Type.NUMBER: "f8", Type.INTEGER: "i8", Type.BOOLEAN: "i1"}
_Array = np.ndarray[Any, np.dtype[Any]]


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


def numbers(packed: Packed, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """A number column of one chunk; NaN is null."""
    if _is_joined(packed, name):
        return np.frombuffer(packed.records, _record_dtype(packed.layout))[name]
    column = packed.columns[name]
    return np.full(packed.used, np.nan) if column.values is None else np.frombuffer(column.values, np.float64)


def strings(packed: Packed, name: str) -> list[str | None]:
    """A string column of one chunk."""
    column = packed.columns[name]
    if column.values is None:
        return [None] * packed.used
    return column.values if column.extra is None else [column.extra[code] for code in column.values]


def frame(parts: Sequence[Packed], kind: str, names: Sequence[str]) -> pl.DataFrame:
    """These columns of several chunks, each with a row at least, as polars holds them; nulls are nulls."""
    return pl.DataFrame([_series(parts, name, dtype) for name, dtype in schema(kind, names).items()])


def _series(parts: Sequence[Packed], name: str, dtype: pl.DataType) -> pl.Series:
    """Only plain methods of series here: expressions, even small ones, wake polars' threads."""
    if dtype == pl.String:
        return _strings(parts, name)
    if dtype == pl.Float64:
        nullable = not all(_is_joined(part, name) for part in parts)
        return pl.Series(name, np.concatenate([numbers(part, name) for part in parts]), nan_to_null=nullable)
    values, nulls = (
        np.concatenate(pieces) for pieces in zip(*(_whole(part, name, dtype) for part in parts), strict=True)
    )
    found = pl.Series(name, values, dtype=dtype)
    return found.set(pl.Series(nulls), None) if nulls.any() else found


def _whole(part: Packed, name: str, dtype: pl.DataType) -> tuple[_Array, _Array]:
    """Integers or booleans of one chunk, and which of them are null."""
    filled = np.zeros(part.used, bool)
    if _is_joined(part, name):
        values = np.frombuffer(part.records, _record_dtype(part.layout))[name]
        return (values.astype(bool) if dtype == pl.Boolean else values), filled
    column = part.columns[name]
    if column.values is None:
        return np.zeros(part.used, bool if dtype == pl.Boolean else np.int64), ~filled
    if dtype == pl.Boolean:
        flags = np.frombuffer(column.values, np.uint8)
        return flags == 1, flags == NULL_FLAG
    nulls = filled if column.extra is None else np.frombuffer(column.extra, np.uint8).astype(bool)
    return np.frombuffer(column.values, np.int64), nulls


def _strings(parts: Sequence[Packed], name: str) -> pl.Series:
    if any(part.columns[name].extra is None for part in parts):
        return pl.Series(name, list(chain.from_iterable(strings(part, name) for part in parts)), dtype=pl.String())
    table: dict[str | None, int] = {}
    codes = []
    for part in parts:
        column = part.columns[name]
        places = np.array([table.setdefault(text, len(table)) for text in column.extra], np.uint32)
        codes.append(places[np.frombuffer(column.values, np.uint32)])
    return pl.Series(name, list(table), dtype=pl.String())[pl.Series(np.concatenate(codes))]


def _is_joined(packed: Packed, name: str) -> bool:
    return name not in packed.columns


@cache
def _record_dtype(layout: tuple[tuple[str, Type], ...]) -> np.dtype[np.void]:
    return np.dtype([(name, _NUMPY[type_]) for name, type_ in layout])
