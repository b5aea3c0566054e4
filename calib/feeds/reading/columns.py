"""Convert packed columns into polars columns, and define the polars schema of each feed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any, Final

import numpy as np
import polars as pl

from calib.feeds.reading.packing import Packed, is_stage
from calib.feeds.schema.records import NULL_FLAG, Codes, Slot
from calib.feeds.schema.table import FEEDS, Type
from calib.feeds.schema.types import columns_of

_DTYPES: Final[dict[Type, pl.DataType]] = {
    Type.STRING: pl.String(),
    Type.NUMBER: pl.Float64(),
    Type.INTEGER: pl.Int64(),
    Type.BOOLEAN: pl.Boolean(),
}
_NUMPY: Final = {Type.NUMBER: "f8", Type.INTEGER: "i8", Type.BOOLEAN: "i1", Type.STRING: "u4"}
_Array = np.ndarray[Any, np.dtype[Any]]

# For the first array that becomes a Series, polars looks up numpy's functions. An exception of a signal in that moment
# would be a panic. Signals wait while a module is imported (`calib.cli.signals`), so the look-up happens here.
pl.Series(np.zeros(1, np.int64))


def schema(kind: str, columns: Sequence[str] | None = None) -> dict[str, pl.DataType]:
    """Return the polars schema of a feed's columns, in the order given; by default of all flat fields.

    >>> schema("pipeline_ticks", ["symbol", "stage_latencies.fetch_md"])
    {'symbol': String, 'stage_latencies.fetch_md': Float64}
    """
    feed = FEEDS[kind]
    return {
        name: _DTYPES[Type.NUMBER if is_stage(kind, name) else feed.field(name).type]
        for name in (columns_of(feed) if columns is None else columns)
    }


def numbers(packed: Packed, name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return a number column of one chunk; NaN is null."""
    return _records(packed)[name]


def strings(packed: Packed, name: str) -> list[str | None]:
    """Return a string column of one chunk."""
    if name in packed.texts:
        return packed.texts[name]
    table = packed.tables[name]
    return [table[code] for code in _records(packed)[name].tolist()]


def frame(parts: Sequence[Packed], kind: str, names: Sequence[str]) -> pl.DataFrame:
    """Return these columns of several non-empty chunks as a polars frame, with nulls as null."""
    records = [_records(part) for part in parts]
    return pl.DataFrame([_series(parts, records, name, dtype) for name, dtype in schema(kind, names).items()])


def _series(parts: Sequence[Packed], records: Sequence[_Array], name: str, dtype: pl.DataType) -> pl.Series:
    """Return one column, with methods of Series only: any expression would start polars' thread pool."""
    if dtype == pl.String:
        return _strings(parts, records, name)
    values = np.concatenate([record[name] for record in records])
    if dtype == pl.Boolean:
        return _with_nulls(pl.Series(name, values == 1), values == NULL_FLAG)
    if dtype == pl.Float64:
        nullable = any(slot.nullable for part in parts for slot in part.slots if slot.name == name)
        return pl.Series(name, values, nan_to_null=nullable)
    null = _null_name(name)
    nulls = [record[null] if null in (record.dtype.names or ()) else np.zeros(len(record)) for record in records]
    return _with_nulls(pl.Series(name, values), np.concatenate(nulls) == 1)


def _with_nulls(values: pl.Series, nulls: np.ndarray[Any, np.dtype[np.bool_]]) -> pl.Series:
    return values.set(pl.Series(nulls), None) if nulls.any() else values


def _strings(parts: Sequence[Packed], records: Sequence[_Array], name: str) -> pl.Series:
    if any(name in part.texts for part in parts):
        return pl.Series(name, list(chain.from_iterable(strings(part, name) for part in parts)), dtype=pl.String())
    codes = Codes()
    codes_of_parts = [np.array([codes[text] for text in part.tables[name]], np.uint32) for part in parts]
    coded = np.concatenate(
        [part_codes[record[name]] for part_codes, record in zip(codes_of_parts, records, strict=True)]
    )
    return pl.Series(name, list(codes), dtype=pl.String())[pl.Series(coded)]


def _records(packed: Packed) -> _Array:
    return np.frombuffer(packed.records, _record(packed.slots))


@cache
def _record(slots: tuple[Slot, ...]) -> np.dtype[Any]:
    return np.dtype([member for slot in slots for member in _members(slot)])


def _members(slot: Slot) -> list[tuple[str, str]]:
    value = (slot.name, _NUMPY[slot.type])
    return [value, (_null_name(slot.name), "i1")] if slot.nullable and slot.type is Type.INTEGER else [value]


def _null_name(name: str) -> str:
    """Return the name of the null byte of a nullable integer."""
    return f"{name} is null"
