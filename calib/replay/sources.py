"""The recorded feeds as one row of events in time order, in bounded memory."""

from __future__ import annotations

import contextlib
import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import accumulate, compress, count, islice, repeat
from operator import lt
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

from calib.errors import NoFeeds
from calib.feeds.reading.batches import RecordReading, read_batches, read_records
from calib.feeds.reading.days import DayFile, days_missing, find_days, newest_days
from calib.feeds.reading.rejects import check_ratio, rejects_path, rejects_to
from calib.feeds.reading.stats import FileStats
from calib.feeds.settings import MAX_REJECT_RATIO
from calib.storage import size_of

US_PER_S: Final = 1_000_000
BATCH: Final = 4096
HELD: Final = 1024
"""Ticks and fills are sorted within that many lines."""


class EventKind:
    """What an event is; at equal times the lower comes first. Plain numbers: they are compared for every line."""

    BOOK: Final = 0
    TRADES: Final = 1
    ALIVE: Final = 2
    """A frame that the recording left out (a ping, another stream's) and a tick tells of by its ``ws_gap_ms``."""
    TICKS: Final = 3
    FILLS: Final = 4


KINDS: Final = {
    "book": EventKind.BOOK,
    "trades": EventKind.TRADES,
    "pipeline_ticks": EventKind.TICKS,
    "fills": EventKind.FILLS,
}


class Event(NamedTuple):
    """One recorded line: Unix microseconds, kind, its rank within the kind (the order of its file), and the line."""

    us: int
    kind: int
    rank: int
    line: int
    record: Any
    added: bool = False
    """Whether it was put between recorded ones, see `calib.replay.expand`."""


_event: Final = tuple.__new__
"""`Event` from a tuple: half the cost of its own constructor, for every line."""


_Block: TypeAlias = tuple[Sequence[int], Sequence[int], Sequence[Any]]
"""Lines that follow each other: their times in Unix us, their numbers, the lines."""


@dataclass(slots=True)
class Late:
    """Lines of one kind whose time lies before that of a line before them."""

    lines: int = 0
    max_s: float = 0.0

    def add(self, by_us: int) -> None:
        self.lines += 1
        self.max_s = max(self.max_s, by_us / US_PER_S)


