"""Which records repeat one that came before: found by sorting their keys once all of them are known."""

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
    """A record that another one before it has told already."""

    place: Place
    day: int
    field: str
    text: str


class TradeIds:
    """The trade ids of an import, and where each stands.

    A repeat can lie anywhere: in the next line or in another year's file. So the ids are not held but sorted, which
    takes about 80 bytes an id of the disk, and of memory what the `Scratch` allows.

    Attributes
    ----------
    conflicts
        Known after `repeats`: number of the source file -> its records that have the id of an earlier one and are
        another trade all the same: they differ in side, price, quantity or order. They are kept.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._ids = scratch.sorted()
        self.conflicts: Counter[int] = Counter()

    def add(self, kind: str, record: Mapping[str, Any], place: Place, day: int) -> None:
        """Take the id of a record; ``day`` is any number that its user knows the record's day file by."""
        # A symbol holds no control characters, so no two ids share a name; the length keeps those of one together.
        name = f"{kind}\0{record['symbol']}\0{record['trade_id']}".encode()
        self._ids.add(
            _NAME.pack(len(name))
            + name
            + _identity(record)
            + _WHERE.pack(place.file, place.line, place.part, place.ts, day)
        )

    def repeats(self) -> Iterator[Repeat]:
        """All but the first record of each trade, in the order in which they were read; to be asked for once."""
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
    """Which book lines of overlapping recordings tell the same message.

    Only symbols whose ids went back, or whose files overlap in time, are looked at: a clean import costs nothing.
    """

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch
        self._newest: dict[str, tuple[int, float, int, float]] = {}
        """By symbol: the highest id, the newest time, of which file, and the newest time of the files before that."""
        self.symbols: set[str] = set()

    def see(self, record: Mapping[str, Any], place: Place) -> None:
        """The next book line, in the order of reading."""
        symbol, update_id = record["symbol"], record.get("update_id")
        highest, newest, file, before = self._newest.get(symbol, (-1, 0.0, place.file, 0.0))
        if place.file != file:
            file, before = place.file, max(before, newest)
        if place.ts <= before or (update_id is not None and update_id <= highest and record["type"] == "delta"):
            self.symbols.add(symbol)
        self._newest[symbol] = max(highest, -1 if update_id is None else update_id), max(newest, place.ts), file, before

    def repeats(self, days: Iterator[tuple[int, ImportedDay]]) -> Iterator[Repeat]:
        """The lines that repeat one read before them, in the order of reading; ``days`` are those of books."""
        found, books = self._scratch.sorted(), list(days)
        if self.symbols:
            for key in (_message, _moment):
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
    """What makes two records with one id the same trade."""
    return _digest([record.get(name) for name in ("side", "price", "qty", "order_id")])


def _message(record: dict[str, Any]) -> bytes | None:
    """A numbered delta by its ids and levels, whenever it was received; nothing else has such a key."""
    if record["type"] != "delta" or record["update_id"] is None:
        return None
    names = ("symbol", "first_update_id", "update_id", "prev_update_id", "bids", "asks")
    return _digest([record[name] for name in names])


def _moment(record: dict[str, Any]) -> bytes:
    """Any message by the moment of its receipt, whatever ids an importer gave it."""
    return _digest([record[name] for name in ("symbol", "ts", "ts_exchange", "type", "bids", "asks")])


def _digest(values: list[Any]) -> bytes:
    return blake2b(orjson.dumps(values), digest_size=_DIGEST).digest()
