"""Reading the files of a plan as batches, each once, with what was found in it."""

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
    """Reads the plan's files, and keeps what was found in them: the first reading counts, later ones repeat it.

    Parameters
    ----------
    plan
        The files.
    out
        Root of the rejects; None: the bad lines are counted only.
    progress
        Gets the stored bytes read since its last call.
    engine
        What decodes the lines; None: this process.
    """

    plan: DatasetPlan
    out: Place | None
    progress: Callable[[float], None]
    engine: PieceDecoder | None = None
    stats: dict[DayFile, FileStats] = field(default_factory=dict)
    symbols: set[str] = field(default_factory=set)
    """Every symbol in the files, whatever range was asked."""
    book_copies: dict[DayFile, ReadingCopy] = field(default_factory=dict)
    """What the first reading of each book found."""
    markouts: BookMarkouts = field(init=False)

    def __post_init__(self) -> None:
        from calib.dataset.markouts import BookMarkouts

        self.markouts = BookMarkouts(self.plan.books, BookRecords(self.out, self.stats, self.book_copies))

    def days(self, sums: Summation) -> list[DayLines]:
        """The files of one kind."""
        from calib.dataset.intervals import DayLines

        return [
            DayLines(file.name, file.first_ts // DAY_S, partial(self.lines, file, sums.columns))
            for file in self.plan.files
            if file.kind == sums.kind
        ]

    def lines(self, file: DayFile, columns: Sequence[str], copy: ReadingCopy | None = None) -> Generator[pl.DataFrame]:
        """The batches of a file; fills with their markouts. The first reading fills the copy."""
        for batch in self._batches(file, columns, copy):
            yield self.markouts.add(batch, file.first_ts) if file.kind == "fills" else batch

    def take(self, file: DayFile, stats: FileStats, symbols: set[str], rejects: bytes) -> None:
        """Note what an earlier run found in a file, and write its rejects, as if it had been read."""
        with self.rejects(file) as writer:
            if writer is not None:
                writer.add_lines(rejects)
        self.stats[file] = replace(stats, path=str(file.path))
        self.symbols |= symbols
        if file.kind != "book":
            self.progress(stats.bytes)

    def found(self, max_reject_ratio: float) -> list[FileStats]:
        """The facts of the files that were read, in the order of the envelope.

        Raises
        ------
        TooManyRejects
            For a file with a larger share of bad lines.
        """
        return checked_stats(self.plan, self.stats, max_reject_ratio, self.out)

    def rejects(self, file: DayFile) -> contextlib.AbstractContextManager[RejectWriter | None]:
        """A context with what writes the rejects of a file; None where they are counted only."""
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
