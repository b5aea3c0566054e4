"""One entry on disk: a header and sections, each with a checksum; parts with a wrong checksum are not used.

The header is JSON, the rows are Arrow: reading these formats does not execute code.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, TypeVar

import msgspec
import polars as pl

from calib import system
from calib.dataset.finished.identity import FileIdentity
from calib.feeds.reading.state import ReadingState
from calib.feeds.reading.stats import FileStats

FORMAT: Final = 1
"""Version of the layout; entries of other versions are ignored."""
ROWS, EDGES, OPEN, REJECTS, BOOK_REJECTS = "rows", "edges", "open", "rejects", "book rejects"
SECTIONS: Final = (ROWS, EDGES, OPEN, REJECTS, BOOK_REJECTS)
_MAGIC: Final = b"calib finished\x00\x01"
_PREFIX: Final = len(_MAGIC) + 8 + 32
_MAX_HEADER: Final = 64 << 20


class DamagedEntry(Exception):
    """The file is not an entry, or is damaged."""


class BookUse(msgspec.Struct, frozen=True, kw_only=True):
    """A book file that the markouts of a fills file were computed from.

    Parameters
    ----------
    file, identity
        Base name of the book file, and its identity before it was read.
    newest
        Whether it was the newest day of its kind.
    stats
        Statistics of the book of the fills' own day, which is read whole; None for the next day's.
    begin, sha256, ended
        Number of bytes that were read, their sha256, and whether that was the whole file.
    """

    file: str
    identity: FileIdentity
    newest: bool
    stats: FileStats | None
    begin: int
    sha256: str
    ended: bool


class _Section(msgspec.Struct, frozen=True):
    offset: int
    size: int
    sha256: str


class EntryHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The header of every entry.

    Parameters
    ----------
    format, key
        `FORMAT`, and the hash of everything that determines the content.
    sections
        Position, size and checksum of each section, by name.
    """

    format: int
    key: str
    sections: dict[str, _Section] = {}


class DayHeader(EntryHeader, frozen=True, kw_only=True):
    """The header of a day's entry. Its key is that of `key_of`.

    Parameters
    ----------
    identity
        Identity of the file before it was read.
    newest, unended
        Whether the file was the newest day of its kind, and whether its last line had no newline.
    stats
        Statistics of the file, without its path.
    symbols
        Every symbol in the file, sorted.
    tail_symbol
        Symbol that occurs only in a last line without newline; None if there is none.
    state
        State from which a grown file is continued; None if it has to be read from its beginning.
    books
        The book files that the markouts were computed from.
    """

    identity: FileIdentity
    newest: bool
    unended: bool
    stats: FileStats
    symbols: list[str]
    tail_symbol: str | None
    state: ReadingState | None
    books: list[BookUse]


Header = TypeVar("Header", bound=EntryHeader)


@dataclass(frozen=True, slots=True)
class StoredEntry(Generic[Header]):
    """An entry on disk. Only its header is in memory; a section is read by each call of `section` or `frame`."""

    path: Path
    header: Header
    _body: int
    """Offset of the sections in the file, bytes."""

    @classmethod
    def open(cls, path: Path, kind: type[Header]) -> StoredEntry[Header]:
        """Open an entry and read its header, of type ``kind``.

        Raises
        ------
        DamagedEntry
            If the entry is damaged, of another kind, or missing.
        """
        prefix = _read(path, 0, _PREFIX)
        size = int.from_bytes(prefix[len(_MAGIC) : len(_MAGIC) + 8], "big")
        if len(prefix) < _PREFIX or not prefix.startswith(_MAGIC) or size > _MAX_HEADER:
            raise DamagedEntry(path)
        text = _read(path, _PREFIX, size)
        if len(text) != size or hashlib.sha256(text).digest() != prefix[-32:]:
            raise DamagedEntry(path)
        try:
            header = msgspec.json.decode(text, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise DamagedEntry(path) from error
        return cls(path, header, _PREFIX + size)

    def section(self, name: str) -> bytes:
        """Return the bytes of a section; empty if the entry has no such section.

        Raises
        ------
        DamagedEntry
            If the checksum does not match, or the file is missing.
        """
        place = self.header.sections.get(name)
        if place is None:
            return b""
        data = _read(self.path, self._body + place.offset, place.size)
        if len(data) != place.size or hashlib.sha256(data).hexdigest() != place.sha256:
            raise DamagedEntry(self.path)
        return data

    def frame(self, name: str, schema: pl.Schema) -> pl.DataFrame:
        """Return a section of rows or lines as a frame.

        Raises
        ------
        DamagedEntry
            If the section is damaged or has other columns than ``schema``.
        """
        data = self.section(name)
        if not data:
            return schema.to_frame()
        try:
            found = pl.read_ipc(io.BytesIO(data))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
            raise DamagedEntry(self.path) from error
        if found.schema != schema:
            raise DamagedEntry(self.path)
        return found


def encode(header: EntryHeader, sections: Mapping[str, bytes]) -> list[bytes]:
    """Return the bytes of an entry in parts; raise `ValueError` if a text cannot be encoded as UTF-8."""
    sizes = {name: data for name, data in sections.items() if data}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in sizes.items()}
    begin, places = 0, {}
    for name, data in sizes.items():
        places[name] = _Section(begin, len(data), digests[name])
        begin += len(data)
    text = msgspec.json.encode(msgspec.structs.replace(header, sections=places))
    return [_MAGIC, len(text).to_bytes(8, "big"), hashlib.sha256(text).digest(), text, *sizes.values()]


def frame_bytes(frame: pl.DataFrame) -> bytes:
    """Return a frame as the bytes of a section; empty if it has no rows."""
    if frame.is_empty():
        return b""
    buffer = io.BytesIO()
    frame.rechunk().write_ipc(buffer)
    return buffer.getvalue()


def _read(path: Path, offset: int, size: int) -> bytes:
    """Read at most ``size`` bytes of a regular file; raise `DamagedEntry` if it cannot be read."""
    try:
        descriptor = system.open_regular(path)
    except OSError as error:
        raise DamagedEntry(path) from error
    try:
        size = min(size, max(0, os.fstat(descriptor).st_size - offset))
        parts = []
        while size and (part := system.read_at(descriptor, size, offset)):
            parts.append(part)
            offset, size = offset + len(part), size - len(part)
    except (OSError, OverflowError, ValueError) as error:
        raise DamagedEntry(path) from error
    finally:
        os.close(descriptor)
    return b"".join(parts)
