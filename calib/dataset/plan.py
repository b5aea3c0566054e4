"""Plan a dataset before any line is read: its files and its range on the grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

from calib.dataset.grid import DAY_S, Grid, Span
from calib.dataset.parts import Range, iso
from calib.errors import NoFeeds, NoLines
from calib.feeds.reading.days import DayFile, days_missing, find_days, newest_days
from calib.storage import Place

KINDS: Final = ("fills", "pipeline_ticks")
"""Kinds of feed that a dataset is made from, in the order of the output file."""
_EPOCH: Final = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class DatasetPlan:
    """The range of a dataset on the grid, and its input files.

    Parameters
    ----------
    directory
        Directory of the feed files.
    grid, span
        The interval grid, and the range on it.
    files
        Day files of both kinds that overlap the span, sorted by kind and day.
    newest
        Newest file of each kind in the whole directory: it may still be written.
    missing
        Days of the span without a file, by kind.
    notes
        Messages for the user: the range was widened, or the intervals do not divide a day.
    books
        Book files of the days with fills and of the days after them, for markouts.
    """

    directory: Place
    grid: Grid
    span: Span
    files: tuple[DayFile, ...]
    newest: frozenset[DayFile]
    missing: Mapping[str, tuple[date, ...]]
    notes: tuple[str, ...]
    books: tuple[DayFile, ...] = ()

    @property
    def is_local(self) -> bool:
        """Whether every file is on a local file system."""
        return all(isinstance(file.path, Path) for file in (*self.files, *self.books))

    @property
    def intervals(self) -> int:
        """Number of intervals of the span, per symbol."""
        return (self.span.end - self.span.start) // self.grid.interval_sec

    def range(self, symbols: list[str]) -> Range:
        """Return the dataset's range for these symbols."""
        return Range(
            from_=iso(self.span.start), to=iso(self.span.end), interval_sec=self.grid.interval_sec, symbols=symbols
        )


def plan_dataset(feeds: Place, *, start: float | None, end: float | None, interval_sec: int) -> DatasetPlan:
    """Find the files of a range and widen the range to the grid.

    Parameters
    ----------
    feeds
        Directory of the feed files.
    start, end
        ``[start, end)``, Unix seconds. If None, the range begins with the first day found, or ends with the last.
    interval_sec
        Length of an interval, s.

    Raises
    ------
    BadRange
        If the range is empty, or not within the years 1970 to 9999.
    NoFeeds
        If the directory is missing or has neither fills nor pipeline_ticks.
    NoLines
        If no file of the directory overlaps the range.
    DuplicateDayFile, UnreadableInput
        If there are two files of one day, or a path with the name of a feed file is not a file.
    """
    grid = Grid(interval_sec)
    found = find_days(feeds, KINDS)
    first, last = min(file.day for file in found), max(file.day for file in found)
    asked = (
        float(_number(first) * DAY_S) if start is None else start,
        float((_number(last) + 1) * DAY_S) if end is None else end,
    )
    if asked[0] >= asked[1] and (start is None or end is None):
        raise _no_days(feeds, first, last)
    span = grid.widen(*asked)
    from_day, to_day = (_EPOCH + timedelta(days=number) for number in (span.days()[0], span.days()[-1]))
    files = tuple(file for file in found if from_day <= file.day <= to_day)
    if not files:
        raise _no_days(feeds, first, last)
    missing = {kind: tuple(days_missing(files, kind, from_day, to_day)) for kind in KINDS}
    notes = _notes(grid, span, asked)
    return DatasetPlan(feeds, grid, span, files, newest_days(found), missing, notes, _books(feeds, files))


def _books(feeds: Place, files: Sequence[DayFile]) -> tuple[DayFile, ...]:
    """Return the book files of each day with fills and of the next day, which a late fill's markout needs."""
    days = {file.day + timedelta(days=later) for file in files if file.kind == "fills" for later in (0, 1)}
    try:
        found = find_days(feeds, ("book",))
    except NoFeeds:
        return ()
    return tuple(file for file in found if file.day in days)


def _number(day: date) -> int:
    return (day - _EPOCH).days


def _no_days(feeds: Place, first: date, last: date) -> NoLines:
    return NoLines(
        "no file of a day within the range",
        where=str(feeds),
        hint=f"The feeds there are of {first.isoformat()} to {last.isoformat()}",
    )


def _notes(grid: Grid, span: Span, asked: tuple[float, float]) -> tuple[str, ...]:
    notes = []
    if not grid.divides_a_day:
        notes.append(
            f"intervals of {grid.interval_sec} s do not divide a day: their boundaries fall elsewhere on each day"
        )
    if (span.start, span.end) != asked:
        notes.append(f"range widened to whole intervals of {grid.interval_sec} s: {iso(span.start)} to {iso(span.end)}")
    return tuple(notes)
