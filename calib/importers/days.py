"""The lines of one day file before it is written: in order, without repeats, and not all of them in memory."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Final, NamedTuple

from calib.importers.spill import Scratch

_PLACE: Final = struct.Struct(">dIQI")
"""Big end first: as bytes they sort as the numbers do, for no time here lies before 1970."""


class Place(NamedTuple):
    """What a day's lines are ordered by."""

    ts: float
    file: int
    """The number of the source file, in the order of reading."""
    line: int
    part: int = 0
    """The number among the records of one line."""

    def packed(self) -> bytes:
        """As bytes that sort alike."""
        return _PLACE.pack(*self)


class ImportedDay:
    """The lines of one day file, by (ts, file, line, part); they can be read any number of times."""

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch
        self._lines = scratch.sorted()
        self._left_out = scratch.sorted()

    def add(self, place: Place, text: bytes) -> None:
        """Take a line."""
        self._lines.add(place.packed() + text)

    def leave_out(self, place: Place) -> None:
        """A line that was taken does not belong to the day after all."""
        self._left_out.add(place.packed())

    def placed(self) -> Iterator[tuple[Place, bytes]]:
        """Every line that was taken, with its place; those left out too."""
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

    __hash__ = None  # type: ignore[assignment]  # equal by content, which grows


def _without(entries: Iterable[bytes], places: Iterable[bytes]) -> Iterator[bytes]:
    """Entries but those of the places; both in order, and every place is one of an entry."""
    left_out = iter(places)
    place = next(left_out, None)
    for entry in entries:
        if place is not None and entry.startswith(place):
            place = next(left_out, None)
        else:
            yield entry
