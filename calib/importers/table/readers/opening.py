"""Choose the reader of a file by its content, not by its name."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from calib.errors import NotThisFormat
from calib.feeds.reading.members import ZSTD_MAGIC
from calib.importers.base import Advance, unseen
from calib.importers.lines import DAMAGED, MARK, TextLine, text_lines, unpacking
from calib.importers.opened import GZIP, ZIP, content_of
from calib.importers.table.mapping import TableMapping
from calib.importers.table.readers.columnar import ARROW, PARQUET, columnar
from calib.importers.table.readers.database import SQLITE, database
from calib.importers.table.readers.delimited import delimited
from calib.importers.table.readers.documents import (
    is_row,
    json_array,
    json_inside,
    json_lines,
    needs_path,
    path_alone,
)
from calib.importers.table.readers.rows import TableRows

HINT: Final = "Give csv, tsv, jsonl, json, parquet, arrow or sqlite, plain or as .gz, .zst or .zip"
_LOOKED_AT: Final = 1 << 20
"""Number of bytes that are read to distinguish a document from one object per line; rows are assumed to be shorter."""
_BLOCK: Final = 1 << 12
_BINARY: Final = {"parquet": PARQUET, "arrow": ARROW, "sqlite": SQLITE}


@contextmanager
def opened_rows(path: Path, mapping: TableMapping, advance: Advance = unseen) -> Iterator[TableRows]:
    """Return a context with the rows of a file of any supported format.

    A compressed parquet, Arrow or sqlite file is first decompressed to a temporary file.

    Raises
    ------
    NotThisFormat
        If the file has another format or is empty.
    UnreadableInput, TruncatedInput, UsageError
        As the reader of the format.
    """
    with unpacking(path, HINT), content_of(path, HINT, unseen) as handle:
        head = handle.read(64)
    form = next((name for name, mark in _BINARY.items() if head.startswith(mark)), "")
    if not form:
        yield _of_text(path, head.removeprefix(MARK).lstrip()[:1], mapping, advance)
        return
    with tempfile.TemporaryDirectory(prefix="calib-") as directory:
        plain = _unpacked(path, Path(directory))
        if form == "sqlite":
            yield database(plain, mapping.table, mapping.query, advance)
        else:
            yield columnar(plain, form, advance)


def _unpacked(path: Path, directory: Path) -> Path:
    with path.open("rb") as handle:
        packed = handle.read(4).startswith((GZIP, ZIP, ZSTD_MAGIC))
    if not packed:
        return path
    target = directory / path.name
    with unpacking(path, HINT), content_of(path, HINT, unseen) as source, target.open("wb") as handle:
        shutil.copyfileobj(source, handle, 1 << 20)
    return target


def _of_text(path: Path, first: bytes, mapping: TableMapping, advance: Advance) -> TableRows:
    if mapping.table or mapping.query:
        raise NotThisFormat("is not an SQLite database", where=str(path), hint=HINT)
    if first == b"[":
        return json_array(path, HINT, advance)
    if first == b"{" and (_has_path(path, mapping) if mapping.path else _is_document(path)):
        return json_inside(path, mapping.path, HINT, advance)
    lines = text_lines(path, HINT, advance)
    if first == b"{":
        return json_lines(lines)
    begin = next(lines, None)
    if begin is None:
        raise NotThisFormat("is empty", where=str(path), hint=HINT)
    return delimited(path, _again(begin, lines), "\t" if mapping.delimiter == "tab" else mapping.delimiter)


def _has_path(path: Path, mapping: TableMapping) -> bool:
    """Whether the rows are at the path inside objects; false if the first line is itself a row of the format."""
    first, _ = _first_line(path)
    return not is_row(first, mapping.path, mapping.requires)


def _is_document(path: Path) -> bool:
    """Whether the file is one document: on several lines, or on a single line with an array of objects."""
    first, alone = _first_line(path)
    return needs_path(first, path) or (alone and path_alone(first))


def _first_line(path: Path) -> tuple[bytes, bool]:
    """Return the first line, or its part in the first `_LOOKED_AT` bytes, and whether it is the only line."""
    begin = b""
    with unpacking(path, HINT), content_of(path, HINT, unseen) as handle, contextlib.suppress(*DAMAGED):
        # Ignore damage here: the reader imports the rows before it and raises the error.
        while len(begin) < _LOOKED_AT and (piece := handle.read(_BLOCK)):
            begin += piece
    first, _, rest = begin.removeprefix(MARK).lstrip().partition(b"\n")
    return first, len(begin) < _LOOKED_AT and not rest.strip()


def _again(first: TextLine, lines: Iterator[TextLine]) -> Iterator[TextLine]:
    yield first
    yield from lines
