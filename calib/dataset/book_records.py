"""The book files of a dataset, read for its markouts; their rejects and facts are kept as those of the others."""

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
    """Gives the records of a book file, as they stand in it.

    Parameters
    ----------
    out
        Root of the rejects; None: the bad lines are counted only. Of a file read before nothing is written again.
    stats
        Gets what was found in a file once its records are exhausted.
    copies
        Receives a copy of what the reading of each book found; None if it is not needed.
    """

    out: Place | None
    stats: dict[DayFile, FileStats]
    copies: dict[DayFile, ReadingCopy] | None = None

    @contextlib.contextmanager
    def __call__(self, file: DayFile) -> Iterator[Iterator[Any]]:
        """The records of the file, for the block."""
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
