"""The recorded feeds as one sequence of events in time order, in bounded memory."""

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
"""Ticks and fills are sorted within this number of lines."""


class EventKind:
    """The kind of an event; of equal times the lower kind comes first. Plain integers, compared for every line."""

    BOOK: Final = 0
    TRADES: Final = 1
    ALIVE: Final = 2
    """A frame that is not in the recording (a ping, another stream's), derived from ``ws_gap_ms`` of a tick."""
    TICKS: Final = 3
    FILLS: Final = 4


KINDS: Final = {
    "book": EventKind.BOOK,
    "trades": EventKind.TRADES,
    "pipeline_ticks": EventKind.TICKS,
    "fills": EventKind.FILLS,
}


class Event(NamedTuple):
    """One recorded line: Unix microseconds, kind, rank within the kind (file order), line number, and the record."""

    us: int
    kind: int
    rank: int
    line: int
    record: Any
    added: bool = False
    """Whether it was added between recorded lines, see `calib.replay.expand`."""


_event: Final = tuple.__new__
"""Creates `Event` from a tuple at half the cost of its constructor, for every line."""


_Block: TypeAlias = tuple[Sequence[int], Sequence[int], Sequence[Any]]
"""Consecutive lines: times in Unix us, line numbers, records."""


@dataclass(slots=True)
class Late:
    """Lines of one kind whose time is before that of an earlier line."""

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
        The feed directory.
    start, end
        The range [start, end), Unix seconds; None if that side is open.
    symbols
        Only these symbols; empty for all.
    out
        Directory in which rejects are written; None: not written.
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
        """The files to read: those of the range, and earlier book files needed to know the books at its start.

        Raises
        ------
        NoFeeds
            If there is no book feed: a replay requires one.
        """
        if not self._files:
            found = find_days(self.directory, KINDS)
            if not any(file.kind == "book" for file in found):
                raise NoFeeds(
                    "holds no book feed, which a replay requires",
                    where=str(self.directory),
                    hint="Record one with BookLogger, or create one with `calib import`",
                )
            self._files = self._chosen(found)
        return self._files

    def has(self, kind: str) -> bool:
        """Whether there are files of that kind in the range."""
        return any(file.kind == kind for file in self.files())

    def events(self, *, ticks: bool = True) -> Iterator[Event]:
        """Yield every line of the range, and the book lines before it, in time order.

        Books and trades keep the order of their lines, which is the order of arrival: a line with an earlier time than
        the line before it gets that line's time and is counted as late. Ticks and fills come from separate loggers and
        are sorted, within 1,024 lines.
        """
        wanted = [kind for kind in KINDS if ticks or kind != "pipeline_ticks"]
        yield from heapq.merge(*(self._of_kind(kind) for kind in wanted if self.has(kind)))

    def stored_bytes(self, *kinds: str) -> int:
        """Total size of the stored files, of these kinds or of all."""
        return sum(size_of(file.path) for file in self.files() if not kinds or file.kind in kinds)

    def bytes_read(self) -> int:
        """Number of stored bytes that `events` has read."""
        ended = sum(stats.bytes for stats in self.stats.values())
        return ended + sum(reading.bytes_read for reading in self._open.values())

    def missing_days(self) -> dict[str, list[str]]:
        """Days without a file between the first and last file, by kind; only kinds that have files."""
        files = self.files()
        first, last = min(file.day for file in files), max(file.day for file in files)
        kinds = [kind for kind in KINDS if self.has(kind)]
        return {kind: [str(day) for day in days_missing(files, kind, first, last)] for kind in kinds}

    def _of_kind(self, kind: str) -> Iterator[Event]:
        if kind in ("book", "trades"):
            return self._in_line_order(kind)
        return self._sorted(kind, self._logged(kind))

    def _blocks(self, kind: str) -> Iterator[_Block]:
        """The lines of the range in blocks of consecutive lines."""
        start_us = None if self.start is None or kind == "book" else round(self.start * US_PER_S)
        end_us = None if self.end is None else round(self.end * US_PER_S)
        symbols = frozenset(self.symbols)
        for lines, records in self._records(kind):
            block: _Block = [round(record.ts * US_PER_S) for record in records], lines, records
            if symbols:
                block = _filtered(block, [record.symbol in symbols for record in records])
            if start_us is not None or end_us is not None:
                low = -math.inf if start_us is None else start_us
                high = math.inf if end_us is None else end_us
                block = _filtered(block, [low <= us < high for us in block[0]])
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

    def _in_line_order(self, kind: str) -> Iterator[Event]:
        """In the order of the lines; a line with an earlier time gets the time of the line before it."""
        late, latest, ranks = self.late.setdefault(kind, Late()), 0, count(1)
        for recorded_us, lines, records in self._blocks(kind):
            times = recorded_us
            if recorded_us[0] < latest or any(map(lt, recorded_us[1:], recorded_us)):
                times = list(accumulate(recorded_us, max, initial=latest))[1:]
                for us, taken in zip(recorded_us, times, strict=True):
                    if us < taken:
                        late.add(taken - us)
            latest = times[-1]
            # No Python loop: most lines of a recording pass here.
            rows = zip(times, repeat(KINDS[kind]), ranks, lines, records, repeat(False))
            yield from map(_event, repeat(Event), rows)

    def _logged(self, kind: str) -> Iterator[Event]:
        """In the order of the lines, whatever their times; heartbeats derived from a tick follow it."""
        ranks = count(1)
        for block in self._blocks(kind):
            for us, line, record in zip(*block, strict=True):
                rank = next(ranks)
                yield Event(us, KINDS[kind], rank, line, record)
                if kind == "pipeline_ticks" and record.ws_gap_ms is not None:
                    yield Event(us - round(record.ws_gap_ms * 1000), EventKind.ALIVE, rank, line, record)

    def _sorted(self, kind: str, events: Iterator[Event]) -> Iterator[Event]:
        """Sort within a bound; events later than that are counted as late."""
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
            raise NoFeeds("holds no book feed in the range", where=str(self.directory), hint="Check --from and --to")
        return chosen

    def _before(self, found: list[DayFile], first: date, start: float) -> list[DayFile]:
        """The book files before the first day of the range, back to the last snapshot of each of its symbols."""
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


def _filtered(block: _Block, chosen: Sequence[bool]) -> _Block:
    times, lines, records = (list(compress(column, chosen)) for column in block)
    return times, lines, records


def _symbols_before(file: DayFile, start: float, wanted: frozenset[str]) -> tuple[set[str], set[str]]:
    """The symbols of a book file, and those that have a snapshot before ``start``."""
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
