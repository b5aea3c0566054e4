"""Read one feed file as polars batches. Every line is either used or counted as a reject.

Memory does not depend on the size of the file. The steps are: stored bytes -> content -> chunks of whole lines -> rows
(by workers if there are any) -> columns; then, in line order, the detection of duplicates and the statistics.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

import numpy as np
import polars as pl

from calib.feeds.reading import chunks
from calib.feeds.reading.columns import frame, numbers, schema, strings
from calib.feeds.reading.compression import StoredFile
from calib.feeds.reading.days import DayFile
from calib.feeds.reading.ledger import LineLedger
from calib.feeds.reading.packing import ColumnPlan, Packed
from calib.feeds.reading.pieces import InProcess, Piece, PieceDecoder, pieces_of
from calib.feeds.reading.record_reading import RecordReading, read_records
from calib.feeds.reading.rejects import RejectSink
from calib.feeds.reading.state import PrefixChanged, ReadingState
from calib.feeds.reading.stats import FILL_KEY, FileStats, FillKey
from calib.feeds.schema.table import FEEDS, Type

LINE: Final = "line"
"""Name of the column with the line number of a row."""
BATCH_LINES: Final = 100_000
"""Approximate number of rows of a batch. The fixed cost of a polars query is that of some thousand rows."""


def within(start: float | None, end: float | None, symbols: Sequence[str] = ()) -> pl.Expr:
    """Return the condition that a row is in ``[start, end)`` and has one of the symbols.

    Parameters
    ----------
    start, end
        Unix seconds; None for no limit.
    symbols
        Empty for all.
    """
    keep = pl.lit(value=True)
    if start is not None:
        keep &= pl.col("ts") >= start
    if end is not None:
        keep &= pl.col("ts") < end
    if symbols:
        keep &= pl.col("symbol").is_in(list(symbols))
    return keep


class FeedReading:
    """The batches of one file. Iterate once; `stats` is available after the last batch.

    The iteration yields each `polars.DataFrame` in line order, of limited size and with at least one row. The columns
    are ``line`` (Int64, from 1) and the requested ones.

    Raises
    ------
    UnreadableInput
        If the file cannot be opened or read.
    TruncatedInput
        If a compressed file ends too early or is damaged.
    PrefixChanged
        If the reading continues an earlier one, and the bytes that the earlier one read have changed.
    """

    def __init__(
        self,
        file: DayFile,
        columns: Sequence[str],
        *,
        newest: bool,
        engine: PieceDecoder | None = None,
        rejects: RejectSink | None = None,
        after: ReadingState | None = None,
        chunk_bytes: int = chunks.CHUNK,
        max_line_bytes: int = chunks.MAX_LINE,
        batch_lines: int = BATCH_LINES,
    ) -> None:
        self.file = file
        self.columns = tuple(dict.fromkeys(columns))
        self._ledger = LineLedger(file, newest, rejects, after)
        self._after = after
        self._limits = chunk_bytes, max_line_bytes
        self._batch_lines = batch_lines
        self._engine = InProcess() if engine is None else engine
        needed = ["ts", *(FILL_KEY if self._ledger.once_only else ()), *self.columns]
        self._plan = ColumnPlan(file.kind, file.first_ts, tuple(dict.fromkeys(needed)))
        self.bytes_read = 0
        """Number of stored bytes read so far, for progress reports."""
        self.tail: ReadingState | None = None
        """State from which a later reading can continue (``after``), set after the last line; None if none can."""
        self.unended = False
        """Whether the last line has no newline; set when that line is read."""
        self.last_line = 0
        """Number of the last line if it has no newline; else 0."""

    @property
    def stats(self) -> FileStats:
        """The statistics of the file; `RuntimeError` before the batches are exhausted."""
        return self._ledger.stats

    def __iter__(self) -> Iterator[pl.DataFrame]:
        with contextlib.ExitStack() as stack:
            engine = self._engine
            stored = stack.enter_context(StoredFile(self.file.path))
            held: list[_Part] = []
            begin, first_line = self._begin(stored)
            for piece, packed in engine.run(
                self._plan, pieces_of(self.file, stored, self._limits, engine.remote, begin)
            ):
                if piece.span.unended:
                    self.unended, self.last_line = True, first_line
                    self.tail = self._ledger.tail(stored, first_line, piece)
                part = self._part(piece, packed, first_line)
                first_line += packed.count
                self.bytes_read = stored.bytes
                held.extend(part)
                if sum(part.packed.used for part in held) >= self._batch_lines:
                    yield self._batch(held)
                    held = []
            if not self.unended:
                self.tail = self._ledger.tail(stored, first_line, None)
            if held:
                yield self._batch(held)
            self._ledger.close(stored)

    def _begin(self, stored: StoredFile) -> tuple[int, int]:
        """Skip the part that an earlier reading read; return the offset and the number of the first line to read."""
        if self._after is None:
            return 0, 1
        stored.skip(self._after.offset)
        if not self._after.ends_with(stored.digest):
            raise PrefixChanged(f"{self.file.path} does not begin as it did")
        return self._after.offset, self._after.line

    def _part(self, piece: Piece, packed: Packed, first_line: int) -> list[_Part]:
        """Count the lines of a chunk and find duplicates; return the chunk's part of a batch, if it has rows."""
        keys: list[FillKey] = []
        if self._ledger.once_only and packed.used:
            keys = list(zip(*(_values(packed, name) for name in FILL_KEY), strict=True))
        repeated = self._ledger.settle(piece, first_line, packed, keys)
        if len(repeated) == packed.used:
            return []
        times = numbers(packed, "ts")
        kept = None
        if repeated:
            kept = np.ones(packed.used, bool)
            kept[repeated] = False
            times = times[kept]
        self._ledger.use(times)
        return [_Part(packed, _numbers(packed.lines, first_line), kept)]

    def _batch(self, parts: Sequence[_Part]) -> pl.DataFrame:
        lines = pl.Series(LINE, np.concatenate([part.lines for part in parts]))
        rows = frame([part.packed for part in parts], self.file.kind, self.columns)
        batch = rows.insert_column(0, lines)
        if all(part.kept is None for part in parts):
            return batch
        kept = [np.ones(part.packed.used, bool) if part.kept is None else part.kept for part in parts]
        return batch.filter(pl.Series(np.concatenate(kept)))


