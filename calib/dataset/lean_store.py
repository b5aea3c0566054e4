"""Write a lean dataset as json or csv: the same bytes as `calib.dataset.store`, row by row from packed records."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from calib.dataset.columns import COUNTS, FEATURES, NUMBERS, TARGETS
from calib.dataset.envelope import envelope_of, json_array
from calib.dataset.interval_table import INDEX_AT, NUMBERS_AT, SYMBOL_AT, TICKS_AT
from calib.dataset.lean import PLAIN_FORMATS, LeanDataset
from calib.dataset.naming import dataset_name
from calib.dataset.parts import Dropped, iso
from calib.files import write_atomic

_encode = msgspec.json.Encoder().encode
_QUOTED: Final = frozenset('",\r\n')
"""Characters for which a csv cell needs quotes."""


def write_lean(
    dataset: LeanDataset, directory: Path, formats: Sequence[str] = ("json",), *, replace: bool = False
) -> list[Path]:
    """Write the dataset like `calib.dataset.store.write_dataset`.

    That function is called if another format is written too, a symbol needs quotes, or no interval is kept.
    """
    name = dataset_name(dataset.range, dataset.filters, dataset.params, dataset.asked_symbols)
    paths = {form: directory / f"{name}.{form}" for form in ("json", "parquet", "csv", "arrow")}
    wanted = [*dict.fromkeys(formats), *(form for form in paths if form not in formats and paths[form].is_file())]
    odd = any(_QUOTED & set(symbol) for symbol in dataset.range.symbols)
    if dataset.counts.kept == 0 or odd or not set(wanted) <= set(PLAIN_FORMATS):
        from calib.dataset.store import write_dataset

        return write_dataset(dataset.whole(), directory, formats, replace=replace)
    writers: dict[str, Callable[[LeanDataset, BinaryIO], None]] = {"json": write_json, "csv": write_csv}
    for form in wanted:
        write_atomic(paths[form], partial(writers[form], dataset))
    return [paths[form] for form in wanted]


def write_json(dataset: LeanDataset, handle: BinaryIO) -> None:
    """Write the dataset as json; see `calib.dataset.stored_json.write`."""
    envelope = envelope_of(dataset)
    separator = b"{"
    for name in envelope.__struct_fields__:
        value = getattr(envelope, name)
        if name == "tool":
            for part, texts in (("intervals", _intervals(dataset)), ("dropped", _dropped(dataset))):
                handle.write(separator + _encode(part) + b": ")
                handle.writelines(json_array(texts))
        handle.write(separator + _encode(name) + b": ")
        handle.writelines(json_array(map(_encode, value)) if name == "inputs" else [_encode(value)])
        separator = b",\n "
    handle.write(b"}\n")


def write_csv(dataset: LeanDataset, handle: BinaryIO) -> None:
    """Write the dataset as csv; see `calib.dataset.stored_columns.write_csv`."""
    names = ["symbol", "start", "start_ts", "end_ts", *(column.name for column in (*COUNTS, *NUMBERS))]
    handle.write(",".join(names).encode() + b"\r\n")
    symbols = [symbol.encode() for symbol in dataset.table.names]
    length = dataset.table.interval_sec
    for row in dataset.table.rows():
        start = row[INDEX_AT] * length
        numbers = _exponents(_encode(row[TICKS_AT:])[1:-1].replace(b"null", b""))
        cells = symbols[row[SYMBOL_AT]], _iso(start), b"%d" % start, b"%d" % (start + length), numbers
        handle.write(b",".join(cells) + b"\r\n")


def _exponents(numbers: bytes) -> bytes:
    """Return the text with a plus sign on positive exponents, as polars writes them."""
    return re.sub(rb"e(?=\d)", b"e+", numbers) if b"e" in numbers else numbers


def _intervals(dataset: LeanDataset) -> Iterator[bytes]:
    """Yield each row as a json object, encoded like `calib.dataset.parts.Interval`; NaN and infinities are null."""
    symbols = [_encode(symbol) for symbol in dataset.table.names]
    length = dataset.table.interval_sec
    form = _form()
    for row in dataset.table.rows():
        start = row[INDEX_AT] * length
        numbers = _encode(row[NUMBERS_AT:])[1:-1].split(b",")
        counts = row[TICKS_AT:NUMBERS_AT]
        yield form % (symbols[row[SYMBOL_AT]], _iso(start), start, start + length, *counts, *numbers)


@cache
def _form() -> bytes:
    """Return the format string of a row's json object."""
    counts = ",".join(f'"{column.name}":%d' for column in COUNTS)
    targets, features = (",".join(f'"{column.name}":%b' for column in group) for group in (TARGETS, FEATURES))
    text = (
        '{"symbol":%b,"start":"%b","start_ts":%d,"end_ts":%d,'
        f'"sample_count":{{{counts}}},"targets":{{{targets}}},"features":{{{features}}}}}'
    )
    return text.encode()


def _dropped(dataset: LeanDataset) -> Iterator[bytes]:
    for symbol, start_ts, reasons in dataset.dropped_rows:
        yield _encode(Dropped(symbol=symbol, start=iso(start_ts), start_ts=start_ts, reasons=list(reasons)))


@cache
def _iso(ts: int) -> bytes:
    return iso(ts).encode()
