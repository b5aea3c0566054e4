"""The days of a dataset, each read only where its finished rows are not at hand already.

What an entry gives is what reading the file would give, to the last bit: whole rows are kept and put together, never
parts of sums. Of what it would take other files to finish, the intervals that cross midnight, the lines themselves are
kept, and summed again each time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final, Protocol

import polars as pl

from calib.dataset.finished.copies import ReadingCopy, rejects_before
from calib.dataset.finished.day_sums import Columns, DaySums, LateLine, continued, sum_day
from calib.dataset.finished.directory import EntryDirectory
from calib.dataset.finished.entry import (
    BOOK_REJECTS,
    EDGES,
    FORMAT,
    OPEN,
    REJECTS,
    ROWS,
    BookUse,
    DamagedEntry,
    EntryHeader,
    encode,
    frame_bytes,
)
from calib.dataset.finished.identity import FileIdentity
from calib.dataset.finished.key import key_of
from calib.dataset.finished.lookup import KnownFile, Lookup, judged
from calib.dataset.grid import DAY_S, INDEX, Grid
from calib.dataset.intervals import LineFilter, Summation
from calib.dataset.markouts import BookMarkouts
from calib.dataset.order import GROUP
from calib.dataset.plan import DatasetPlan
from calib.dataset.watermark_buffer import WatermarkBuffer
from calib.feeds.reading.days import DayFile, is_newest
from calib.feeds.reading.state import PrefixChanged
from calib.feeds.reading.stats import FileStats
from calib.words import counted

WORTH_BYTES: Final = 1 << 20
"""Stored bytes from which on a file gets an entry: reading a smaller one takes no longer than looking for its entry."""
MAX_LINES_BYTES: Final = 64 << 20
"""Bytes of open lines past which a grown file is read from its beginning, and of edge lines past which there is no
entry."""
LONGEST_EDGE_S: Final = 3600
"""Longest interval that need not divide a day: with longer ones too many lines of a day cross midnight."""


class DayReader(Protocol):
    """What reads the files of a plan, see `calib.dataset.build`."""

    stats: dict[DayFile, FileStats]
    book_copies: dict[DayFile, ReadingCopy]
    markouts: BookMarkouts

    def lines(self, file: DayFile, columns: Sequence[str], copy: ReadingCopy) -> Generator[pl.DataFrame]:
        """The batches of a file; the first reading of it fills the copy."""
        ...

    def take(self, file: DayFile, stats: FileStats, symbols: set[str], rejects: bytes) -> None:
        """Note what an earlier run found in a file, and write its rejects."""
        ...


class FinishedDays:
    """The finished rows of one dataset's files; made for one run.

    Parameters
    ----------
    directory
        Where the entries lie; made by the first. It is safe to delete at any moment.
    limit_bytes
        Of all entries together; those used longest ago go first.
    verify
        Hash whole files instead of trusting size, times, inode, head and tail.
    worth_bytes
        Smallest file that gets an entry.
    """

    def __init__(
        self, directory: Path, *, limit_bytes: int = 4 << 30, verify: bool = False, worth_bytes: int = WORTH_BYTES
    ) -> None:
        self._entries = EntryDirectory(directory, limit_bytes)
        self._verify, self._worth_bytes = verify, worth_bytes
        self._found: dict[DayFile, Lookup] = {}
        self._columns: dict[str, Columns] = {}
        self._usable = False
        self.served = self.continued = self.read = 0
        """Files whose rows were at hand, that had grown, and that were read whole."""

    def worth_it(self, plan: DatasetPlan) -> bool:
        """Whether any file of a plan may have an entry: where none may, the files are best read without them."""
        return _usable(plan.grid) and any(_stored_size(file) >= self._worth_bytes for file in plan.files)

    def look_up(self, plan: DatasetPlan, kinds: Sequence[Summation]) -> list[DayFile]:
        """Find the entries of a plan's files; the files of which there is none."""
        self._usable = _usable(plan.grid)
        if self._usable:
            for sums in kinds:
                self._columns[sums.kind] = Columns.of(sums)
                for file in plan.files:
                    if file.kind == sums.kind:
                        self._found[file] = self._look_up(file, plan, sums)
        return [file for file in plan.files if file not in self._found or self._found[file].entry is None]

    @property
    def usable(self) -> bool:
        """Whether intervals of this length have finished days at all."""
        return self._usable

    def sum_days(self, reader: DayReader, wanted: LineFilter, sums: Summation) -> pl.DataFrame:
        """As `calib.dataset.intervals.sum_days`, of the files that were looked up."""
        done = [self._columns[sums.kind].rows.to_frame()]
        edges = WatermarkBuffer(wanted.grid, lambda lines: done.append(sums(lines)))
        files = [file for file in self._found if file.kind == sums.kind]
        for number, file in enumerate(files):
            part = self._day(self._found[file], reader, wanted.grid, sums, file)
            done.append(_chosen(part.rows, wanted))
            if part.edges.height:
                edges.add(wanted.of(part.edges, number))
            edges.end_day(file.first_ts + DAY_S)
        edges.end()
        assert edges.late.is_empty()  # a day's edge lines come at once, and its end closes no later interval
        return pl.concat(done).sort(*GROUP)

    def close(self) -> None:
        """Bring the directory back below its limit."""
        self._entries.trim()

    @property
    def summary(self) -> str:
        """What it was good for, one line."""
        if not self._found:
            return "finished days: none, the files are small, or intervals of over an hour cross midnight"
        files = counted(self.served + self.continued + self.read, "file")
        text = f"finished days: {self.served} of {files} at hand, {self.continued} read on, {self.read} read whole"
        return f"{text}; nothing was kept: {self._entries.trouble}" if self._entries.trouble else text

    def _look_up(self, file: DayFile, plan: DatasetPlan, sums: Summation) -> Lookup:
        key = key_of(file, plan.grid, sums)
        look = Lookup(f"{file.name}.{key[:16]}", key, None)
        try:
            now = KnownFile(file, FileIdentity.of(file.path), file in plan.newest)
            if now.identity.size < self._worth_bytes:
                return look
            books = tuple(KnownFile(book, FileIdentity.of(book.path), is_newest(book)) for book in _books(file, plan))
            look = Lookup(look.name, key, now, books)
            entry = self._entries.read(look.name)
            return look if entry is None else judged(look, entry, verify=self._verify)
        except OSError:
            return look  # what reads the file says what is wrong

    def _day(self, look: Lookup, reader: DayReader, grid: Grid, sums: Summation, file: DayFile) -> DaySums:
        if look.entry is not None:
            with contextlib.suppress(DamagedEntry, PrefixChanged, LateLine):
                return self._read_on(look, reader, grid, sums) if look.grown else self._serve(look, reader, sums)
        return self._read_whole(look, reader, grid, sums, file)

    def _serve(self, look: Lookup, reader: DayReader, sums: Summation) -> DaySums:
        """The rows as they were kept."""
        entry, now = look.entry, look.now
        assert entry is not None
        assert now is not None
        names = entry.header.sections if look.stale_identity else (ROWS, EDGES, REJECTS, BOOK_REJECTS)
        sections = {name: entry.section(name) for name in names}
        columns = self._columns[sums.kind]
        rows, edges = entry.frame(ROWS, columns.rows), entry.frame(EDGES, columns.lines)
        reader.take(now.file, entry.header.stats, set(entry.header.symbols), sections.get(REJECTS, b""))
        for use, book in zip(entry.header.books, look.books, strict=False):
            if use.stats is not None:
                reader.take(book.file, use.stats, set(), sections.get(BOOK_REJECTS, b""))
        if look.stale_identity:
            self._write(look, look.current(), sections)
        else:
            self._entries.touch(look.name)
        self.served += 1
        return DaySums(rows, edges, columns.lines.to_frame())

    def _read_on(self, look: Lookup, reader: DayReader, grid: Grid, sums: Summation) -> DaySums:
        """The rows of a file that has grown: those of the open intervals are made again."""
        entry, now = look.entry, look.now
        assert entry is not None
        assert now is not None
        header, state = entry.header, entry.header.state
        assert state is not None
        columns = self._columns[sums.kind]
        kept = (entry.frame(EDGES, columns.lines), entry.frame(OPEN, columns.lines))
        before = DaySums(entry.frame(ROWS, columns.rows), *kept)
        symbols = set(header.symbols) - {header.tail_symbol}
        copy = ReadingCopy(state, rejects_before(entry.section(REJECTS), state.line), symbols)
        new = partial(reader.lines, now.file, sums.columns, copy)
        batches, stay = continued(before, state.line, new, grid)
        part = sum_day(now.file, grid, batches, sums, columns)
        part.rows = pl.concat([stay, part.rows]).sort(*GROUP)
        # The open lines went by again, but none of them is of an interval that crosses midnight.
        part.edges = pl.concat([before.edges.filter(pl.col("line") < state.line), part.edges])
        self._keep(look, reader, copy, part, now.file)
        self.continued += 1
        return part

    def _read_whole(self, look: Lookup, reader: DayReader, grid: Grid, sums: Summation, file: DayFile) -> DaySums:
        copy = ReadingCopy()
        batches = partial(reader.lines, file, sums.columns, copy)
        part = sum_day(file, grid, batches, sums, self._columns[sums.kind])
        self._keep(look, reader, copy, part, file)
        self.read += 1
        return part

    def _keep(self, look: Lookup, reader: DayReader, copy: ReadingCopy, part: DaySums, file: DayFile) -> None:
        """Write the entry of a file that was read."""
        rejects, uses, now = copy.rejects, _uses(look, reader), look.now
        if now is None or rejects is None or uses is None or part.edges.estimated_size() > MAX_LINES_BYTES:
            return
        state = copy.state if now.newest and _goes_on(copy, part) else None
        own = next((reader.book_copies[book.file].rejects for book in look.books[:1] if book.file in reader.stats), b"")
        if own is None:
            return
        header = EntryHeader(
            format=FORMAT,
            key=look.key,
            identity=now.identity,
            newest=now.newest,
            unended=copy.unended,
            stats=_without_path(reader.stats[file]),
            symbols=sorted(copy.symbols),
            tail_symbol=copy.tail_symbol,
            state=state,
            books=uses,
        )
        frames = {ROWS: part.rows, EDGES: part.edges, OPEN: part.open if state is not None else part.open.clear()}
        sections = {name: frame_bytes(frame) for name, frame in frames.items()}
        self._write(look, header, sections | {REJECTS: rejects, BOOK_REJECTS: own})

    def _write(self, look: Lookup, header: EntryHeader, sections: Mapping[str, bytes]) -> None:
        with contextlib.suppress(UnicodeEncodeError):  # a name that is not UTF-8: the file gets no entry
            self._entries.write(look.name, encode(header, sections))


