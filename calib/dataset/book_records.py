"""Read the book files of a dataset for its markouts, and keep their rejects and statistics as for other files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from calib.feeds.reading.days import DayFile, is_newest
from calib.feeds.reading.record_reading import read_records
from calib.feeds.reading.rejects import rejects_path, rejects_to
from calib.feeds.reading.stats import FileStats
from calib.storage import Place

if TYPE_CHECKING:
    from calib.dataset.finished.copies import ReadingCopy


@dataclass(frozen=True, slots=True)
class BookRecords:
    """Reader of the records of a book file, in the order of the file.

    Parameters
    ----------
    out
        Root of the rejects; if None, bad lines are only counted. The rejects of a file are written once, at its first
        reading.
    stats
        Receives the statistics of a file after the block.
    copies
        Receives a copy of the results of each book's reading; None if they are not needed.
    """

    out: Place | None
    stats: dict[DayFile, FileStats]
    copies: dict[DayFile, ReadingCopy] | None = None

    @contextlib.contextmanager
    def __call__(self, file: DayFile) -> Iterator[Iterator[Any]]:
        """Return a context with the records of the file."""
        first = file not in self.stats
        path = None if self.out is None or not first else rejects_path(self.out, file.name)
        with rejects_to(path) as rejects:
            sink: Any = rejects
            if self.copies is not None:
                from calib.dataset.finished.copies import ReadingCopy

                self.copies[file] = sink = ReadingCopy().forward_to(rejects)
            reading = read_records(file, newest=is_newest(file), rejects=sink)
            yield (record for _, record in reading)
            self.stats[file] = reading.stats
