"""Collect imported records by day: validated, sorted and without duplicates, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

from calib.clock import VirtualClock
from calib.errors import BadRecord, TooManyRejects, TruncatedInput
from calib.feeds.schema.table import FEEDS
from calib.feeds.settings import MAX_REJECT_RATIO
from calib.feeds.writers.encoding import Encoder
from calib.feeds.writers.rotation import file_name
from calib.importers.base import SHOWN, Advance, Imported, Importer, Rejected, unseen
from calib.importers.books import BookCoverage
from calib.importers.days import ImportedDay, Place
from calib.importers.repeats import OverlappingBooks, Repeat, TradeIds
from calib.importers.spill import Scratch
from calib.importers.streams import Streams
from calib.words import counted

_NO_FRESH_TS = VirtualClock()


@dataclass(slots=True)
class ImportSource:
    """The counts of one imported file."""

    path: Path
    rows: int = 0
    used: int = 0
    damaged: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    first_line: dict[str, int] = field(default_factory=dict)
    first_damage: Rejected | None = None
    trade_id_conflicts: int = 0
    """Number of records that differ from an earlier one with the same id; they are kept."""

    def reject(self, row: Rejected) -> None:
        self.rejected[row.reason] += 1
        self.first_line[row.reason] = min(row.line, self.first_line.get(row.reason, row.line))
        if row.damaged:
            self.damaged += 1
            self.first_damage = self.first_damage or row


@dataclass(slots=True)
class Import:
    """The result of an import: its sources in reading order, and the lines of each day file."""

    sources: list[ImportSource]
    days: dict[str, ImportedDay]
    """File name -> lines, sorted by (ts, file, line). They can be read until their `Scratch` is closed."""
    markets: dict[str, str] = field(default_factory=dict)
    """Symbol -> its market, if the source has this information."""
    unknowable: tuple[str, ...] = ()
    """Symbols whose books cannot be known, because the files have changes but no snapshot."""
    left_out: tuple[str, ...] = ()
    """Examples of markets and streams that ``only`` excluded."""

    @property
    def used(self) -> int:
        return sum(source.used for source in self.sources)


def in_reading_order(paths: Sequence[Path]) -> list[Path]:
    """Return the files sorted by name, without repeated files."""
    chosen = {path.resolve(): path for path in paths}
    return [path for _, path in sorted(chosen.items(), key=lambda item: (item[0].name, str(item[0])))]


def stored_bytes(paths: Sequence[Path]) -> int:
    """Return the size of all files on disk, bytes: the total of the progress of `collect`."""
    return sum(map(_size, in_reading_order(paths)))


def collect(
    importer: Importer,
    paths: Sequence[Path],
    *,
    max_reject_ratio: float = MAX_REJECT_RATIO,
    scratch: Scratch | None = None,
    on_reject: Callable[[Path, Rejected], None] = lambda _path, _row: None,
    progress: Advance = unseen,
    only: str | None = None,
    symbol_suffix: str = "",
    salvage: bool = False,
) -> Import:
    """Read every file and sort its records into days.

    The files are read in the order of their names; a repeated file is read once. Overlapping recordings do not cause
    duplicates: of records with the same feed, symbol and trade id and the same side, price, quantity and order, the
    first is kept and the others are ``duplicate`` rejects. The same holds for changes of a book with the same ids and
    levels. These duplicates are found and reported after all files are read.

    Parameters
    ----------
    max_reject_ratio
        Largest allowed share of damaged rows in one file, 0..1.
    scratch
        Storage of the lines, which limits the bytes in memory; None for a new one with its default limit.
    on_reject
        Called with each rejected row.
    progress
        Called with the number of bytes read since the last call; the sum of all calls is `stored_bytes`.
    only, symbol_suffix
        Selection of the streams, and suffix for their symbols: see `calib.importers.streams.Streams`.
    salvage
        Keep the rows before the point at which a file is truncated; that point is counted as a ``cut_short`` reject.

    Raises
    ------
    TooManyRejects
        If more than ``max_reject_ratio`` of one file's rows are damaged.
    MixedStreams
        If two markets or streams have the same symbol and feed, such as spot and futures.
    TruncatedInput
        If a file is truncated, without ``salvage``.
    UnwritableOutput
        If lines that do not fit into memory cannot be written to a temporary file.
    """
    streams = Streams(only, symbol_suffix)
    gathering = _Gathering(Scratch() if scratch is None else scratch, on_reject, streams)
    for path in in_reading_order(paths):
        source = gathering.read(importer, path, progress, salvage)
        if source.damaged > max_reject_ratio * source.rows:
            raise _too_many(source, max_reject_ratio)
    return gathering.result()


class _Gathering:
    """Collects the records of an import by day."""

    def __init__(self, scratch: Scratch, on_reject: Callable[[Path, Rejected], None], streams: Streams) -> None:
        self._scratch = scratch
        self._on_reject = on_reject
        self._sources: list[ImportSource] = []
        self._days: list[tuple[str, ImportedDay]] = []
        self._numbers: dict[tuple[str, int], int] = {}
        """(Feed, day) -> index in the list of days."""
        self._ids = TradeIds(scratch)
        self._overlaps = OverlappingBooks(scratch)
        self._coverage = BookCoverage()
        self._streams = streams
        self._encoders = {kind: Encoder(feed, _NO_FRESH_TS) for kind, feed in FEEDS.items()}

    def read(self, importer: Importer, path: Path, progress: Advance, salvage: bool) -> ImportSource:
        """Read one file to its end; return its counts."""
        source, share = ImportSource(path), _Share(_size(path), progress)
        self._sources.append(source)
        self._streams.begin_file(path)
        try:
            for item in importer.read(path, share):
                source.rows += 1
                rejected = item if isinstance(item, Rejected) else self._take(item)
                if rejected is None:
                    source.used += 1
                else:
                    self._reject(source, rejected)
        except TruncatedInput as error:
            if not salvage:
                raise
            source.rows += 1
            line = _line_of(error)
            self._reject(source, Rejected(line, "cut_short", "", error.what, damaged=False, what=error.what))
        share.end()
        return source

    def result(self) -> Import:
        """Remove the duplicates and return the result."""
        books = ((number, day) for number, (name, day) in enumerate(self._days) if name.startswith("book_"))
        self._leave_out(self._overlaps.repeats(books))
        self._leave_out(self._ids.repeats())
        for number, count in self._ids.conflicts.items():
            self._sources[number].trade_id_conflicts = count
        days = {name: lines for name, lines in sorted(self._days, key=itemgetter(0)) if len(lines)}
        streams = self._streams
        return Import(self._sources, days, streams.markets, self._coverage.unknowable(), tuple(streams.left_out))

    def _leave_out(self, repeats: Iterable[Repeat]) -> None:
        for repeat in repeats:
            source = self._sources[repeat.place.file]
            self._days[repeat.day][1].leave_out(repeat.place)
            source.used -= 1
            self._reject(source, Rejected(repeat.place.line, "duplicate", repeat.field, repeat.text, damaged=False))

    def _reject(self, source: ImportSource, rejected: Rejected) -> None:
        source.reject(rejected)
        self._on_reject(source.path, rejected)

    def _take(self, item: Imported) -> Rejected | None:
        """Add a record to the lines of its day; return a reject if a stream or the feed's schema excludes it."""
        chosen = self._streams.judge(item)
        if isinstance(chosen, Rejected):
            return chosen
        record = chosen
        try:
            day, text = self._encoders[item.kind].encode(record)
        except BadRecord as error:
            name = error.where.rpartition(", ")[2]
            return Rejected(item.line, "bad_value", name, str(record)[:SHOWN], what=error.what)
        number = self._numbers.get((item.kind, day))
        if number is None:
            number = self._numbers[item.kind, day] = len(self._days)
            self._days.append((file_name(item.kind, day), ImportedDay(self._scratch)))
        place = Place(float(record["ts"]), len(self._sources) - 1, item.line, item.part)
        self._days[number][1].add(place, text)
        if item.kind == "book":
            self._overlaps.see(record, place)
            self._coverage.see(record)
        elif record.get("trade_id") is not None:
            self._ids.add(item.kind, record, place, number)
        return None


def _line_of(error: TruncatedInput) -> int:
    """Return the line number in the error; 0 if it has only the file."""
    number = error.where.rpartition(":")[2]
    return int(number) if number.isascii() and number.isdigit() else 0


class _Share:
    """Progress of one file: the reported bytes never exceed its size, and add up to it at the end."""

    def __init__(self, size: float, progress: Advance) -> None:
        self._left = size
        self._progress = progress

    def __call__(self, amount: float) -> None:
        told = min(amount, self._left)
        self._left -= told
        self._progress(told)

    def end(self) -> None:
        """Report the remaining bytes of the file."""
        self(self._left)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # the importer raises the error


def _too_many(source: ImportSource, limit: float) -> TooManyRejects:
    first = source.first_damage
    assert first is not None
    share = f"{source.damaged} of {counted(source.rows, 'row')} damaged, a larger share than {limit:g}"
    field = f" {first.field}" if first.field else ""
    what = f"{share}; the first is {first.reason}{field}{f': {first.what}' if first.what else ''}"
    most = source.damaged * 2 > source.rows
    hint = "Check that the file is of this format" if most else "Correct the file, or raise --max-reject-ratio"
    return TooManyRejects(what, where=f"{source.path}:{first.line}", hint=hint)
