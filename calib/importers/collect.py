"""Imported records gathered into days: checked, sorted, without repeats, in bounded memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path

from calib.clock import VirtualClock
from calib.errors import BadRecord, MixedStreams, TooManyRejects
from calib.feeds.schema.table import FEEDS
from calib.feeds.settings import MAX_REJECT_RATIO
from calib.feeds.writers.encoding import Encoder
from calib.feeds.writers.rotation import file_name
from calib.importers.base import Advance, Imported, Importer, Rejected, unseen
from calib.importers.days import ImportedDay, Place
from calib.importers.repeats import TradeIds
from calib.importers.spill import Scratch

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
) -> Import:
    """Read every file and sort its records into days.

    The files are read in the order of their names, whatever order they are given in, and a file given twice once. Of
    records with the same feed, symbol and trade id the first stands, the others are ``duplicate`` rejects: exports
    that overlap do not double their trades. These repeats are known, and told, when every file was read.

    Parameters
    ----------
    max_reject_ratio
        Share of damaged rows of one file that is tolerated.
    scratch
        Where the lines go, and how many bytes of them stay in memory; None: one of its own, with its default.
    on_reject
        Told of each row that gives nothing.
    progress
        Told of the bytes read of the files since the last call; in the end it was told of `stored_bytes`.

    Raises
    ------
    TooManyRejects
        Where more than ``max_reject_ratio`` of one file's rows are damaged.
    MixedStreams
        Where two streams tell one symbol's feed, such as plain and aggregated trades.
    UnwritableOutput
        Where the system refuses what does not fit into memory.
    """
    gathering = _Gathering(Scratch() if scratch is None else scratch, on_reject)
    for path in in_reading_order(paths):
        source = gathering.read(importer, path, progress)
        if source.damaged > max_reject_ratio * source.rows:
            raise _too_many(source, max_reject_ratio)
    return gathering.result()


class _Gathering:
    """The records of an import on their way into days."""

    def __init__(self, scratch: Scratch, on_reject: Callable[[Path, Rejected], None]) -> None:
        self._scratch = scratch
        self._on_reject = on_reject
        self._sources: list[ImportSource] = []
        self._days: list[tuple[str, ImportedDay]] = []
        self._numbers: dict[tuple[str, int], int] = {}
        """Feed and day -> its place among the days."""
        self._ids = TradeIds(scratch)
        self._streams: dict[tuple[str, str], str] = {}
        self._encoders = {kind: Encoder(feed, _NO_FRESH_TS) for kind, feed in FEEDS.items()}

    def read(self, importer: Importer, path: Path, progress: Advance) -> ImportSource:
        """One file, to its end."""
        source, share = ImportSource(path), _Share(_size(path), progress)
        self._sources.append(source)
        for item in importer.read(path, share):
            source.rows += 1
            rejected = item if isinstance(item, Rejected) else self._take(item, path)
            if rejected is None:
                source.used += 1
            else:
                source.reject(rejected)
                self._on_reject(path, rejected)
        share.end()
        return source

    def result(self) -> Import:
        """What came of it, without the repeats."""
        for repeat in self._ids.repeats():
            source = self._sources[repeat.place.file]
            rejected = Rejected(repeat.place.line, "duplicate", "trade_id", repeat.trade_id, damaged=False)
            self._days[repeat.day][1].leave_out(repeat.place)
            source.used -= 1
            source.reject(rejected)
            self._on_reject(source.path, rejected)
        return Import(
            self._sources, {name: lines for name, lines in sorted(self._days, key=itemgetter(0)) if len(lines)}
        )

    def _take(self, item: Imported, path: Path) -> Rejected | None:
        """A record that its feed's schema takes becomes a line of its day."""
        record = item.record
        try:
            day, text = self._encoders[item.kind].encode(record)
        except BadRecord as error:
            return Rejected(item.line, "bad_value", error.where.rpartition(", ")[2], str(record)[:500])
        self._one_stream(item, path)
        number = self._numbers.get((item.kind, day))
        if number is None:
            number = self._numbers[item.kind, day] = len(self._days)
            self._days.append((file_name(item.kind, day), ImportedDay(self._scratch)))
        place = Place(float(record["ts"]), len(self._sources) - 1, item.line)
        self._days[number][1].add(place, text)
        if (trade_id := record.get("trade_id")) is not None:
            self._ids.add(item.kind, record["symbol"], trade_id, place, number)
        return None

    def _one_stream(self, item: Imported, path: Path) -> None:
        symbol = item.record["symbol"]
        first = self._streams.setdefault((item.kind, symbol), item.stream)
        if item.stream != first:
            raise MixedStreams(
                f"{item.stream} of {symbol}, whose {item.kind} feed is told by {first} already",
                where=f"{path}:{item.line}",
                hint="Import one of the two, or each into a directory of its own",
            )


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
    share = f"{source.damaged} of {source.rows} rows are damaged, a larger share than {limit:g}"
    return TooManyRejects(
        f"{share}; the first is {first.reason}",
        where=f"{source.path}:{first.line}",
        hint="Mend the file, or raise --max-reject-ratio",
    )
