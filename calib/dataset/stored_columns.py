"""Write and read a dataset in columns: parquet and Arrow with the envelope as schema metadata, csv without it.

Polars writes no metadata into Arrow files, and into parquet only metadata that Arrow's readers ignore; arro3 (the Arrow
project's Rust writers) supports both.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
import polars as pl
from arro3.core import RecordBatch, RecordBatchReader, Schema
from arro3.io import read_ipc, write_ipc
from arro3.io import write_parquet as write_parquet_file

from calib.dataset.columns import NUMBERS
from calib.dataset.envelope import DAMAGED_HINT, Envelope, assemble, check_schema, decode, dropped_frame, envelope_of
from calib.dataset.model import INTERVALS, Dataset, Dropped, iso
from calib.errors import NotADataset

KEY: Final = "calib"
"""Key of the envelope in the schema metadata."""

_BATCH: Final = 65_536
"""Most rows of a record batch."""


class _Stored(Envelope, frozen=True, kw_only=True):
    dropped: list[Dropped]


def write_parquet(dataset: Dataset, handle: BinaryIO) -> None:
    """Write parquet (zstd); `read_parquet` of polars, pandas, pyarrow and DuckDB all read it."""
    text = _metadata(dataset)
    write_parquet_file(_batches(dataset, text), handle, compression="zstd(3)", key_value_metadata={KEY: text})


def write_arrow(dataset: Dataset, handle: BinaryIO) -> None:
    """Write an Arrow IPC file (Feather 2), uncompressed so that it can be memory-mapped."""
    write_ipc(_batches(dataset, _metadata(dataset)), handle)


def write_csv(dataset: Dataset, handle: BinaryIO) -> None:
    """Write RFC 4180 csv: UTF-8, CRLF, a header, empty for null, numbers in the shortest form that reads back equal."""
    text = pl.col("start").dt.to_string("%Y-%m-%dT%H:%M:%SZ")
    _with_start(dataset.intervals).with_columns(text).write_csv(handle, line_terminator="\r\n")


def read_parquet(path: Path) -> Dataset:
    """Read what `write_parquet` wrote.

    Raises
    ------
    NotADataset, NewerSchema
    """
    try:
        text = pl.read_parquet_metadata(_literal(path)).get(KEY)
        frame = pl.read_parquet(_literal(path), glob=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _damaged(path, "parquet", error) from error
    return _dataset(text, frame, path)


def read_arrow(path: Path) -> Dataset:
    """Read what `write_arrow` wrote.

    Raises
    ------
    NotADataset, NewerSchema
    """
    try:
        metadata = read_ipc(path).schema.metadata
        frame = pl.scan_ipc(_literal(path), glob=False).collect()
    except Exception as error:  # arro3 raises bare Exception for a damaged file
        raise _damaged(path, "Arrow", error) from error
    text = metadata.get(KEY.encode())
    return _dataset(None if text is None else text.decode(), frame, path)


def _literal(path: Path) -> Path:
    """The path without what polars expands even with ``glob=False``: a leading ``~``."""
    return path.absolute()


def _dataset(text: str | None, frame: pl.DataFrame, path: Path) -> Dataset:
    where = str(path)
    if text is None:
        raise NotADataset(
            f"is not a calib dataset: its schema metadata has no key {KEY!r}",
            where=where,
            hint="Give a file that `calib aggregate` wrote; other tools may drop the metadata when they rewrite it",
        )
    check_schema(text, where)
    stored: _Stored = decode(text, _Stored, where)
    later = [pl.lit(None, pl.Float64).alias(column.name) for column in NUMBERS if column.later]
    frame = frame.with_columns([column for column in later if column.meta.output_name() not in frame.columns])
    missing = [name for name in INTERVALS if name not in frame.columns]
    if missing:
        raise NotADataset(f"lacks the columns {', '.join(missing)}", where=where, hint=DAMAGED_HINT)
    return assemble(stored, frame.select(list(INTERVALS)), dropped_frame(stored.dropped), where)


def _metadata(dataset: Dataset) -> str:
    rows = [Dropped(symbol=s, start=iso(ts), start_ts=ts, reasons=r) for s, ts, r in dataset.dropped.iter_rows()]
    envelope = envelope_of(dataset)
    names = [name for name in envelope.__struct_fields__ if name != "tool"]
    parts = {name: getattr(envelope, name) for name in names} | {"dropped": rows, "tool": envelope.tool}
    return msgspec.json.encode(parts).decode()


def _batches(dataset: Dataset, text: str) -> RecordBatchReader:
    """Return the intervals as a reader of record batches, with one batch in memory at a time."""
    frame = _with_start(dataset.intervals)
    plain = read_ipc(_ipc(frame.clear())).schema
    schema = plain.with_metadata({KEY: text})
    return RecordBatchReader.from_batches(schema, _slices(frame, schema))


def _slices(frame: pl.DataFrame, schema: Schema) -> Iterator[RecordBatch]:
    for part in frame.iter_slices(_BATCH):
        for batch in read_ipc(_ipc(part)):
            yield batch.with_schema(schema)


def _ipc(frame: pl.DataFrame) -> io.BytesIO:
    """Return polars' Arrow bytes with the oldest types: some readers do not know its default string type."""
    buffer = io.BytesIO()
    frame.rechunk().write_ipc(buffer, compat_level=pl.CompatLevel.oldest())
    buffer.seek(0)
    return buffer


def _with_start(intervals: pl.DataFrame) -> pl.DataFrame:
    start = pl.from_epoch("start_ts", time_unit="s").dt.cast_time_unit("us").dt.replace_time_zone("UTC").alias("start")
    return intervals.select("symbol", start, pl.exclude("symbol"))


def _damaged(path: Path, form: str, error: Exception) -> NotADataset:
    return NotADataset(f"is damaged {form}: {str(error).splitlines()[0]}", where=str(path), hint=DAMAGED_HINT)