_FILL_KEY: Final = attrgetter(*FILL_KEY)


def _values(packed: Packed, name: str) -> Sequence[Any]:
    """Return a column of fills as Python values."""
    if FEEDS["fills"].field(name).type is Type.STRING:
        return strings(packed, name)
    plain: list[float] = numbers(packed, name).tolist()
    return plain


@dataclass(frozen=True, slots=True)
class _Part:
    """The rows of a chunk, the line number of each, and whether each is kept; ``kept`` is None if all are."""

    packed: Packed
    lines: np.ndarray[Any, np.dtype[np.int64]]
    kept: np.ndarray[Any, np.dtype[np.bool_]] | None


def _numbers(lines: Sequence[int], first_line: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    if isinstance(lines, range):
        return np.arange(first_line + lines.start, first_line + lines.stop, dtype=np.int64)
    return np.asarray(lines, dtype=np.int64) + first_line


def read_batches(
    file: DayFile,
    columns: Sequence[str],
    *,
    newest: bool,
    engine: PieceDecoder | None = None,
    rejects: RejectSink | None = None,
    after: ReadingState | None = None,
) -> FeedReading:
    """Read a feed file as polars batches.

    Parameters
    ----------
    file
        From `calib.feeds.reading.days.find_days`.
    columns
        Names of flat fields; ``field.stage`` for one stage, as in ``stage_latencies.fetch_md``. Other names raise
        `ValueError`.
    newest
        Whether it is the newest day of its kind, whose last line may still be written.
    engine
        Decoder of the file, see `calib.engines`; None for this process. Does not affect the result.
    rejects
        Receives the rejects; None to count them only.
    after
        State at the end of an earlier reading of the same file, from which to continue; None to read from the
        beginning. Only for plain files other than fills. The statistics cover the whole file, the batches and the
        rejects only the new lines.
    """
    return FeedReading(file, columns, newest=newest, engine=engine, rejects=rejects, after=after)


__all__ = ["LINE", "FeedReading", "RecordReading", "read_batches", "read_records", "schema"]
