"""Imported records gathered into days: checked, sorted, without repeats, in bounded memory."""

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
    """What came of one file."""

    path: Path
    rows: int = 0
    used: int = 0
    damaged: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    first_line: dict[str, int] = field(default_factory=dict)
    first_damage: Rejected | None = None
    trade_id_conflicts: int = 0
    """Records with the id of an earlier one that differ from it: kept."""

    def reject(self, row: Rejected) -> None:
        self.rejected[row.reason] += 1
        self.first_line[row.reason] = min(row.line, self.first_line.get(row.reason, row.line))
        if row.damaged:
            self.damaged += 1
            self.first_damage = self.first_damage or row


@dataclass(slots=True)
class Import:
    """The outcome of one import: its sources in the order read, and the lines of each day file."""

    sources: list[ImportSource]
    days: dict[str, ImportedDay]
    """File name -> lines, by (ts, file, line); to be read until the `Scratch` they came through is closed."""
    markets: dict[str, str] = field(default_factory=dict)
    """Symbol -> its market, as far as the source tells."""
    unknowable: tuple[str, ...] = ()
    """Symbols whose books can never be known: changes without any whole book to begin with."""
    left_out: tuple[str, ...] = ()
    """Some of the markets and streams that ``only`` left out."""

    @property
    def used(self) -> int:
        return sum(source.used for source in self.sources)


def in_reading_order(paths: Sequence[Path]) -> list[Path]:
    """The files by their names, whatever order they are given in, and a file given twice once."""
    chosen = {path.resolve(): path for path in paths}
    return [path for _, path in sorted(chosen.items(), key=lambda item: (item[0].name, str(item[0])))]


def stored_bytes(paths: Sequence[Path]) -> int:
    """The size of all the files as they lie there, bytes: the total of what `collect` tells of its progress."""
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

    The files are read in the order of their names, whatever order they are given in, and a file given twice once. Of
    records with the same feed, symbol and trade id that agree in side, price, quantity and order the first stands, the
    others are ``duplicate`` rejects, and so are changes of a book with the same ids and levels: recordings that overlap
    do not double anything. These repeats are known, and reported, when every file was read.

    Parameters
    ----------
    max_reject_ratio
        Share of damaged rows of one file that is tolerated.
    scratch
        Where the lines go, and how many bytes of them stay in memory; None: one of its own, with its default.
    on_reject
        Receives each row that gives nothing.
    progress
        Receives the bytes read of the files since the last call; in the end these are `stored_bytes`.
    only, symbol_suffix
        Which streams are taken, and what is added to their symbols: see `calib.importers.streams.Streams`.
    salvage
        Keep what came before the place where a compressed file is cut short, which is a ``cut_short`` reject.

    Raises
    ------
    TooManyRejects
        Where more than ``max_reject_ratio`` of one file's rows are damaged.
    MixedStreams
        Where two markets or streams would share one symbol's feed, such as spot and futures.
    TruncatedInput
        Where a compressed file is cut short, without ``salvage``.
    UnwritableOutput
        Where the system refuses what does not fit into memory.
    """
    streams = Streams(only, symbol_suffix)
    gathering = _Gathering(Scratch() if scratch is None else scratch, on_reject, streams)
    for path in in_reading_order(paths):
        source = gathering.read(importer, path, progress, salvage)
        if source.damaged > max_reject_ratio * source.rows:
            raise _too_many(source, max_reject_ratio)
    return gathering.result()


class _Gathering:
    """The records of an import on their way into days."""

    def __init__(self, scratch: Scratch, on_reject: Callable[[Path, Rejected], None], streams: Streams) -> None:
        self._scratch = scratch
        self._on_reject = on_reject
        self._sources: list[ImportSource] = []
        self._days: list[tuple[str, ImportedDay]] = []
        self._numbers: dict[tuple[str, int], int] = {}
        """Feed and day -> its place among the days."""
        self._ids = TradeIds(scratch)
        self._overlaps = OverlappingBooks(scratch)
        self._coverage = BookCoverage()
        self._streams = streams
        self._encoders = {kind: Encoder(feed, _NO_FRESH_TS) for kind, feed in FEEDS.items()}

    def read(self, importer: Importer, path: Path, progress: Advance, salvage: bool) -> ImportSource:
        """One file, to its end."""
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
        """What came of it, without the repeats."""
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
        """A record that its feed's schema takes becomes a line of its day."""
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
    """The line that it names; 0 where it names the file alone."""
    number = error.where.rpartition(":")[2]
    return int(number) if number.isascii() and number.isdigit() else 0


class _Share:
    """One file's part of the progress: never more than its size, and in the end just that."""

    def __init__(self, size: float, progress: Advance) -> None:
        self._left = size
        self._progress = progress

    def __call__(self, amount: float) -> None:
        told = min(amount, self._left)
        self._left -= told
        self._progress(told)

    def end(self) -> None:
        """The file has been read."""
        self(self._left)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # its importer says what is wrong with it


def _too_many(source: ImportSource, limit: float) -> TooManyRejects:
    first = source.first_damage
    assert first is not None
    share = f"{source.damaged} of {counted(source.rows, 'row')} damaged, a larger share than {limit:g}"
    field = f" {first.field}" if first.field else ""
    what = f"{share}; the first is {first.reason}{field}{f': {first.what}' if first.what else ''}"
    most = source.damaged * 2 > source.rows
    hint = "Check that the file is of this format" if most else "Correct the file, or raise --max-reject-ratio"
    return TooManyRejects(what, where=f"{source.path}:{first.line}", hint=hint)
