"""Finding feed files: which days of which kinds lie in a directory or below a URL, and which are missing."""

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
    """How the lines are stored; the value ends the file's name."""

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
        """The base name, as datasets and reports give it."""
        return self.path.name

    @property
    def local(self) -> Path:
        """The path of a file of this machine; `TypeError` for an object of a store."""
        if not isinstance(self.path, Path):
            raise TypeError(f"{self.path} is not a file of this machine")
        return self.path

    @property
    def first_ts(self) -> int:
        """Unix seconds of the day's first moment."""
        return int(datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC).timestamp())

    def touches(self, start: float | None, end: float | None) -> bool:
        """Whether the day has a moment of [start, end), Unix seconds; None where that side is open."""
        first = self.first_ts
        return (start is None or first + DAY_S > start) and (end is None or first < end)

    @classmethod
    def of(cls, path: Place) -> DayFile | None:
        """The feed file that ``path`` names, whether it exists or not; None where the name is no feed file's.

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
    """The feed files of these kinds, sorted by kind and day. Other files are ignored (see `near_misses`).

    Raises
    ------
    NoFeeds
        Where the directory does not exist or holds no file of these kinds.
    DuplicateDayFile
        Where one day of one kind lies there in two forms; the message names both files.
    UnreadableInput
        Where the directory cannot be listed, or something named like a feed file is no regular file.
    """
    wanted = tuple(kinds)
    found = [file for name in _list(directory) if (file := DayFile.of(directory / name)) and file.kind in wanted]
    if not found:
        raise NoFeeds(f"holds no feed file of {' or '.join(wanted)}", where=str(directory), hint=_empty(directory))
    return in_order(found)


def in_order(files: Iterable[DayFile]) -> list[DayFile]:
    """The files sorted by kind and day, each a regular file, no day in two forms; see `find_days` for the errors."""
    ordered = sorted(files, key=lambda file: (file.kind, file.day, file.name, str(file.path)))
    for file in ordered:
        source_of(file.path).size(file.path)  # raises where it is no regular file
    for one, other in itertools.pairwise(ordered):
        if (one.kind, one.day) == (other.kind, other.day):
            raise DuplicateDayFile(
                f"{one.path} and {other.path} both hold {one.kind} of {one.day}",
                where=str(one.path.parent),
                hint="Remove or move away one of them: which one counts cannot be guessed",
            )
    return ordered


def named_file(path: Place) -> DayFile:
    """The feed file at ``path``, given by name.

    Raises
    ------
    UnreadableInput
        Where the name is no feed file's, or there is no regular file.
    """
    file = DayFile.of(path)
    if file is None:
        raise UnreadableInput("is not named like a feed file", where=str(path), hint=_LAYOUT)
    source_of(path).size(path)  # raises where it is no regular file
    return file


def newest_days(files: Iterable[DayFile]) -> frozenset[DayFile]:
    """The newest file of each kind: the one that a writer may still be at."""
    newest: dict[str, DayFile] = {}
    for file in files:
        if file.kind not in newest or file.day > newest[file.kind].day:
            newest[file.kind] = file
    return frozenset(newest.values())


class NewestDays:
    """Which files hold the newest day of their kind in their directory; each directory is listed once."""

    def __init__(self) -> None:
        self._newest: dict[Place, dict[str, date]] = {}

    def __contains__(self, file: DayFile) -> bool:
        directory = file.path.parent
        if directory not in self._newest:
            found = [other for name in _list(directory) if (other := DayFile.of(directory / name)) is not None]
            self._newest[directory] = {other.kind: other.day for other in newest_days(found)}
        return file.day >= self._newest[directory].get(file.kind, file.day)


def is_newest(file: DayFile) -> bool:
    """Whether no file in its directory holds a later day of its kind: a writer may still be at it."""
    return file in NewestDays()


def days_missing(files: Iterable[DayFile], kind: str, first: date, last: date) -> list[date]:
    """The days from ``first`` to ``last``, both included, for which there is no file of this kind.

    >>> files = [DayFile.of(Path(f"fills_2025010{n}.jsonl")) for n in (1, 4)]
    >>> [day.day for day in days_missing(files, "fills", date(2025, 1, 1), date(2025, 1, 5))]
    [2, 3, 5]
    """
    there = {file.day for file in files if file.kind == kind}
    span = (last - first).days + 1
    return [day for n in range(span) if (day := first + timedelta(days=n)) not in there]


def near_misses(directory: Place, kinds: Iterable[str] = tuple(FEEDS)) -> list[str]:
    """Names in the directory that look meant as feed files of these kinds but are not, sorted.

    A temporary file (leading dot) is none.
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
