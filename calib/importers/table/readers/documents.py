"""JSON: an object a line, an array of objects, or an array inside a document."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, Final

import orjson

from calib.errors import NotThisFormat
from calib.feeds.reading.chunks import MAX_LINE
from calib.importers.base import Advance, BadRow
from calib.importers.lines import TOO_LONG, TextLine, unpacking
from calib.importers.opened import content_of
from calib.importers.table.paths import value_at
from calib.importers.table.readers.rows import TableRow, TableRows

MAX_DOCUMENT: Final = 256 << 20
"""Bytes of a document whose rows stand inside an object: it is read whole."""
_BLOCK: Final = 1 << 16
_SIGNS: Final = re.compile(rb'[\[\]{}",]')
_STRING_END: Final = re.compile(rb'["\\]')


def json_lines(lines: Iterator[TextLine]) -> TableRows:
    """The rows of a text with an object a line."""
    return TableRows("jsonl", False, (_row(number, text, too_long) for number, text, too_long in lines))


def json_array(path: Path, hint: str, advance: Advance) -> TableRows:
    """The rows of a document that is an array of objects; one of them is in memory at a time."""

    def rows() -> Iterator[TableRow]:
        with unpacking(path, hint), content_of(path, hint, advance) as handle:
            for number, (text, too_long) in enumerate(_elements(handle), 1):
                yield _row(number, text, too_long)

    return TableRows("json", False, rows())


def json_inside(path: Path, inside: str, hint: str, advance: Advance) -> TableRows:
    """The rows of an array inside a document, which is read whole.

    Raises
    ------
    NotThisFormat
        Where it is not JSON, larger than 256 MiB, or has no array of that path.
    """
    with unpacking(path, hint), content_of(path, hint, advance) as handle:
        text = handle.read(MAX_DOCUMENT + 1)
    if len(text) > MAX_DOCUMENT:
        raise NotThisFormat(
            "is a document of more than 256 MiB", where=str(path), hint="Write its rows into a file of their own first"
        )
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise NotThisFormat(f"is not JSON: {error}", where=str(path), hint=hint) from None
    found = value_at(document, inside) if inside and isinstance(document, dict) else document
    if not isinstance(found, list):
        arrays = ", ".join(arrays_of(document)) or "none"
        what = f"has no array at the path {inside!r}" if inside else "is an object, not an array"
        raise NotThisFormat(what, where=str(path), hint=f"Say --path; its arrays: {arrays}")
    rows = (_made(number, item) for number, item in enumerate(found, 1))
    return TableRows("json", False, rows)


def arrays_of(document: Any, before: str = "", depth: int = 3) -> list[str]:
    """The paths of the arrays in a document, as ``--path`` takes them.

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


def _made(number: int, item: Any) -> TableRow:
    text = orjson.dumps(item)[:2000]
    return TableRow(number, item, text) if isinstance(item, dict) else TableRow(number, {}, text, BadRow("not_object"))


def _elements(handle: IO[bytes]) -> Iterator[tuple[bytes, bool]]:
    """The text of each element of the array, found by its brackets; of one that is too long only the beginning."""
    scan = _Scan()
    while block := handle.read(_BLOCK):
        yield from scan.feed(block)
    if rest := scan.rest():
        yield rest, False


class _Scan:
    """Cuts the text of an array into its elements."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = self._escaped = self._too_long = False
        self._held = bytearray()

    def feed(self, block: bytes) -> Iterator[tuple[bytes, bool]]:
        """The elements that end in this block."""
        place = begin = 0
        if self._escaped:
            self._escaped, place = False, 1
        while (match := (_STRING_END if self._in_string else _SIGNS).search(block, place)) is not None:
            place, sign = match.end(), match[0]
            if self._in_string:
                if sign == b"\\":
                    self._escaped = place == len(block)
                    place += 1
                else:
                    self._in_string = False
            elif sign == b'"':
                self._in_string = True
            elif sign in b"[{":
                self._depth += 1
                begin = place if self._depth == 1 else begin
            elif sign in b"]}":
                self._depth -= 1
                if self._depth == 0:
                    yield from self._cut(block[begin : place - 1])
                    begin = place
            elif self._depth == 1:
                yield from self._cut(block[begin : place - 1])
                begin = place
        self._hold(block[begin:])

    def rest(self) -> bytes:
        """What is left at the end: of an array that is whole, nothing."""
        return bytes(self._held).strip()

    def _hold(self, piece: bytes) -> None:
        if len(self._held) + len(piece) > MAX_LINE:
            self._too_long = True
            piece = piece[: max(0, 2000 - len(self._held))]
            del self._held[2000:]
        self._held += b"" if self._too_long and len(self._held) >= 2000 else piece

    def _cut(self, piece: bytes) -> Iterator[tuple[bytes, bool]]:
        self._hold(piece)
        text, too_long = bytes(self._held).strip(), self._too_long
        self._held.clear()
        self._too_long = False
        if text:
            yield text, too_long


def needs_path(text: bytes, path: Path) -> bool:
    """Whether a text that begins with ``{`` is one document, not an object a line."""
    if path.name.removesuffix(".gz").removesuffix(".zst").removesuffix(".zip").endswith((".jsonl", ".ndjson")):
        return False
    try:
        orjson.loads(text)
    except (orjson.JSONDecodeError, RecursionError):
        return True
    return False


def path_alone(text: bytes) -> bool:
    """Whether the object holds an array of objects, which may be the rows."""
    document = orjson.loads(text)
    arrays = (value_at(document, name) for name in arrays_of(document))
    return any(isinstance(rows, list) and rows and isinstance(rows[0], dict) for rows in arrays)
