"""Which records repeat a trade id that came before: found by sorting the ids once all of them are known."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import groupby, islice
from typing import Final, NamedTuple

from calib.importers.days import Place
from calib.importers.spill import Scratch

_NAME: Final = struct.Struct(">I")
_WHERE: Final = struct.Struct(">IQdI")


class Repeat(NamedTuple):
    """A record whose trade id another one before it has."""

    place: Place
    day: int
    trade_id: str


class TradeIds:
    """The trade ids of an import, and where each stands.

    A repeat can lie anywhere: in the next line or in another year's file. So the ids are not held but sorted, which
    takes about 60 bytes an id of the disk, and of memory what the `Scratch` allows.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._ids = scratch.sorted()

    def add(self, kind: str, symbol: str, trade_id: str, place: Place, day: int) -> None:
        """Take the id of a record; ``day`` is any number that its user knows the record's day file by."""
        # A symbol holds no control characters, so no two ids share a name; the length keeps those of one together.
        name = f"{kind}\0{symbol}\0{trade_id}".encode()
        self._ids.add(_NAME.pack(len(name)) + name + _WHERE.pack(place.file, place.line, place.ts, day))

    def repeats(self) -> Iterator[Repeat]:
        """All but the first of each (kind, symbol, id), in the order in which they were read; to be asked for once."""
        found = self._scratch.sorted()
        for _, entries in groupby(self._ids, lambda entry: entry[: -_WHERE.size]):
            for entry in islice(entries, 1, None):
                name = entry[_NAME.size : -_WHERE.size]
                found.add(entry[-_WHERE.size :] + name.split(b"\0", 2)[2])
        self._ids.clear()
        for entry in found:
            file, line, ts, day = _WHERE.unpack_from(entry)
            yield Repeat(Place(ts, file, line), day, entry[_WHERE.size :].decode())
        found.clear()
