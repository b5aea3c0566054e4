"""Read JSON: one object per line, an array of objects, or an array inside a document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import orjson

from calib.errors import NotThisFormat, TruncatedInput
from calib.importers.base import Advance, BadRow
from calib.importers.lines import MARK, TOO_LONG, TextLine, unpacking
from calib.importers.opened import content_of
from calib.importers.table.paths import has_column, value_at
from calib.importers.table.readers.elements import ElementScan
from calib.importers.table.readers.inside import DocumentScan, NotJson
from calib.importers.table.readers.rows import TableRow, TableRows

_BLOCK: Final = 1 << 16


def json_lines(lines: Iterator[TextLine]) -> TableRows:
    """Return the rows of a text with one object per line."""
    return TableRows("jsonl", False, (_row(number, text, too_long) for number, text, too_long in lines))


def json_array(path: Path, hint: str, advance: Advance) -> TableRows:
    """Return the rows of an array of objects, or of several consecutive arrays; one row is in memory at a time.

    The rows raise the errors.

    Raises
    ------
    TruncatedInput
        After the last row, if the array does not end.
    NotThisFormat
        If there is other text after the end of the array.
    """

    def rows() -> Iterator[TableRow]:
        scan: ElementScan | None = None
        number = 0
        with unpacking(path, hint, lambda: f"{path}:{number + 1}"), content_of(path, hint, advance) as handle:
            for block in _without_mark(handle):
                place: int | None = 0
                while place is not None and (scan is not None or block[place:].strip()):
                    if scan is None and not block[place:].lstrip().startswith(b"["):
                        raise _not_json("other text stands after the end of the array", path, number)
                    scan = scan or ElementScan()
                    for text, too_long in scan.feed(block, place):
                        number += 1
                        yield _row(number, text, too_long)
                    place = scan.end
                    scan = scan if place is None else None
        if scan is not None:
            raise _cut_short(path, number)

    return TableRows("json", False, rows())


def json_inside(path: Path, inside: str, hint: str, advance: Advance) -> TableRows:
    """Return the rows of an array inside a document, or inside several consecutive ones; one row is in memory at once.

    A document without the array, such as an error response, is a ``missing_field`` reject. The rows raise the errors.

    Raises
    ------
    NotThisFormat
        If the content is not JSON, or no document has an array at that path.
    TruncatedInput
        After the last row, if the document does not end.
    """

    lacking = BadRow("missing_field", inside, what="the document has no such array")

    def rows() -> Iterator[TableRow]:
        scan, number = DocumentScan(inside), 0
        with unpacking(path, hint, lambda: f"{path}:{number + 1}"), content_of(path, hint, advance) as handle:
            for block in _without_mark(handle):
                for element in _scanned(scan, block, path, number):
                    number += 1
                    yield _row(number, *element) if element is not None else TableRow(number, {}, "", lacking)
        if not scan.finish():
            raise _cut_short(path, number)
        if not scan.found:
            what = f"has no array at the path {inside!r}" if inside else "is an object, not an array"
            arrays = ", ".join(scan.arrays) or "none"
            raise NotThisFormat(what, where=str(path), hint=f"Say --path; its arrays: {arrays}")

    return TableRows("json", False, rows())


def _scanned(scan: DocumentScan, block: bytes, path: Path, number: int) -> Iterator[tuple[bytes, bool] | None]:
    try:
        yield from scan.feed(block)
    except NotJson as error:
        raise _not_json(str(error), path, number) from None


def _without_mark(handle: IO[bytes]) -> Iterator[bytes]:
    block = handle.read(_BLOCK).removeprefix(MARK)
    while block:
        yield block
        block = handle.read(_BLOCK)


def _not_json(what: str, path: Path, number: int) -> NotThisFormat:
    place = f"after row {number}" if number else "at its beginning"
    return NotThisFormat(f"is not JSON: {what}, {place}", where=str(path), hint="Write it again, or as jsonl")


def _cut_short(path: Path, number: int) -> TruncatedInput:
    return TruncatedInput(
        "the json ends in the middle",
        where=f"{path}:{number + 1}",
        hint="Fetch the file again, or import what came before with --salvage",
    )


def arrays_of(document: Any, before: str = "", depth: int = 3) -> list[str]:
    """Return the paths of the arrays in a document, in the form of ``--path``.

    >>> arrays_of({"result": {"list": [], "x": 1}})
    ['result.list']
    """
    found: list[str] = []
    if isinstance(document, dict) and depth:
        for name, value in document.items():
            where = f"{before}.{name}" if before else str(name)
            found += [where] if isinstance(value, list) else arrays_of(value, where, depth - 1)
    return found


def _row(number: int, text: bytes, too_long: bool) -> TableRow:
    if too_long:
        return TableRow(number, {}, text, TOO_LONG)
    try:
        value = orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError) as error:
        return TableRow(number, {}, text, BadRow("bad_json", what=str(error)[:100]))
    return (
        TableRow(number, value, text) if isinstance(value, dict) else TableRow(number, {}, text, BadRow("not_object"))
    )


def _parsed(text: bytes) -> Any:
    """The value of a text that begins with ``{``; None where it is not JSON, or nested too deep."""
    try:
        return orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError):
        return None


def needs_path(text: bytes, path: Path) -> bool:
    """Whether a text whose first line begins with ``{`` is one document, not one object per line."""
    if path.name.removesuffix(".gz").removesuffix(".zst").removesuffix(".zip").endswith((".jsonl", ".ndjson")):
        return False
    return _parsed(text) is None


def path_alone(text: bytes) -> bool:
    """Whether the object has an array of objects, which may be the rows; false if the text is not a whole object."""
    document = _parsed(text)
    arrays = (value_at(document, name) for name in arrays_of(document))
    return any(isinstance(rows, list) and rows and isinstance(rows[0], dict) for rows in arrays)


def is_row(text: bytes, inside: str, requires: Sequence[str]) -> bool:
    """Whether the object is itself a row of a format whose rows are otherwise at the path ``inside``."""
    document = _parsed(text)
    found = isinstance(document, dict) and not isinstance(value_at(document, inside), list)
    return bool(requires) and found and all(has_column(document, name) for name in requires)
