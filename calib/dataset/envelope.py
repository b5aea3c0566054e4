"""The envelope of a stored dataset: everything but the rows, in the JSON file or in the schema metadata."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from calib.dataset.parts import (
    FAMILY,
    SCHEMA,
    Counts,
    Dropped,
    Filters,
    Input,
    JsonRecord,
    MissingDays,
    Params,
    Range,
    Tool,
)
from calib.errors import NewerSchema, NotADataset

if TYPE_CHECKING:
    import polars as pl

    from calib.dataset.lean import LeanDataset
    from calib.dataset.model import Dataset

DAMAGED_HINT = "It was cut short or changed; create it again with `calib aggregate`"


class Envelope(JsonRecord, frozen=True, kw_only=True):
    """Everything in the file but its rows, in the file's key order."""

    schema: str
    range: Range
    filters: Filters
    params: Params
    inputs: list[Input]
    missing_days: MissingDays
    counts: Counts
    tool: Tool


class _Schema(JsonRecord, frozen=True, kw_only=True):
    schema: str


def envelope_of(dataset: Dataset | LeanDataset) -> Envelope:
    """Return the envelope of a dataset."""
    names = [name for name in Envelope.__struct_fields__ if name != "schema"]
    return Envelope(schema=SCHEMA, **{name: getattr(dataset, name) for name in names})


def assemble(envelope: Envelope, intervals: pl.DataFrame, dropped: pl.DataFrame, where: str) -> Dataset:
    """Build the dataset from the parts that were read.

    Raises
    ------
    NotADataset
        If the parts are inconsistent.
    """
    from calib.dataset.model import Dataset

    names = [name for name in Envelope.__struct_fields__ if name != "schema"]
    try:
        return Dataset(intervals=intervals, dropped=dropped, **{name: getattr(envelope, name) for name in names})
    except ValueError as error:
        raise NotADataset(f"is inconsistent: {error}", where=where, hint=DAMAGED_HINT) from error


def check_schema(text: bytes | str, where: str) -> None:
    """Refuse a document whose schema is not ``calib.dataset/1``.

    Raises
    ------
    NotADataset, NewerSchema
    """
    schema = decode(text, _Schema, where).schema
    if schema == SCHEMA:
        return
    version = re.fullmatch(re.escape(FAMILY) + r"(\d{1,9})", schema)
    if version and int(version[1]) > 1:
        raise NewerSchema(
            f"has the schema {schema}, but this calib reads {SCHEMA}", where=where, hint="Upgrade calib, then try again"
        )
    raise NotADataset(
        f"has the schema {schema!r}, not {SCHEMA}", where=where, hint="Give a file that `calib aggregate` wrote"
    )


def decode(text: bytes | str | msgspec.Raw, kind: type[Any], where: str) -> Any:
    """Decode one JSON text into a record.

    Raises
    ------
    NotADataset
        If the text is not valid; the error names the place in the text.
    """
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.ValidationError as error:
        raise NotADataset(
            f"is not a calib dataset: {error}", where=where, hint="Give a file that `calib aggregate` wrote"
        ) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotADataset(f"is damaged: {error}", where=where, hint=DAMAGED_HINT) from error


def json_array(items: Iterable[bytes]) -> Iterator[bytes]:
    """Return the pieces of an array of encoded items, one per line, as the json form of a dataset has them."""
    separator = b"[\n  "
    for item in items:
        yield separator + item
        separator = b",\n  "
    yield b"]" if separator != b"[\n  " else b"[]"


def dropped_frame(rows: list[Dropped]) -> pl.DataFrame:
    """Return dropped rows as a frame with the columns `DROPPED`."""
    import polars as pl

    from calib.dataset.model import DROPPED

    return pl.DataFrame(
        {
            "symbol": [row.symbol for row in rows],
            "start_ts": [row.start_ts for row in rows],
            "reasons": [row.reasons for row in rows],
        },
        schema=DROPPED,
    )
