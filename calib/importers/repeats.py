"""Find records that repeat an earlier one, by sorting the keys of all records."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from itertools import groupby, islice
from typing import Any, Final, NamedTuple

import orjson

from calib.importers.days import ImportedDay, Place
from calib.importers.spill import Scratch, Sorted

_NAME: Final = struct.Struct(">I")
_WHERE: Final = struct.Struct(">IQIdI")
_DIGEST: Final = 16


class Repeat(NamedTuple):
    """A record that repeats an earlier one."""

    place: Place
    day: int
    field: str
    text: str


class TradeIds:
    """The trade ids of an import, and the place of each.

    A repeat may be on the next line or in the file of another year, so the ids are sorted instead of held in a set.
    That takes about 80 bytes of disk per id, and the memory that the `Scratch` allows.

    Attributes
    ----------
    conflicts
        Set by `repeats`: index of the source file -> number of records with the id of an earlier trade that differ from
        it in side, price, quantity or order. These records are kept.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._ids = scratch.sorted()
        self.conflicts: Counter[int] = Counter()

    def add(self, kind: str, record: Mapping[str, Any], place: Place, day: int) -> None:
        """Add the id of a record; ``day`` is the caller's number of the record's day file."""
        # Symbols hold no control characters, so a name is unambiguous. The length in front keeps equal names adjacent.
        name = f"{kind}\0{record['symbol']}\0{record['trade_id']}".encode()
        self._ids.add(
            _NAME.pack(len(name))
            + name
            + _identity(record)
            + _WHERE.pack(place.file, place.line, place.part, place.ts, day)
        )

    def repeats(self) -> Iterator[Repeat]:
        """Yield every record but the first of each trade, in reading order; may be called once."""
        found = self._scratch.sorted()
        for name, same_id in groupby(self._ids, lambda entry: entry[: -_WHERE.size - _DIGEST]):
            trade_id = name[_NAME.size :].split(b"\0", 2)[2]
            first: Place | None = None
            trade = b""
            for entry in same_id:
                if entry[: -_WHERE.size] == trade:
                    found.add(entry[-_WHERE.size :] + trade_id)
                    continue
                trade, place = entry[: -_WHERE.size], _place(entry)[0]
                if first is not None:
                    self.conflicts[max(first[1:], place[1:])[0]] += 1
                first = place if first is None else min(first, place, key=lambda known: known[1:])
        self._ids.clear()
        yield from _in_reading_order(found, "trade_id")


class OverlappingBooks:
    """Finds book lines of overlapping recordings that hold the same message.

    Only symbols whose ids decrease or whose files overlap in time are checked, so other imports cost nothing.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._newest: dict[str, tuple[int, float, int, float]] = {}
        """Symbol -> highest id, newest time, index of the current file, and newest time of the files before it."""
        self.symbols: set[str] = set()

    def see(self, record: Mapping[str, Any], place: Place) -> None:
        """Add the next book line, in reading order."""
        symbol, update_id = record["symbol"], record.get("update_id")
        highest, newest, file, before = self._newest.get(symbol, (-1, 0.0, place.file, 0.0))
        if place.file != file:
            file, before = place.file, max(before, newest)
        if place.ts <= before or (update_id is not None and update_id <= highest and record["type"] == "delta"):
            self.symbols.add(symbol)
        self._newest[symbol] = max(highest, -1 if update_id is None else update_id), max(newest, place.ts), file, before

    def repeats(self, days: Iterator[tuple[int, ImportedDay]]) -> Iterator[Repeat]:
        """Yield the lines that repeat an earlier one, in reading order; ``days`` are the days of book feeds."""
        found, books = self._scratch.sorted(), list(days)
        if self.symbols:
            for key in (_delta_key, _receipt_key):
                self._add_repeats(found, books, key)
        last = None
        for repeat in _in_reading_order(found, "update_id"):
            if repeat.place != last:
                yield repeat
            last = repeat.place

    def _add_repeats(
        self, found: Sorted, days: list[tuple[int, ImportedDay]], key: Callable[[dict[str, Any]], bytes | None]
    ) -> None:
        keys = self._scratch.sorted()
        for number, day in days:
            for place, text in day.placed():
                record = orjson.loads(text)
                if record["symbol"] in self.symbols and (digest := key(record)) is not None:
                    keys.add(digest + _WHERE.pack(place.file, place.line, place.part, place.ts, number))
        for _, same in groupby(keys, lambda entry: entry[:_DIGEST]):
            for entry in islice(same, 1, None):
                found.add(entry[-_WHERE.size :])
        keys.clear()


def _in_reading_order(found: Sorted, field: str) -> Iterator[Repeat]:
    for entry in found:
        place, day = _place(entry[: _WHERE.size])
        yield Repeat(place, day, field, entry[_WHERE.size :].decode())
    found.clear()


def _place(entry: bytes) -> tuple[Place, int]:
    file, line, part, ts, day = _WHERE.unpack_from(entry, len(entry) - _WHERE.size)
    return Place(ts, file, line, part), day


def _identity(record: Mapping[str, Any]) -> bytes:
    """Return the digest of the fields that two records of the same trade have in common."""
    return _digest([record.get(name) for name in ("side", "price", "qty", "order_id")])


def _delta_key(record: dict[str, Any]) -> bytes | None:
    """Return the key of a delta with ids: its ids and levels, but not its receive time; None for other records."""
    if record["type"] != "delta" or record["update_id"] is None:
        return None
    names = ("symbol", "first_update_id", "update_id", "prev_update_id", "bids", "asks")
    return _digest([record[name] for name in names])


def _receipt_key(record: dict[str, Any]) -> bytes:
    """Return the key of any message: its times and levels, but not the ids, which an importer may have generated."""
    return _digest([record[name] for name in ("symbol", "ts", "ts_exchange", "type", "bids", "asks")])


def _digest(values: list[Any]) -> bytes:
    return blake2b(orjson.dumps(values), digest_size=_DIGEST).digest()
