"""Sum the days of a dataset; only files without stored finished rows are read.

The rows of an entry are bit-identical to those of reading the file: an entry has complete rows, never partial sums.
Intervals that cross midnight need lines of two files. Their lines are stored and summed again in each run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import polars as pl

from calib.dataset.finished.copies import ReadingCopy, rejects_before
from calib.dataset.finished.day_entry import ReadFiles, day_entry
from calib.dataset.finished.day_sums import DayColumns, DaySums, LateLine, continued, sum_day
from calib.dataset.finished.directory import EntryDirectory
from calib.dataset.finished.entry import (
    BOOK_REJECTS,
    EDGES,
    OPEN,
    REJECTS,
    ROWS,
    SECTIONS,
    DamagedEntry,
    DayHeader,
    encode,
)
from calib.dataset.finished.identity import FileIdentity
from calib.dataset.finished.key import key_of
from calib.dataset.finished.lookup import KnownFile, Lookup, judged
from calib.dataset.finished.whole import WholeDataset, whole_key
from calib.dataset.grid import DAY_S, INDEX, Grid
from calib.dataset.intervals import LineFilter, Summation
from calib.dataset.kept_days import WORTH_BYTES, may_have_entries
from calib.dataset.model import Dataset
from calib.dataset.order import GROUP
from calib.dataset.plan import DatasetPlan
from calib.dataset.watermark_buffer import WatermarkBuffer
from calib.feeds.reading.batches import LINE
from calib.feeds.reading.days import DayFile, is_newest
from calib.feeds.reading.rejects import RejectWriter
from calib.feeds.reading.state import PrefixChanged
from calib.feeds.reading.stats import FileStats
from calib.words import counted

if TYPE_CHECKING:
    from calib.dataset.finished.day_kernel import DayKernel


class DayReader(ReadFiles, Protocol):
    """Reader of the files of a plan."""

    symbols: set[str]

    @property
    def progress(self) -> Callable[[float], None]:
        """Function that is called with the number of stored bytes read since its last call."""
        ...

    def lines(self, file: DayFile, columns: Sequence[str], copy: ReadingCopy) -> Generator[pl.DataFrame]:
        """Yield the batches of a file; the first reading is recorded in ``copy``."""
        ...

    def rejects(self, file: DayFile) -> contextlib.AbstractContextManager[RejectWriter | None]:
        """Return a context with the writer of a file's rejects."""
        ...

    def take(self, file: DayFile, stats: FileStats, symbols: set[str], rejects: bytes) -> None:
        """Take over the results of an earlier run for a file, and write its rejects."""
        ...


