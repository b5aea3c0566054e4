"""The lines of one day file before it is written: sorted, without repeats, partly on disk."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Final, NamedTuple

from calib.importers.spill import Scratch

_PLACE: Final = struct.Struct(">dIQI")
"""Big-endian, so that packed places sort like their values; no time is negative."""


class Place(NamedTuple):
    """Sort key of the lines of a day."""

    ts: float
    file: int
    """Index of the source file, in reading order."""
    line: int
    part: int = 0
    """Index among the records of one line."""

    def packed(self) -> bytes:
        """Return bytes with the same sort order."""
        return _PLACE.pack(*self)


class ImportedDay:
    """The lines of one day file, sorted by (ts, file, line, part); may be iterated repeatedly."""

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch
        self._lines = scratch.sorted()
        self._left_out = scratch.sorted()

    def add(self, place: Place, text: bytes) -> None:
        """Add a line."""
        self._lines.add(place.packed() + text)

    def leave_out(self, place: Place) -> None:
        """Exclude a line that was added before."""
        self._left_out.add(place.packed())

    def placed(self) -> Iterator[tuple[Place, bytes]]:
        """Iterate over every added line and its place, including the excluded ones."""
        size = _PLACE.size
        return ((Place(*_PLACE.unpack_from(entry)), entry[size:]) for entry in self._lines)

    def __len__(self) -> int:
        return len(self._lines) - len(self._left_out)

    def __iter__(self) -> Iterator[bytes]:
        size = _PLACE.size
        if not len(self._left_out):
            return (entry[size:] for entry in self._lines)
        return (entry[size:] for entry in _without(self._lines, self._left_out))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ImportedDay):
            return NotImplemented
        return all(one == two for one, two in zip_longest(self, other))

    __hash__ = None  # type: ignore[assignment]  # equal by content, which changes


def _without(entries: Iterable[bytes], places: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the entries except those at ``places``; both are sorted, and every place is the prefix of an entry."""
    left_out = iter(places)
    place = next(left_out, None)
    for entry in entries:
        if place is not None and entry.startswith(place):
            place = next(left_out, None)
        else:
            yield entry
