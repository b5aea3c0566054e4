"""Read the files of a plan as batches, and keep the statistics, symbols and rejects of each file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from calib.dataset.assembly import checked_stats
from calib.dataset.book_records import BookRecords
from calib.dataset.grid import DAY_S
from calib.dataset.plan import DatasetPlan
from calib.feeds.reading.days import DayFile
from calib.feeds.reading.rejects import RejectWriter, rejects_path, rejects_to
from calib.feeds.reading.stats import FileStats
from calib.storage import Place

if TYPE_CHECKING:
    import polars as pl

    from calib.dataset.finished.copies import ReadingCopy
    from calib.dataset.intervals import DayLines, Summation
    from calib.dataset.markouts import BookMarkouts
    from calib.feeds.reading.pieces import PieceDecoder


@dataclass(slots=True)
class PlanReader:
    """Reader of the plan's files. Statistics, symbols and rejects come from the first reading of each file.

    Parameters
    ----------
    plan
        The plan whose files are read.
    out
        Root of the rejects; if None, bad lines are only counted.
    progress
        Called with the number of stored bytes read since its last call.
    engine
        Decoder of the lines; None for this process.
    """

    plan: DatasetPlan
    out: Place | None
    progress: Callable[[float], None]
    engine: PieceDecoder | None = None
    stats: dict[DayFile, FileStats] = field(default_factory=dict)
    symbols: set[str] = field(default_factory=set)
    """Every symbol in the files, also outside the range."""
    book_copies: dict[DayFile, ReadingCopy] = field(default_factory=dict)
    """Statistics, symbols and rejects of the first reading of each book."""
    markouts: BookMarkouts = field(init=False)

    def __post_init__(self) -> None:
        from calib.dataset.markouts import BookMarkouts

        self.markouts = BookMarkouts(self.plan.books, BookRecords(self.out, self.stats, self.book_copies))

    def days(self, sums: Summation) -> list[DayLines]:
        """Return the lines of each file of the kind that ``sums`` aggregates."""
        from calib.dataset.intervals import DayLines

        return [
            DayLines(file.name, file.first_ts // DAY_S, partial(self.lines, file, sums.columns))
            for file in self.plan.files
            if file.kind == sums.kind
        ]

    def lines(self, file: DayFile, columns: Sequence[str], copy: ReadingCopy | None = None) -> Generator[pl.DataFrame]:
        """Yield the batches of a file; fills have their markouts. The first reading is recorded in ``copy``."""
        for batch in self._batches(file, columns, copy):
            yield self.markouts.add(batch, file.first_ts) if file.kind == "fills" else batch

    def take(self, file: DayFile, stats: FileStats, symbols: set[str], rejects: bytes) -> None:
        """Take over the results of an earlier run for a file, and write its rejects, as if it had been read."""
        with self.rejects(file) as writer:
            if writer is not None:
                writer.add_lines(rejects)
        self.stats[file] = replace(stats, path=str(file.path))
        self.symbols |= symbols
        if file.kind != "book":
            self.progress(stats.bytes)

    def found(self, max_reject_ratio: float) -> list[FileStats]:
        """Return the statistics of the files that were read, in the order of the envelope.

        Raises
        ------
        TooManyRejects
            If the share of bad lines in a file is larger than ``max_reject_ratio``.
        """
        return checked_stats(self.plan, self.stats, max_reject_ratio, self.out)

    def rejects(self, file: DayFile) -> contextlib.AbstractContextManager[RejectWriter | None]:
        """Return a context with the writer of a file's rejects; None if they are only counted."""
        return rejects_to(None if self.out is None else rejects_path(self.out, file.name))

    def _batches(self, file: DayFile, columns: Sequence[str], copy: ReadingCopy | None) -> Iterator[pl.DataFrame]:
        from calib.dataset.finished.copies import ReadingCopy
        from calib.feeds.reading.batches import read_batches

        newest, after = file in self.plan.newest, None if copy is None else copy.after
        if file in self.stats:
            yield from read_batches(file, columns, newest=newest, engine=self.engine, after=after)
            return
        copy = ReadingCopy() if copy is None else copy
        with self.rejects(file) as rejects:
            reading = read_batches(
                file, columns, newest=newest, engine=self.engine, rejects=copy.forward_to(rejects), after=after
            )
            told = 0
            for batch in reading:
                copy.saw(batch, reading)
                self.progress(reading.bytes_read - told)
                told = reading.bytes_read
                yield batch
            copy.end(reading)
            self.symbols |= copy.symbols
            self.stats[file] = reading.stats
            self.progress(reading.stats.bytes - told)