class FinishedDays:
    """The finished rows of one dataset's files. An instance is used for one run.

    Parameters
    ----------
    directory
        Directory of the entries; created with the first entry. It can be deleted at any time.
    limit_bytes
        Largest size of all entries together; the least recently used entries are removed first.
    verify
        Detect changes by a hash of the whole file, not by its size, times, inode, head and tail.
    worth_bytes
        Size of the smallest file that gets an entry.
    """

    def __init__(
        self, directory: Path, *, limit_bytes: int = 4 << 30, verify: bool = False, worth_bytes: int = WORTH_BYTES
    ) -> None:
        self._entries = EntryDirectory(directory, limit_bytes)
        self._verify, self._worth_bytes = verify, worth_bytes
        self._found: dict[DayFile, Lookup] = {}
        self._headers: dict[DayFile, DayHeader] = {}
        self._columns: dict[str, DayColumns] = {}
        self.whole: WholeDataset | None = None
        """Entry of the whole dataset; None before it is looked up, or if a file has no entry."""
        self.served = self.continued = self.read = 0
        """Number of files whose rows came from entries, that had grown and were continued, and that were read whole."""

    def worth_it(self, plan: DatasetPlan) -> bool:
        """Whether any file of a plan may have an entry; if none may, reading without `FinishedDays` is faster."""
        return may_have_entries(plan, self._worth_bytes)

    def look_up(self, plan: DatasetPlan, kinds: Sequence[Summation]) -> dict[DayFile, int]:
        """Find the entries of a plan's files; return the number of bytes of each file that its entry covers."""
        for sums in kinds:
            self._columns[sums.kind] = DayColumns.of(sums)
            for file in plan.files:
                if file.kind == sums.kind:
                    self._found[file] = self._look_up(file, plan, sums)
        return {file: look.entry.header.stats.bytes for file, look in self._found.items() if look.entry is not None}

    def dataset(self, asked: str, reader: DayReader) -> tuple[Dataset, list[str]] | None:
        """Return the stored dataset and its notes; None if it is not stored or a file has changed.

        If it is returned, the reader has the stored statistics, symbols and rejects of the files.

        Parameters
        ----------
        asked
            Text that identifies the range and the options of the dataset.
        """
        looks = self._found.values()
        headers = [look.entry.header for look in looks if look.entry is not None and not look.grown]
        if not headers or len(headers) < len(looks) or any(look.stale_identity for look in looks):
            return None
        whole = WholeDataset(self._entries, whole_key(asked, headers), verify=self._verify)
        if (found := whole.read()) is None:
            return None
        try:
            for look in looks:
                self._take(look, reader, (REJECTS, BOOK_REJECTS))
        except DamagedEntry:  # deleted since the look-up: handle each day separately
            reader.stats.clear()
            self._headers.clear()
            return None
        self.whole, self.served = whole, len(headers)
        return found

    def keep(self, asked: str, dataset: Dataset, notes: Sequence[str]) -> None:
        """Store the dataset that was built from the days, if each day has an entry."""
        headers = [self._headers[file] for file in self._found if file in self._headers]
        if headers and len(headers) == len(self._found):
            self.whole = WholeDataset(self._entries, whole_key(asked, headers), verify=self._verify)
            self.whole.keep(dataset, notes)
            self.trim()

    def trim(self) -> None:
        """Remove entries until the directory is within its limit."""
        self._entries.trim()

    def sum_days(
        self, reader: DayReader, wanted: LineFilter, sums: Summation, kernel: DayKernel | None = None
    ) -> pl.DataFrame:
        """Sum the files that were looked up, like `calib.dataset.intervals.sum_days`.

        Files that the kernel supports (`DayKernel.suits`) are summed by it.
        """
        done = [self._columns[sums.kind].rows.to_frame()]
        edges = WatermarkBuffer(wanted.grid, lambda lines: done.append(sums(lines)))
        files = [file for file in self._found if file.kind == sums.kind]
        for number, file in enumerate(files):
            part = self._day(self._found[file], reader, wanted.grid, sums, file, kernel)
            done.append(_chosen(part.rows, wanted))
            if part.edges.height:
                edges.add(wanted.of(part.edges, number))
            edges.end_day(file.first_ts + DAY_S)
        edges.end()
        assert edges.late.is_empty()  # a day's edge lines are added at once, and its end closes no later interval
        return pl.concat(done).sort(*GROUP)

    @property
    def summary(self) -> str:
        """One line for the user: how many files were served from entries, continued and read."""
        if not self._found:
            return "finished days: none, the files are small, or intervals of over an hour cross midnight"
        files = counted(self.served + self.continued + self.read, "file")
        text = f"finished days: {self.served} of {files} at hand, {self.continued} read on, {self.read} read whole"
        return f"{text}; nothing was kept: {self._entries.trouble}" if self._entries.trouble else text

    def _look_up(self, file: DayFile, plan: DatasetPlan, sums: Summation) -> Lookup:
        key = key_of(file, plan.grid, sums)
        look = Lookup(f"{file.name}.{key[:16]}", key, None)
        try:
            now = KnownFile(file, FileIdentity.of(file.local), file in plan.newest)
            if now.identity.size < self._worth_bytes:
                return look
            books = tuple(KnownFile(book, FileIdentity.of(book.local), is_newest(book)) for book in _books(file, plan))
            look = Lookup(look.name, key, now, books)
            entry = self._entries.read(look.name, DayHeader)
            return look if entry is None else judged(look, entry, verify=self._verify)
        except OSError:
            return look  # reading the file raises the error

    def _day(
        self, look: Lookup, reader: DayReader, grid: Grid, sums: Summation, file: DayFile, kernel: DayKernel | None
    ) -> DaySums:
        if look.entry is not None:
            with contextlib.suppress(DamagedEntry, PrefixChanged, LateLine):
                return self._read_on(look, reader, grid, sums) if look.grown else self._serve(look, reader, sums)
            # The file may have been read to its end before the change was detected: discard the results.
            reader.stats.pop(file, None)
            self._headers.pop(file, None)
        copy, columns = ReadingCopy(), self._columns[sums.kind]
        if kernel is not None and kernel.suits(file):
            part = kernel.sum_day(file, reader, copy, columns)
        else:
            part = sum_day(file, grid, partial(reader.lines, file, sums.columns, copy), sums, columns)
        self._keep(look, reader, copy, part, file)
        self.read += 1
        return part

    def _serve(self, look: Lookup, reader: DayReader, sums: Summation) -> DaySums:
        """Return the stored rows and edge lines of a file that has not changed."""
        entry, columns = look.entry, self._columns[sums.kind]
        assert entry is not None
        names = SECTIONS if look.stale_identity else (REJECTS, BOOK_REJECTS)
        # Read both before the reader is updated: with a damaged entry, the file is read as if it had no entry.
        rows, edges = entry.frame(ROWS, columns.rows), entry.frame(EDGES, columns.lines)
        self._take(look, reader, names)
        self.served += 1
        return DaySums(rows, edges, columns.lines.to_frame())

    def _take(self, look: Lookup, reader: DayReader, names: Iterable[str]) -> None:
        """Pass the results in the entry to the reader; write the entry again if its file identities are stale.

        Parameters
        ----------
        names
            Sections to read; all of them if the entry is written again.
        """
        entry, now = look.entry, look.now
        assert entry is not None
        assert now is not None
        sections = {name: entry.section(name) for name in names}
        reader.take(now.file, entry.header.stats, set(entry.header.symbols), sections[REJECTS])
        for use, book in zip(entry.header.books, look.books, strict=False):
            if use.stats is not None:
                reader.take(book.file, use.stats, set(), sections[BOOK_REJECTS])
        if look.stale_identity:
            self._write(now.file, look, look.current(), sections)
        else:
            self._headers[now.file] = entry.header
            self._entries.touch(look.name)

    def _read_on(self, look: Lookup, reader: DayReader, grid: Grid, sums: Summation) -> DaySums:
        """Return the rows of a file that has grown; the rows of its open intervals are summed again."""
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
        # The open lines were summed again. None of them is an edge line, so no edge line is duplicated here.
        part.edges = pl.concat([before.edges.filter(pl.col(LINE) < state.line), part.edges])
        self._keep(look, reader, copy, part, now.file)
        self.continued += 1
        return part

    def _keep(self, look: Lookup, reader: DayReader, copy: ReadingCopy, part: DaySums, file: DayFile) -> None:
        """Write the entry of a file that was read, if it gets one."""
        if (entry := day_entry(look, reader, copy, part, file)) is not None:
            self._write(file, look, *entry)

    def _write(self, file: DayFile, look: Lookup, header: DayHeader, sections: Mapping[str, bytes]) -> None:
        try:
            parts = encode(header, sections)
        except UnicodeEncodeError:  # a name that is not UTF-8: the file gets no entry
            return
        self._entries.write(look.name, parts)
        self._headers[file] = header


def _chosen(rows: pl.DataFrame, wanted: LineFilter) -> pl.DataFrame:
    """Return the rows within the span and, unless none are given, of the symbols."""
    step = wanted.grid.interval_sec
    inside = (rows[INDEX] >= wanted.span.start // step) & (rows[INDEX] < wanted.span.end // step)
    if wanted.symbols:
        inside &= rows["symbol"].is_in(wanted.symbols)
    return rows if inside.all() else rows.filter(inside)


def _books(file: DayFile, plan: DatasetPlan) -> Iterator[DayFile]:
    """Yield the books that the markouts of a file need: that of its day and, if both exist, that of the next day."""
    if file.kind != "fills":
        return
    by_day = {book.first_ts: book for book in plan.books}
    for day in (file.first_ts, file.first_ts + DAY_S):
        if day not in by_day:
            return
        yield by_day[day]
