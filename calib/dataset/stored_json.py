"""Write and read a dataset as JSON: the envelope's keys in their order, and one row per line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec
import polars as pl

from calib.dataset.columns import COUNTS, FEATURES, TARGETS
from calib.dataset.envelope import Envelope, assemble, check_schema, decode, dropped_frame, envelope_of, json_array
from calib.dataset.model import INTERVALS, Dataset, Dropped, Interval, iso
from calib.errors import UnreadableInput

_CHUNK: Final = 20_000
"""Most rows held as objects at once, about 40 MB."""

_encode = msgspec.json.Encoder().encode


class _Stored(Envelope, frozen=True, kw_only=True):
    intervals: list[msgspec.Raw]
    dropped: list[msgspec.Raw]


def write(dataset: Dataset, handle: BinaryIO) -> None:
    """Write the file row by row, so that months of data need no memory beside the dataset itself."""
    separator = b"{"
    for name, lines in _parts(dataset):
        handle.write(separator + _encode(name) + b": ")
        handle.writelines(lines)
        separator = b",\n "
    handle.write(b"}\n")


def _parts(dataset: Dataset) -> Iterator[tuple[str, Iterable[bytes]]]:
    envelope = envelope_of(dataset)
    for name in envelope.__struct_fields__:
        if name == "tool":
            yield "intervals", json_array(_encode(row) for row in dataset.rows())
            yield "dropped", json_array(_encode(row) for row in _dropped(dataset))
        value = getattr(envelope, name)
        yield name, json_array(map(_encode, value)) if name == "inputs" else [_encode(value)]


def _dropped(dataset: Dataset) -> Iterator[Dropped]:
    for symbol, start_ts, reasons in dataset.dropped.iter_rows():
        yield Dropped(symbol=symbol, start=iso(start_ts), start_ts=start_ts, reasons=reasons)


def read(path: Path) -> Dataset:
    """Read the file, with any whitespace between its values.

    Raises
    ------
    NotADataset, NewerSchema, UnreadableInput
    """
    where = str(path)
    try:
        text = path.read_bytes()
    except OSError as error:
        hint = "Check the path and its permissions"
        raise UnreadableInput(f"cannot be read: {error.strerror or error}", where=where, hint=hint) from error
    check_schema(text, where)
    stored: _Stored = decode(text, _Stored, where)
    intervals = _frames(stored.intervals, list[Interval], _interval_frame, where)
    dropped = _frames(stored.dropped, list[Dropped], dropped_frame, where)
    return assemble(stored, intervals, dropped, where)


def _frames(rows: list[msgspec.Raw], kind: Any, make: Callable[[Any], pl.DataFrame], where: str) -> pl.DataFrame:
    """Decode the rows into one frame, chunk by chunk."""
    frames = [make([])]
    for start in range(0, len(rows), _CHUNK):
        text = b"[" + b",".join(bytes(row) for row in rows[start : start + _CHUNK]) + b"]"
        frames.append(make(decode(text, kind, f"{where}, rows from {start}")))
    return pl.concat(frames, rechunk=True)


def _interval_frame(rows: list[Interval]) -> pl.DataFrame:
    columns: dict[str, list[Any]] = {
        name: [getattr(row, name) for row in rows] for name in ("symbol", "start_ts", "end_ts")
    }
    for column in COUNTS:
        columns[column.name] = [getattr(row.sample_count, column.name) for row in rows]
    for column in TARGETS:
        columns[column.name] = [getattr(row.targets, column.name) for row in rows]
    for column in FEATURES:
        columns[column.name] = [getattr(row.features, column.name) for row in rows]
    return pl.DataFrame(columns, schema=INTERVALS)
