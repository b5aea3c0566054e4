"""One pass over one day file: its chunks in order, its counts, and its lines into the sums."""

from __future__ import annotations

import contextlib
import threading
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from calib.dataset.native.parsing import ParsedChunk, ThreadDecoder
from calib.feeds.reading.compression import StoredFile
from calib.feeds.reading.days import DayFile
from calib.feeds.reading.ledger import LineLedger
from calib.feeds.reading.native.packer import NativeDecoder, new_room
from calib.feeds.reading.native.stream import LineChunk, LineSource, PooledBuffer
from calib.feeds.reading.native.sums import NativeSums
from calib.feeds.reading.packing import ColumnPlan
from calib.feeds.reading.rejects import RejectSink
from calib.feeds.reading.state import ReadingState
from calib.feeds.schema.types import DAY_S


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """Where some lines of a file lie.

    Parameters
    ----------
    offset, size
        In its content, bytes.
    first_line
        Number of the first line.
    last_ts
        Largest ``ts`` of the valid ones, Unix seconds.
    """

    offset: int
    size: int
    first_line: int
    last_ts: float


Markouts = Callable[[list[str], bytes], "array[float]"]
"""Of records with the names that their codes stand for: three markouts each, NaN where one is not known."""
_EVERY_LINE: Final = 2**63


@dataclass(slots=True)
class FilePass:
    """A pass over a file.

    Parameters
    ----------
    file, newest
        The file, and whether a writer may still be at it.
    plan
        The columns.
    sums
        Where its lines go.
    rejects
        Where its rejects go; `contextlib.nullcontext` of None where they are not kept.
    last_line
        Lines after this one are left out: they were not there the first time. None: none is.
    markouts
        Of fills, where there is a book of their day.
    last_of_kind
        Whether no file of its kind follows.
    finished
        Gets the pass when it is over and `ledger` has its facts.
    """

    file: DayFile
    newest: bool
    plan: ColumnPlan
    sums: NativeSums
    library: Any
    rejects: contextlib.AbstractContextManager[RejectSink | None]
    finished: Callable[[FilePass], None]
    last_line: int | None = None
    markouts: Callable[[], Markouts | None] | None = None
    last_of_kind: bool = False
    ledger: LineLedger = field(init=False)
    stored: StoredFile = field(init=False)
    source: LineSource = field(init=False)
    last_valid: int = 0
    """Number of the last valid line."""
    places: list[ChunkPlace] = field(default_factory=list)
    """Of the chunks with a valid line."""
    unended: bool = False
    """Whether no newline ends the last line."""
    tail: ReadingState | None = None
    """Where a later reading may go on; None where none can, or where no newline ends the last line."""
    _next_line: int = 1
    _decoders: dict[int, ThreadDecoder] = field(default_factory=dict)
    _files: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def open(self) -> None:
        """Open the file; with it the rejects, which are written when the pass ends well."""
        writer = self._files.enter_context(self.rejects)
        self.stored = self._files.enter_context(StoredFile(self.file.path))
        self.ledger = LineLedger(self.file, self.newest, writer)
        self.source = LineSource(self.stored, self.file.form)

    def read(self, buffer: PooledBuffer) -> LineChunk:
        """The next chunk."""
        return self.source.read(buffer)

    def parse(self, chunk: LineChunk, found: Any) -> ParsedChunk:
        """Return the records and rejects of a chunk; any thread may call it."""
        own = self._decoders.get(threading.get_ident())
        if own is None:
            own = self._decoders[threading.get_ident()] = ThreadDecoder(NativeDecoder(self.library, self.plan))
        return own.parse(chunk, found)

    def new_room(self) -> Any:
        """Room for the records of a chunk."""
        return new_room(self.library)

    def begin(self) -> None:
        """Before its first chunk is settled."""
        self.sums.begin_file()

    def settle(self, chunk: LineChunk, parsed: ParsedChunk) -> None:
        """Count the chunk's lines and give them to the sums; in the order of the file."""
        left = _EVERY_LINE if self.last_line is None else max(0, self.last_line - self._next_line + 1)
        markouts = self.markouts() if self.markouts is not None else None
        found, repeated, last = parsed.settle(
            self.sums,
            chunk.address,
            left,
            None if markouts is None else lambda records: markouts(["", *parsed.by.names], records),
        )
        tally = self.ledger.tally
        tally.note_unknown(parsed.judged.unknown)
        self.ledger.refuse(
            parsed.judged.rejects,
            repeated,
            lambda: chunk.part(0, chunk.size).split(b"\n"),
            self._next_line,
            unended=chunk.unended,
        )
        tally.trade_id_conflicts += found.conflicts
        if found.used:
            tally.use(found.used, found.first, found.last, found.least, found.largest, found.steps_back)
            self.places.append(ChunkPlace(chunk.offset, chunk.size, self._next_line, found.largest))
        if last >= 0:
            self.last_valid = self._next_line + last
        self._next_line += parsed.count
        self.unended |= chunk.unended and parsed.count > 0

    def settled(self) -> None:
        """Close the intervals of the file's day after its last chunk."""
        if self.last_of_kind:
            self.sums.close_all()
        else:
            self.sums.close_before(self.file.first_ts + DAY_S)

    def end(self) -> None:
        """After its last chunk is settled and hashed."""
        if not self.unended:
            self.tail = self.ledger.tail(self.stored, self._next_line, None)
        self.ledger.close(self.stored)
        self._decoders.clear()
        self._files.close()
        self.finished(self)

    def abandon(self, error: BaseException) -> None:
        """End the pass after an error of the job; no rejects are written."""
        self._files.__exit__(type(error), error, error.__traceback__)
