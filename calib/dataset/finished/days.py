"""The days of a dataset, each read only where its finished rows are not at hand already.

What an entry gives is what reading the file would give, to the last bit: whole rows are kept and put together, never
parts of sums. Of what it would take other files to finish, the intervals that cross midnight, the lines themselves are
kept, and summed again each time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

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
from calib.feeds.reading.state import PrefixChanged
from calib.feeds.reading.stats import FileStats
from calib.words import counted


class DayReader(ReadFiles, Protocol):
    """What reads the files of a plan."""

    def lines(self, file: DayFile, columns: Sequence[str], copy: ReadingCopy) -> Generator[pl.DataFrame]:
        """The batches of a file; the first reading of it fills the copy."""
        ...

    def take(self, file: DayFile, stats: FileStats, symbols: set[str], rejects: bytes) -> None:
        """Note what an earlier run found in a file, and write its rejects."""
        ...


class WholeDays(Protocol):
    """What sums some files at once instead of batch by batch."""

    def suits(self, file: DayFile) -> bool:
        """Whether it can sum this one."""
        ...

    def sum_day(self, file: DayFile, reader: Any, copy: ReadingCopy, columns: DayColumns) -> DaySums:
        """What a file comes to; the copy is filled, and the reader gets the facts."""
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
        self._headers: dict[DayFile, DayHeader] = {}
        self._columns: dict[str, DayColumns] = {}
        self.whole: WholeDataset | None = None
        """The dataset's own entry; None before it is known, or where a file has none."""
        self.served = self.continued = self.read = 0
        """Files whose rows were at hand, that had grown, and that were read whole."""

    def worth_it(self, plan: DatasetPlan) -> bool:
        """Whether any file of a plan may have an entry: where none may, the files are best read without them."""
        return may_have_entries(plan, self._worth_bytes)

    def look_up(self, plan: DatasetPlan, kinds: Sequence[Summation]) -> dict[DayFile, int]:
        """Find the entries of a plan's files, where `worth_it`; of each file how many of its bytes are known."""
        for sums in kinds:
            self._columns[sums.kind] = DayColumns.of(sums)
            for file in plan.files:
                if file.kind == sums.kind:
                    self._found[file] = self._look_up(file, plan, sums)
        return {file: look.entry.header.stats.bytes for file, look in self._found.items() if look.entry is not None}

    def dataset(self, asked: str, reader: DayReader) -> tuple[Dataset, list[str]] | None:
        """The dataset and its notes, where all files are as they were; the reader then has what was found in them.

        Parameters
        ----------
        asked
            Everything that was asked of the dataset, in any words.
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
        except DamagedEntry:  # deleted just now: nothing of it is known, each day is looked at by itself
            reader.stats.clear()
            self._headers.clear()
            return None
        self.whole, self.served = whole, len(headers)
        return found

    def keep(self, asked: str, dataset: Dataset, notes: Sequence[str]) -> None:
        """Keep the dataset that was made of the days, where each of them is kept."""
        headers = [self._headers[file] for file in self._found if file in self._headers]
        if headers and len(headers) == len(self._found):
            self.whole = WholeDataset(self._entries, whole_key(asked, headers), verify=self._verify)
            self.whole.keep(dataset, notes)
            self.trim()

    def trim(self) -> None:
        """Bring the directory back below its limit."""
        self._entries.trim()

    def sum_days(
        self, reader: DayReader, wanted: LineFilter, sums: Summation, kernel: WholeDays | None = None
    ) -> pl.DataFrame:
        """As `calib.dataset.intervals.sum_days`, of the files that were looked up; files that suit the kernel by it."""
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
        assert edges.late.is_empty()  # a day's edge lines come at once, and its end closes no later interval
        return pl.concat(done).sort(*GROUP)

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
            now = KnownFile(file, FileIdentity.of(file.local), file in plan.newest)
            if now.identity.size < self._worth_bytes:
                return look
            books = tuple(KnownFile(book, FileIdentity.of(book.local), is_newest(book)) for book in _books(file, plan))
            look = Lookup(look.name, key, now, books)
            entry = self._entries.read(look.name, DayHeader)
            return look if entry is None else judged(look, entry, verify=self._verify)
        except OSError:
            return look  # what reads the file says what is wrong

    def _day(
        self, look: Lookup, reader: DayReader, grid: Grid, sums: Summation, file: DayFile, kernel: WholeDays | None
    ) -> DaySums:
        if look.entry is not None:
            with contextlib.suppress(DamagedEntry, PrefixChanged, LateLine):
                return self._read_on(look, reader, grid, sums) if look.grown else self._serve(look, reader, sums)
            # It may have been read to its end before it turned out to be another file: that reading counts for nothing.
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
        """The rows as they were kept."""
        entry, columns = look.entry, self._columns[sums.kind]
        assert entry is not None
        names = SECTIONS if look.stale_identity else (REJECTS, BOOK_REJECTS)
        # Before anything is noted: where the entry is damaged, the file is read as if it had none.
        rows, edges = entry.frame(ROWS, columns.rows), entry.frame(EDGES, columns.lines)
        self._take(look, reader, names)
        self.served += 1
        return DaySums(rows, edges, columns.lines.to_frame())

    def _take(self, look: Lookup, reader: DayReader, names: Iterable[str]) -> None:
        """Give the reader what the entry says of the file; these sections are at hand for a new identity."""
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
        part.edges = pl.concat([before.edges.filter(pl.col(LINE) < state.line), part.edges])
        self._keep(look, reader, copy, part, now.file)
        self.continued += 1
        return part

    def _keep(self, look: Lookup, reader: DayReader, copy: ReadingCopy, part: DaySums, file: DayFile) -> None:
        """Write the entry of a file that was read."""
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
