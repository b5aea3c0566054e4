"""Imported records into day files: sorted, without repeats, whole or not at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calib.clock import VirtualClock
from calib.errors import BadRecord, MixedStreams, TooManyRejects, UnwritableOutput
from calib.feeds.importers.base import Imported, Importer, Rejected
from calib.feeds.schema import FEEDS
from calib.feeds.writers.encoding import Encoder
from calib.feeds.writers.rotation import file_name
from calib.files import locked, write_atomic

_NO_FRESH_TS = VirtualClock()


@dataclass(slots=True)
class Source:
    """What came of one file."""

    path: Path
    rows: int = 0
    used: int = 0
    damaged: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    first_line: dict[str, int] = field(default_factory=dict)

    def reject(self, row: Rejected) -> None:
        self.rejected[row.reason] += 1
        self.first_line.setdefault(row.reason, row.line)
        self.damaged += row.damaged


@dataclass(slots=True)
class Import:
    """The outcome of one import: its sources in the order read, and the lines of each day file."""

    sources: list[Source]
    days: dict[str, list[bytes]]
    """File name -> lines, by (ts, file, line)."""

    @property
    def used(self) -> int:
        return sum(source.used for source in self.sources)


def collect(
    importer: Importer,
    paths: Sequence[Path],
    *,
    max_reject_ratio: float = 0.01,
    on_reject: Callable[[Path, Rejected], None] = lambda _path, _row: None,
    on_file: Callable[[Path], None] = lambda _path: None,
) -> Import:
    """Read every file and sort its records into days.

    The files are read in the order of their names, whatever order they are given in, and a file given twice once. Of
    records with the same feed, symbol and trade id the first stands, the others are ``duplicate`` rejects: exports
    that overlap do not double their trades.

    Raises
    ------
    TooManyRejects
        Where more than ``max_reject_ratio`` of one file's rows are damaged.
    MixedStreams
        Where two streams tell one symbol's feed, such as plain and aggregated trades.
    """
    seen: set[tuple[str, str, str]] = set()
    streams: dict[tuple[str, str], str] = {}
    keyed: dict[str, list[tuple[float, int, int, bytes]]] = {}
    sources = []
    chosen = {path.resolve(): path for path in paths}
    for number, (_, path) in enumerate(sorted(chosen.items(), key=lambda item: (item[0].name, str(item[0])))):
        source = Source(path)
        for row in _checked(importer, path):
            source.rows += 1
            if isinstance(row, _Fit):
                _one_stream(row.item, path, streams)
            outcome = _repeated(row, seen) if isinstance(row, _Fit) else row
            if isinstance(outcome, Rejected):
                source.reject(outcome)
                on_reject(path, outcome)
            else:
                source.used += 1
                entry = (outcome.ts, number, outcome.item.line, outcome.text)
                keyed.setdefault(outcome.file, []).append(entry)
        if source.damaged > max_reject_ratio * source.rows:
            raise _too_many(source, max_reject_ratio)
        sources.append(source)
        on_file(path)
    return Import(sources, {name: [entry[3] for entry in sorted(keyed[name])] for name in sorted(keyed)})


def store(found: Import, directory: Path, *, replace: bool = False) -> list[tuple[Path, bool]]:
    """Write the day files under the directory's lock; each path with whether it changed.

    A day file that stands there already is replaced only where all of its lines are among the new ones (an import of
    the same files, or of more), or with ``replace``. Every file is judged before the first is written.

    Raises
    ------
    UnwritableOutput
        Where a day holds other lines, lies there compressed, or cannot be written.
    LockHeld
        Where another run writes into the directory.
    """
    with locked(directory):
        for name, lines in found.days.items():
            _judge(directory / name, lines, replace)
        return [
            (directory / name, write_atomic(directory / name, b"".join(lines))) for name, lines in found.days.items()
        ]


@dataclass(frozen=True, slots=True)
class _Fit:
    """A record that its feed's schema takes, with its line."""

    item: Imported
    ts: float
    file: str
    text: bytes


def _checked(importer: Importer, path: Path) -> Iterator[_Fit | Rejected]:
    encoders = {kind: Encoder(feed, _NO_FRESH_TS) for kind, feed in FEEDS.items()}
    for item in importer.read(path):
        if isinstance(item, Rejected):
            yield item
            continue
        try:
            day, text = encoders[item.kind].encode(item.record)
        except BadRecord as error:
            yield Rejected(item.line, "bad_value", error.where.rpartition(", ")[2], str(item.record)[:500])
        else:
            # A copy of its own length: the encoder's bytes keep the room of the buffer they were made in, 4 KB a line.
            yield _Fit(item, float(item.record["ts"]), file_name(item.kind, day), bytes(memoryview(text)))


def _one_stream(item: Imported, path: Path, streams: dict[tuple[str, str], str]) -> None:
    symbol = item.record["symbol"]
    first = streams.setdefault((item.kind, symbol), item.stream)
    if item.stream != first:
        raise MixedStreams(
            f"{item.stream} of {symbol}, whose {item.kind} feed is told by {first} already",
            where=f"{path}:{item.line}",
            hint="Import one of the two, or each into a directory of its own",
        )


def _repeated(row: _Fit, seen: set[tuple[str, str, str]]) -> _Fit | Rejected:
    record: dict[str, Any] = row.item.record
    trade_id = record.get("trade_id")
    if trade_id is None:
        return row
    key = (row.item.kind, record["symbol"], trade_id)
    if key in seen:
        return Rejected(row.item.line, "duplicate", "trade_id", str(trade_id), damaged=False)
    seen.add(key)
    return row


def _judge(path: Path, lines: list[bytes], replace: bool) -> None:
    for suffix in (".gz", ".zst"):
        packed = path.with_name(path.name + suffix)
        if packed.exists():
            hint = "Unpack or move it, or import into another directory"
            raise UnwritableOutput("this day lies there compressed", where=str(packed), hint=hint)
    if replace or not path.exists():
        return
    try:
        with path.open("rb") as handle:
            foreign = not set(handle).issubset(lines)
    except OSError as error:
        hint = "Check the path and its permissions"
        raise UnwritableOutput(f"cannot be read: {error.strerror}", where=str(path), hint=hint) from error
    if foreign:
        raise UnwritableOutput(
            "holds lines that this import does not make",
            where=str(path),
            hint="Import all files of that day together, into another directory, or say --replace to lose those lines",
        )


def _too_many(source: Source, limit: float) -> TooManyRejects:
    reason = next(iter(source.first_line))
    return TooManyRejects(
        f"{source.damaged} of {source.rows} rows are damaged, a larger share than {limit:g}; the first is {reason}",
        where=f"{source.path}:{source.first_line[reason]}",
        hint="Mend the file, or raise --max-reject-ratio",
    )
