"""Find the feed files in a directory or below a URL, and the missing days."""

from __future__ import annotations

import enum
import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from calib.errors import DuplicateDayFile, NoFeeds, UnreadableInput
from calib.feeds.schema.table import FEEDS
from calib.feeds.schema.types import DAY_S
from calib.storage import Place, source_of

_NAME: Final = re.compile(r"(?P<kind>[a-z_]+)_(?P<day>[0-9]{8})\.jsonl(?P<form>\.gz|\.zst)?")
_LAYOUT: Final = "Feed files are named KIND_YYYYMMDD.jsonl, .jsonl.gz or .jsonl.zst"


class Form(enum.Enum):
    """Compression of a feed file; the value is the suffix of its name."""

    PLAIN = ""
    GZIP = ".gz"
    ZSTD = ".zst"


@dataclass(frozen=True, slots=True)
class DayFile:
    """One feed file: the lines of one kind and one UTC day."""

    path: Place
    kind: str
    day: date
    form: Form

    @property
    def name(self) -> str:
        """The base name, which is used in datasets and reports."""
        return self.path.name

    @property
    def local(self) -> Path:
        """The path of a local file; `TypeError` for an object of a store."""
        if not isinstance(self.path, Path):
            raise TypeError(f"{self.path} is not a file of this machine")
        return self.path

    @property
    def first_ts(self) -> int:
        """Beginning of the day, Unix seconds."""
        return int(datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC).timestamp())

    def touches(self, start: float | None, end: float | None) -> bool:
        """Whether the day overlaps ``[start, end)``, Unix seconds; None for no limit."""
        first = self.first_ts
        return (start is None or first + DAY_S > start) and (end is None or first < end)

    @classmethod
    def of(cls, path: Place) -> DayFile | None:
        """Return the feed file with this path, which need not exist; None if the name is not that of a feed file.

        >>> DayFile.of(Path("feeds/fills_20250101.jsonl.gz")).day
        datetime.date(2025, 1, 1)
        >>> DayFile.of(Path("feeds/fills_2025-01-01.jsonl")) is None
        True
        """
        match = _NAME.fullmatch(path.name)
        if match is None or match["kind"] not in FEEDS:
            return None
        digits = match["day"]
        try:
            day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
        except ValueError:
            return None
        return cls(path, match["kind"], day, Form(match["form"] or ""))


def find_days(directory: Place, kinds: Iterable[str] = tuple(FEEDS)) -> list[DayFile]:
    """Return the feed files of these kinds, sorted by kind and day. Other files are ignored (see `near_misses`).

    Raises
    ------
    NoFeeds
        If the directory does not exist or has no file of these kinds.
    DuplicateDayFile
        If there are two files of one kind and day; the message names both.
    UnreadableInput
        If the directory cannot be listed, or a path with the name of a feed file is not a regular file.
    """
    wanted = tuple(kinds)
    found = [file for name in _list(directory) if (file := DayFile.of(directory / name)) and file.kind in wanted]
    if not found:
        raise NoFeeds(f"holds no feed file of {' or '.join(wanted)}", where=str(directory), hint=_empty(directory))
    return in_order(found)


def in_order(files: Iterable[DayFile]) -> list[DayFile]:
    """Return the files sorted by kind and day; check that each is a regular file, and one per kind and day.

    The errors are those of `find_days`.
    """
    ordered = sorted(files, key=lambda file: (file.kind, file.day, file.name, str(file.path)))
    for file in ordered:
        source_of(file.path).size(file.path)  # raises if it is not a regular file
    for one, other in itertools.pairwise(ordered):
        if (one.kind, one.day) == (other.kind, other.day):
            raise DuplicateDayFile(
                f"{one.path} and {other.path} both hold {one.kind} of {one.day}",
                where=str(one.path.parent),
                hint="Remove or move away one of them: which one counts cannot be guessed",
            )
    return ordered


def named_file(path: Place) -> DayFile:
    """Return the feed file at ``path``.

    Raises
    ------
    UnreadableInput
        If the name is not that of a feed file, or there is no regular file.
    """
    file = DayFile.of(path)
    if file is None:
        raise UnreadableInput("is not named like a feed file", where=str(path), hint=_LAYOUT)
    source_of(path).size(path)  # raises if it is not a regular file
    return file


def newest_days(files: Iterable[DayFile]) -> frozenset[DayFile]:
    """Return the newest file of each kind, which may still be written."""
    newest: dict[str, DayFile] = {}
    for file in files:
        if file.kind not in newest or file.day > newest[file.kind].day:
            newest[file.kind] = file
    return frozenset(newest.values())


class NewestDays:
    """Container of the files with the newest day of their kind in their directory. Each directory is listed once."""

    def __init__(self) -> None:
        self._newest: dict[Place, dict[str, date]] = {}

    def __contains__(self, file: DayFile) -> bool:
        directory = file.path.parent
        if directory not in self._newest:
            found = [other for name in _list(directory) if (other := DayFile.of(directory / name)) is not None]
            self._newest[directory] = {other.kind: other.day for other in newest_days(found)}
        return file.day >= self._newest[directory].get(file.kind, file.day)


def is_newest(file: DayFile) -> bool:
    """Whether its directory has no later day of its kind, so that the file may still be written."""
    return file in NewestDays()


def days_missing(files: Iterable[DayFile], kind: str, first: date, last: date) -> list[date]:
    """Return the days from ``first`` to ``last``, inclusive, without a file of this kind.

    >>> files = [DayFile.of(Path(f"fills_2025010{n}.jsonl")) for n in (1, 4)]
    >>> [day.day for day in days_missing(files, "fills", date(2025, 1, 1), date(2025, 1, 5))]
    [2, 3, 5]
    """
    there = {file.day for file in files if file.kind == kind}
    span = (last - first).days + 1
    return [day for n in range(span) if (day := first + timedelta(days=n)) not in there]


def near_misses(directory: Place, kinds: Iterable[str] = tuple(FEEDS)) -> list[str]:
    """Return the names in the directory that resemble those of feed files of these kinds but are not valid, sorted.

    Temporary files (with a leading dot) are not included.
    """
    prefixes = tuple(kinds)
    return sorted(
        name
        for name in _list(directory)
        if name.startswith(prefixes) and "json" in name and DayFile.of(directory / name) is None
    )


def _list(directory: Place) -> Sequence[str]:
    return source_of(directory).names(directory)


def _empty(directory: Place) -> str:
    missed = near_misses(directory)
    seen = f" (not {missed[0]}{f' and {len(missed) - 1} more' if len(missed) > 1 else ''})" if missed else ""
    return f"{_LAYOUT}{seen}; check --feeds"
