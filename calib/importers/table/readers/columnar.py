"""Read parquet and Arrow files, one batch of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from calib.errors import NotThisFormat
from calib.importers.base import Advance
from calib.importers.table.readers.rows import TableRow, TableRows

PARQUET: Final = b"PAR1"
ARROW: Final = b"ARROW1"
_SLICE: Final = 4096
"""Number of rows that are Python objects at the same time."""
_ERRORS: Final = (pl.exceptions.PolarsError, OSError)


def columnar(path: Path, form: str, advance: Advance) -> TableRows:
    """Return the rows of a parquet or Arrow file. Its times have a type, so they need no unit.

    Raises
    ------
    NotThisFormat
        If the file is damaged.
    """
    try:
        # polars would expand `[1]`, `*`, `?` and a leading `~` of a name.
        scan = pl.scan_parquet if form == "parquet" else pl.scan_ipc
        table = scan(path.absolute(), glob=False)
        columns = tuple(table.collect_schema().names())
    except _ERRORS as error:
        raise _damaged(path, form, error) from error
    return TableRows(form, False, _rows(path, form, table, advance), columns)


def _rows(path: Path, form: str, table: pl.LazyFrame, advance: Advance) -> Iterator[TableRow]:
    number = 0
    try:
        for batch in table.collect_batches(maintain_order=True):
            for part in batch.iter_slices(_SLICE):
                for values in part.iter_rows(named=True):
                    number += 1
                    yield TableRow(number, values, str(values)[:500])
    except _ERRORS as error:
        raise _damaged(path, form, error) from error
    advance(path.stat().st_size)


def _damaged(path: Path, form: str, error: Exception) -> NotThisFormat:
    first = str(error).splitlines()[0] if str(error) else type(error).__name__
    return NotThisFormat(
        f"cannot be read as {form}: {first[:200]}", where=str(path), hint="Write it again, or as csv or jsonl"
    )
