"""Every (symbol, interval) of both kinds of feed summed by the kernel; late lines by a second look at the files."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final

from calib.dataset.grid import DAY_S, Span
from calib.dataset.native.file_pass import FilePass, Markouts
from calib.dataset.native.pipeline import ChunkPipeline
from calib.errors import UnreadableInput
from calib.feeds.reading.days import DayFile
from calib.feeds.reading.native.packer import NativeDecoder
from calib.feeds.reading.native.sums import FILL_COLUMNS, ROW_BYTES, TICK_COLUMNS, NativeSums, SumsOptions, join_rows
from calib.feeds.reading.packing import ColumnPlan
from calib.feeds.reading.rejects import RejectSink
from calib.feeds.reading.stats import FileStats

REDO_LINES: Final = 2_000_000
"""Lines that one more pass over the files may hold."""
_KEY: Final = struct.Struct("<qIIq")
"""How a row begins: index, symbol, nulls, lines."""
COLUMNS: Final[dict[str, tuple[str, ...]]] = {"pipeline_ticks": TICK_COLUMNS, "fills": (*FILL_COLUMNS, "ts_exchange")}
"""What is read of each kind."""
_Group = tuple[str, int]


@dataclass(frozen=True, slots=True)
class NativeResult:
    """What the lines of both kinds add up to.

    Parameters
    ----------
    kinds
        The rows of each kind, see ``struct sums_row`` of the kernel, in no order; and the number of each symbol.
    stats
        What was found in each file.
    symbols
        Every symbol in the files, whatever was asked for.
    """

    kinds: dict[str, tuple[bytearray, dict[str, int]]]
    stats: dict[DayFile, FileStats]
    symbols: set[str]

    def intervals(self, library: Any) -> tuple[list[str], bytes]:
        """The rows joined: symbols, sorted, and one record an interval, see ``struct interval`` of the kernel."""
        return join_rows(library, [self.kinds["pipeline_ticks"], self.kinds["fills"]])


@dataclass(frozen=True, slots=True)
class NativeJob:
    """What the sums need beside the files.

    Parameters
    ----------
    library
        The kernel.
    jobs
        Threads.
    rejects
        Where a file's rejects go.
    markouts
        Of a file of fills: gives what computes them, or None where its day has no book.
    progress
        Gets the stored bytes read since its last call.
    finished
        Gets each pass that is over; not those that read late lines a second time.
    """

    library: Any
    jobs: int
    rejects: Callable[[DayFile], contextlib.AbstractContextManager[RejectSink | None]]
    markouts: Callable[[DayFile], Callable[[], Markouts | None] | None]
    progress: Callable[[float], None]
    redo_lines: int = REDO_LINES
    finished: Callable[[FilePass], None] = lambda _: None


@dataclass(slots=True)
class _Kind:
    """The files of one kind, their sums and rows."""

    options: SumsOptions
    files: Sequence[DayFile]
    sums: NativeSums
    rows: bytearray = field(default_factory=bytearray)
    last_lines: dict[DayFile, int] = field(default_factory=dict)

    def groups(self) -> Iterator[tuple[int, _Group, int]]:
        """Where each row stands, its group, and the number of its lines."""
        names = self.sums.names
        for at in range(0, len(self.rows), ROW_BYTES):
            index, symbol, _, lines = _KEY.unpack_from(self.rows, at)
            yield at, (names[symbol], index), lines


def sum_natively(
    job: NativeJob, options: Sequence[SumsOptions], files: Sequence[DayFile], newest: frozenset[DayFile]
) -> NativeResult:
    """The sums of these files.

    Parameters
    ----------
    job
        See `NativeJob`.
    options
        Of ticks and of fills, or of one of them: their lines go into memory in this order.
    files
        The day files of these kinds, by kind and day.
    newest
        Those that a writer may still be at.

    Raises
    ------
    InputError
        As the readers; `UnreadableInput` also where a file had to be read again and was no longer the same.
    """
    kinds = [_kind(job, given, files) for given in options]
    stats: dict[DayFile, FileStats] = {}

    def finished(of: _Kind, one: FilePass) -> None:
        stats[one.file] = one.ledger.stats
        of.last_lines[one.file] = one.last_valid
        job.finished(one)

    passes = [
        FilePass(
            file,
            file in newest,
            ColumnPlan(file.kind, file.first_ts, COLUMNS[file.kind]),
            kind.sums,
            job.library,
            job.rejects(file),
            partial(finished, kind),
            markouts=job.markouts(file) if file.kind == "fills" else None,
            last_of_kind=file is kind.files[-1],
        )
        for kind in kinds
        for file in kind.files
    ]
    owner = {id(kind.sums): kind for kind in kinds}
    ChunkPipeline(passes, job.jobs, lambda of, rows: owner[id(of.sums)].rows.extend(rows), job.progress).run()
    for kind in kinds:
        _redo_late(job, kind, newest)
    symbols = {name for kind in kinds for name in kind.sums.seen}
    rows = {kind.options.kind: (kind.rows, {name: n for n, name in enumerate(kind.sums.names)}) for kind in kinds}
    return NativeResult(rows, stats, symbols)


def _kind(job: NativeJob, options: SumsOptions, files: Sequence[DayFile]) -> _Kind:
    plan = ColumnPlan(options.kind, 0, COLUMNS[options.kind])
    layout = NativeDecoder(job.library, plan).layout
    own = [file for file in files if file.kind == options.kind]
    return _Kind(options, own, NativeSums(job.library, options, layout))


def _redo_late(job: NativeJob, kind: _Kind, newest: frozenset[DayFile]) -> None:
    """Sum again, from the files, what was closed before its last line had come."""
    late = kind.sums.late()
    if not late:
        return
    met = {group: lines for _, group, lines in kind.groups() if group in late}
    expected = {group: lines + met.get(group, 0) for group, lines in late.items()}
    for part in _parts(expected, job.redo_lines):
        redone = _sum_again(job, kind, part, newest)
        found = {group: lines for _, group, lines in redone.groups()}
        if found != part:
            raise UnreadableInput(
                f"a {kind.options.kind} file changed while it was read",
                hint="Run again when nothing rewrites the feeds; appending to them is fine",
            )
        _replace_rows(kind, redone)


def _parts(expected: Mapping[_Group, int], redo_lines: int) -> list[dict[_Group, int]]:
    """Return the groups by time, in parts of about ``redo_lines`` lines."""
    parts: dict[int, dict[_Group, int]] = {}
    total = 0
    for group in sorted(expected, key=lambda group: (group[1], group[0])):
        total += expected[group]
        parts.setdefault(total // redo_lines, {})[group] = expected[group]
    return list(parts.values())


def _sum_again(job: NativeJob, kind: _Kind, part: Mapping[_Group, int], newest: frozenset[DayFile]) -> _Kind:
    """These groups, from the files that hold them, no further than these were read before."""
    again = _kind(job, replace(kind.options), kind.files)
    again.sums.only(list(part))
    length = kind.options.interval_sec
    indices = [index for _, index in part]
    days = Span(min(indices) * length, (max(indices) + 1) * length).days()
    touched = [file for file in kind.files if file.first_ts // DAY_S in days]
    passes = [
        FilePass(
            file,
            file in newest,
            ColumnPlan(file.kind, file.first_ts, COLUMNS[file.kind]),
            again.sums,
            job.library,
            contextlib.nullcontext(),
            lambda _: None,
            last_line=kind.last_lines[file],
            markouts=job.markouts(file) if file.kind == "fills" else None,
            last_of_kind=file is touched[-1],
        )
        for file in touched
    ]
    ChunkPipeline(passes, job.jobs, lambda _, rows: again.rows.extend(rows), lambda _: job.progress(0.0)).run()
    return again


def _replace_rows(kind: _Kind, redone: _Kind) -> None:
    groups = {group for _, group, _ in redone.groups()}
    kept = bytearray()
    for at, group, _ in kind.groups():
        if group not in groups:
            kept += kind.rows[at : at + ROW_BYTES]
    for at, (name, index), _ in redone.groups():
        row = redone.rows[at : at + ROW_BYTES]
        _, _, nulls, lines = _KEY.unpack_from(row)
        _KEY.pack_into(row, 0, index, kind.sums.symbol(name), nulls, lines)
        kept += row
    kind.rows = kept