def _usable(grid: Grid) -> bool:
    return grid.divides_a_day or grid.interval_sec <= LONGEST_EDGE_S


def _stored_size(file: DayFile) -> int:
    """0 where the file has gone: what reads it says so."""
    try:
        return file.path.stat().st_size
    except OSError:
        return 0


def _chosen(rows: pl.DataFrame, wanted: LineFilter) -> pl.DataFrame:
    """The rows within the span, and of the symbols where any are named."""
    step = wanted.grid.interval_sec
    inside = (rows[INDEX] >= wanted.span.start // step) & (rows[INDEX] < wanted.span.end // step)
    if wanted.symbols:
        inside &= rows["symbol"].is_in(wanted.symbols)
    return rows if inside.all() else rows.filter(inside)


def _books(file: DayFile, plan: DatasetPlan) -> Iterator[DayFile]:
    """The books that the markouts of a file come from: of its day, and of the next."""
    if file.kind != "fills":
        return
    by_day = {book.first_ts: book for book in plan.books}
    for day in (file.first_ts, file.first_ts + DAY_S):
        if day not in by_day:
            return
        yield by_day[day]


def _uses(look: Lookup, reader: DayReader) -> list[BookUse] | None:
    """What was read of the books; None where that is not known."""
    uses = []
    for number, book in enumerate(look.books):
        stats = reader.stats.get(book.file) if number == 0 else None
        if number == 0 and stats is None:
            return []  # no fill, so no book was read
        glance = reader.markouts.glances.get(book.file)
        if stats is not None:
            begin, sha256, ended = stats.bytes, stats.sha256, True
        elif glance is not None:
            begin, sha256, ended = glance
        else:
            return None
        uses.append(
            BookUse(
                file=book.file.name,
                identity=book.identity,
                newest=book.newest,
                stats=None if stats is None else _without_path(stats),
                begin=begin,
                sha256=sha256,
                ended=ended,
            )
        )
    return uses


def _goes_on(copy: ReadingCopy, part: DaySums) -> bool:
    """Whether a grown file can be read on from the copy's state with what is kept of it."""
    if copy.state is None or part.open.estimated_size() > MAX_LINES_BYTES:
        return False
    kept = pl.concat([part.open["line"], part.edges["line"]])
    # A last line without newline that came late stands in a finished row, and may yet turn out to be another line.
    return not copy.tail_used or bool((kept >= copy.state.line).any())


def _without_path(stats: FileStats) -> FileStats:
    return replace(stats, path="")