@dataclass(slots=True)
class Sources:
    """The feed files of one replay.

    Parameters
    ----------
    directory
        Where the feeds lie.
    start, end
        The range [start, end), Unix seconds; None where that side is open.
    symbols
        Only these; empty for all.
    out
        Root below which rejects are written; None writes none.
    max_reject_ratio
        See `calib.feeds.reading.rejects.check_ratio`.
    """

    directory: Path
    start: float | None = None
    end: float | None = None
    symbols: tuple[str, ...] = ()
    out: Path | None = None
    max_reject_ratio: float = MAX_REJECT_RATIO
    stats: dict[str, FileStats] = field(default_factory=dict)
    late: dict[str, Late] = field(default_factory=dict)
    _files: list[DayFile] = field(default_factory=list)
    _open: dict[str, RecordReading] = field(default_factory=dict)

    def files(self) -> list[DayFile]:
        """The files that are read: those of the range, and the books before it that it takes to know its beginning.

        Raises
        ------
        NoFeeds
            Where there is no book feed: without one nothing can be replayed.
        """
        if not self._files:
            found = find_days(self.directory, KINDS)
            if not any(file.kind == "book" for file in found):
                raise NoFeeds(
                    "holds no book feed, and a replay needs one",
                    where=str(self.directory),
                    hint="Record one with BookLogger, or make one with `calib import`",
                )
            self._files = self._chosen(found)
        return self._files

    def has(self, kind: str) -> bool:
        """Whether the range has files of that kind."""
        return any(file.kind == kind for file in self.files())

    def events(self, *, ticks: bool = True) -> Iterator[Event]:
        """Every line of the range, and the book lines before it, in time order.

        Books and trades keep the order of their lines, which is the order of their arrival: a line whose clock went
        back is taken at the time of the line before it, and counted as late. Ticks and fills are written by loggers
        of their own: those are sorted, within 1,024 lines.
        """
        wanted = [kind for kind in KINDS if ticks or kind != "pipeline_ticks"]
        yield from heapq.merge(*(self._of_kind(kind) for kind in wanted if self.has(kind)))

    def stored_bytes(self, *kinds: str) -> int:
        """The size of the files as they lie there, of those kinds or of all."""
        return sum(size_of(file.path) for file in self.files() if not kinds or file.kind in kinds)

    def bytes_read(self) -> int:
        """How much of them `events` has read."""
        ended = sum(stats.bytes for stats in self.stats.values())
        return ended + sum(reading.bytes_read for reading in self._open.values())

    def missing_days(self) -> dict[str, list[str]]:
        """Days without a file between the first and the last file that is read, by kind that has any."""
        files = self.files()
        first, last = min(file.day for file in files), max(file.day for file in files)
        kinds = [kind for kind in KINDS if self.has(kind)]
        return {kind: [str(day) for day in days_missing(files, kind, first, last)] for kind in kinds}

    def _of_kind(self, kind: str) -> Iterator[Event]:
        if kind in ("book", "trades"):
            return self._as_they_came(kind)
        return self._sorted(kind, self._logged(kind))

    def _blocks(self, kind: str) -> Iterator[_Block]:
        """The lines of the range, a block of neighbours at a time."""
        start_us = None if self.start is None or kind == "book" else round(self.start * US_PER_S)
        end_us = None if self.end is None else round(self.end * US_PER_S)
        symbols = frozenset(self.symbols)
        for lines, records in self._records(kind):
            block: _Block = [round(record.ts * US_PER_S) for record in records], lines, records
            if symbols:
                block = _chosen_of(block, [record.symbol in symbols for record in records])
            if start_us is not None or end_us is not None:
                low = -math.inf if start_us is None else start_us
                high = math.inf if end_us is None else end_us
                block = _chosen_of(block, [low <= us < high for us in block[0]])
            if block[0]:
                yield block

    def _records(self, kind: str) -> Iterator[tuple[Sequence[int], Sequence[Any]]]:
        newest = newest_days(self.files())
        for file in self.files():
            if file.kind != kind:
                continue
            with contextlib.ExitStack() as stack:
                path = None if self.out is None else rejects_path(self.out, file.name)
                rejects = stack.enter_context(rejects_to(path))
                reading = self._open[file.name] = read_records(file, newest=file in newest, rejects=rejects)
                yield from reading.blocks()
                self.stats[file.name] = self._open.pop(file.name).stats
            check_ratio(reading.stats, self.max_reject_ratio)

    def _as_they_came(self, kind: str) -> Iterator[Event]:
        """In the order of their lines; one whose clock went back at the time of the line before it."""
        late, latest, ranks = self.late.setdefault(kind, Late()), 0, count(1)
        for told, lines, records in self._blocks(kind):
            times = told
            if told[0] < latest or any(map(lt, told[1:], told)):
                times = list(accumulate(told, max, initial=latest))[1:]
                for us, taken in zip(told, times, strict=True):
                    if us < taken:
                        late.add(taken - us)
            latest = times[-1]
            # No loop of ours: most lines of a recording come by here.
            rows = zip(times, repeat(KINDS[kind]), ranks, lines, records, repeat(False))
            yield from map(_event, repeat(Event), rows)

    def _logged(self, kind: str) -> Iterator[Event]:
        """In the order of their lines, whatever their times; what a tick tells of the stream comes after it."""
        ranks = count(1)
        for block in self._blocks(kind):
            for us, line, record in zip(*block, strict=True):
                rank = next(ranks)
                yield Event(us, KINDS[kind], rank, line, record)
                if kind == "pipeline_ticks" and record.ws_gap_ms is not None:
                    yield Event(us - round(record.ws_gap_ms * 1000), EventKind.ALIVE, rank, line, record)

    def _sorted(self, kind: str, events: Iterator[Event]) -> Iterator[Event]:
        """Sort within a bound; what comes later still is taken as late."""
        late, latest, held = self.late.setdefault(kind, Late()), 0, list[Event]()
        while batch := list(islice(events, BATCH)):
            held += batch
            held.sort()
            ready, held = (held, []) if len(batch) < BATCH else (held[:-HELD], held[-HELD:])
            for event in ready:
                if event.us < latest:
                    if event.kind != EventKind.ALIVE:
                        late.add(latest - event.us)
                        yield event._replace(us=latest)
                else:
                    latest = event.us
                    yield event
        yield from held

    def _chosen(self, found: list[DayFile]) -> list[DayFile]:
        first, last = _day(self.start), _day(self.end)
        chosen = [file for file in found if (first is None or file.day >= first) and (last is None or file.day <= last)]
        if self.end is not None:
            chosen = [file for file in chosen if file.first_ts < self.end]
        if self.start is not None and first is not None:
            chosen = [*self._before(found, first, self.start), *chosen]
        if not any(file.kind == "book" for file in chosen):
            raise NoFeeds("holds no book feed of that range", where=str(self.directory), hint="Check --from and --to")
        return chosen

    def _before(self, found: list[DayFile], first: date, start: float) -> list[DayFile]:
        """The book files before the range's first day, back to the last snapshots from which its books are known."""
        books = [file for file in found if file.kind == "book" and file.day <= first]
        needed: set[str] | None = None
        back: list[DayFile] = []
        for file in reversed(books):
            seen, known = _symbols_before(file, start, frozenset(self.symbols))
            needed = (seen if needed is None else needed) - known
            if file.day < first:
                back.append(file)
            if not needed:
                break
        return back[::-1]


def _chosen_of(block: _Block, chosen: Sequence[bool]) -> _Block:
    times, lines, records = (list(compress(column, chosen)) for column in block)
    return times, lines, records


def _symbols_before(file: DayFile, start: float, wanted: frozenset[str]) -> tuple[set[str], set[str]]:
    """The symbols of a book file, and those with a snapshot before ``start``."""
    seen: set[str] = set()
    known: set[str] = set()
    for batch in read_batches(file, ["ts", "symbol", "type"], newest=True):
        for ts, symbol, kind in batch.select("ts", "symbol", "type").iter_rows():
            if not wanted or symbol in wanted:
                seen.add(symbol)
                if kind == "snapshot" and ts < start:
                    known.add(symbol)
    return seen, known


def _day(ts: float | None) -> date | None:
    return None if ts is None else datetime.fromtimestamp(ts, UTC).date()
