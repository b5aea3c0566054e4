"""Extract the rows of an array inside JSON documents while the file is read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import orjson

from calib.importers.table.readers.elements import ElementScan

SHOWN_ARRAYS: Final = 20
"""Largest number of array paths that are listed if the requested one does not exist."""
_SHOWN_DEPTH: Final = 3
_DEEPEST: Final = 1000
"""Largest depth of nested objects and arrays, that of the JSON parser."""
_LONGEST_NAME: Final = 4096
_SIGNS: Final = re.compile(rb'[\[\]{}",:]')
_STRING_END: Final = re.compile(rb'["\\]')
_CLOSES: Final = {b"]": b"[", b"}": b"{"}


class NotJson(Exception):
    """The content is not JSON documents; the text is a phrase for the error message."""


@dataclass(slots=True)
class _Level:
    """An open object or array, and the position of the scan in it."""

    sign: bytes
    name: str = ""
    index: int = 0

    @property
    def step(self) -> str:
        return self.name if self.sign == b"{" else str(self.index)


class DocumentScan:
    """Extracts the elements of the array at a path from one document, or from several consecutive ones.

    Text outside the array is skipped and not stored; only its brackets and names are evaluated.

    Parameters
    ----------
    inside
        Path of the array: names separated by dots, and numbers for the elements of arrays.

    Attributes
    ----------
    arrays
        Paths of other arrays that were found, in the form of ``inside``; at most `SHOWN_ARRAYS`.
    documents, found
        Number of complete documents, and of arrays at the path.
    lacking
        Number of complete documents without the array.
    """

    def __init__(self, inside: str) -> None:
        self._inside = inside
        self._levels: list[_Level] = []
        self._rows: ElementScan | None = None
        self._in_string = self._escaped = self._has_rows = False
        self._string = bytearray()
        self.arrays: list[str] = []
        self.documents = self.found = self.lacking = 0

    def feed(self, block: bytes) -> Iterator[tuple[bytes, bool] | None]:
        """Yield the elements that end in this block: text, and whether it was truncated.

        None is yielded for each document without the array, at its end.

        Raises
        ------
        NotJson
            If brackets do not match, or there is other text between documents.
        """
        place = 0
        while place < len(block):
            if self._rows is not None:
                yield from self._rows.feed(block, place)
                if (end := self._rows.end) is None:
                    return
                self._rows, place = None, end
                self._levels.pop()
            elif self._in_string:
                place = self._string_end(block, place)
            else:
                lacking = self.lacking
                place = self._next(block, place)
                if self.lacking > lacking:
                    yield None

    def finish(self) -> bool:
        """Whether the last document is complete."""
        return not self._levels and not self._in_string

    def _next(self, block: bytes, place: int) -> int:
        """Process the next structural character; return the offset after it."""
        match = _SIGNS.search(block, place)
        begin, end = (match.start(), match.end()) if match is not None else (len(block), len(block))
        if not self._levels and (block[place:begin].strip() or (match is not None and match[0] != b"{")):
            raise NotJson("other text stands after the end of a document" if self.documents else "no object begins it")
        if match is not None:
            self._sign(match[0])
        return end

    def _string_end(self, block: bytes, place: int) -> int:
        """Read to the end of the string or of the block and keep the text, which may be a name; return the offset."""
        begin = place
        if self._escaped:
            self._escaped, place = False, place + 1
        while (match := _STRING_END.search(block, place)) is not None:
            place = match.end()
            if match[0] == b'"':
                self._in_string = False
                self._keep(block[begin : place - 1])
                return place
            self._escaped = place == len(block)
            place += 1
        self._keep(block[begin:])
        return len(block)

    def _keep(self, piece: bytes) -> None:
        self._string += piece[: max(0, _LONGEST_NAME - len(self._string))]

    def _sign(self, sign: bytes) -> None:
        if sign == b'"':
            self._in_string = True
            self._string.clear()
        elif sign == b":":
            if self._levels[-1].sign == b"{":
                self._levels[-1].name = _text(bytes(self._string))
        elif sign == b",":
            self._levels[-1].index += 1
        elif sign in _CLOSES:
            if self._levels.pop().sign != _CLOSES[sign]:
                raise NotJson("its brackets do not match")
            if not self._levels:
                self._ended()
        else:
            self._open(sign)

    def _open(self, sign: bytes) -> None:
        if len(self._levels) == _DEEPEST:
            raise NotJson(f"more than {_DEEPEST} objects and arrays stand in one another")
        if sign == b"[":
            path = ".".join(level.step for level in self._levels)
            if path == self._inside:
                self._rows = ElementScan(opened=True)
                self._has_rows = True
                self.found += 1
            elif self._is_shown() and path not in self.arrays:
                self.arrays.append(path)
        self._levels.append(_Level(sign))

    def _is_shown(self) -> bool:
        near = len(self._levels) <= _SHOWN_DEPTH and len(self.arrays) < SHOWN_ARRAYS
        return near and all(level.sign == b"{" for level in self._levels)

    def _ended(self) -> None:
        self.documents += 1
        self.lacking += not self._has_rows
        self._has_rows = False


def _text(name: bytes) -> str:
    """Return a name with its escapes decoded; unchanged if these are not valid."""
    try:
        return str(orjson.loads(b'"' + name + b'"'))
    except orjson.JSONDecodeError:
        return name.decode("utf-8", "replace")
