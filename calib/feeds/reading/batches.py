"""Reading one feed file: every line is used or counted as a reject, in bounded memory, whatever the file's size.

The way of a line: stored bytes -> content -> chunks of whole lines -> rows (by workers where asked) -> columns; then,
in line order, duplicates, the order of time and the counts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter, lt
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from calib.feeds.reading import chunks
from calib.feeds.reading.columns import frame, numbers, schema, strings
from calib.feeds.reading.compression import BLOCK, StoredFile, contents
from calib.feeds.reading.days import DayFile, Form
from calib.feeds.reading.decoding import RowDecoder, Rows
from calib.feeds.reading.packing import ColumnPlan, Packed
from calib.feeds.reading.pieces import InProcess, Piece, PieceDecoder
from calib.feeds.reading.rejects import Reject, RejectWriter, clipped
from calib.feeds.reading.stats import FILL_KEY, FileStats, FillKey, LineTally
from calib.feeds.schema.table import FEEDS, Type
from calib.feeds.schema.validation import RejectReason

LINE: Final = "line"
"""Name of the column that holds a row's line number."""
BATCH_LINES: Final = 100_000
"""Rows of a batch, about: each query of polars costs as much as some thousand rows do."""


def within(start: float | None, end: float | None, symbols: Sequence[str] = ()) -> pl.Expr:
    """Which rows lie in [start, end), Unix seconds, None where that side is open, and are of these symbols if any."""
    keep = pl.lit(value=True)
    if start is not None:
        keep &= pl.col("ts") >= start
    if end is not None:
        keep &= pl.col("ts") < end
    if symbols:
        keep &= pl.col("symbol").is_in(list(symbols))
    return keep


class FeedReading:
    """The batches of one file, to be iterated once; `stats` stands when they are exhausted.

    Iterating gives `polars.DataFrame` in line order, each of bounded size with at least one row: ``line`` (Int64, from
    1) and the columns asked for.

    Raises
    ------
    UnreadableInput
        Where the file cannot be opened or read.
    TruncatedInput
        Where a compressed file ends too early or is damaged.
    """

    def __init__(
        self,
        file: DayFile,
        columns: Sequence[str],
        *,
        newest: bool,
        engine: PieceDecoder | None = None,
        rejects: RejectWriter | None = None,
        chunk_bytes: int = chunks.CHUNK,
        max_line_bytes: int = chunks.MAX_LINE,
        batch_lines: int = BATCH_LINES,
    ) -> None:
        self.file = file
        self.columns = tuple(dict.fromkeys(columns))
        self._ledger = _Ledger(file, newest, rejects)
        self._limits = chunk_bytes, max_line_bytes
        self._batch_lines = batch_lines
        self._engine = InProcess() if engine is None else engine
        needed = ["ts", *(FILL_KEY if self._ledger.once_only else ()), *self.columns]
        self._plan = ColumnPlan(file.kind, file.first_ts, tuple(dict.fromkeys(needed)))
        self.bytes_read = 0
        """Stored bytes read so far, to show how far it is."""

    @property
    def stats(self) -> FileStats:
        """The facts of the file; `RuntimeError` before the batches are exhausted."""
        return self._ledger.stats

    def __iter__(self) -> Iterator[pl.DataFrame]:
        with contextlib.ExitStack() as stack:
            engine = self._engine
            stored = stack.enter_context(StoredFile(self.file.path))
            held: list[_Part] = []
            first_line = 1
            for piece, packed in engine.run(self._plan, _pieces(self.file, stored, self._limits, engine.remote)):
                part = self._part(piece, packed, first_line)
                first_line += packed.count
                self.bytes_read = stored.bytes
                held.extend(part)
                if sum(part.packed.used for part in held) >= self._batch_lines:
                    yield self._batch(held)
                    held = []
            if held:
                yield self._batch(held)
            self._ledger.close(stored)

    def _part(self, piece: Piece, packed: Packed, first_line: int) -> list[_Part]:
        """What a chunk gives, if anything; counted, duplicates found."""
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
    """A column of fills as plain values."""
    if FEEDS["fills"].field(name).type is Type.STRING:
        return strings(packed, name)
    plain: list[float] = numbers(packed, name).tolist()
    return plain


@dataclass(frozen=True, slots=True)
class _Part:
    """A chunk's rows, the number of each line in the file, and whether the row is kept; None where all are."""

    packed: Packed
    lines: np.ndarray[Any, np.dtype[np.int64]]
    kept: np.ndarray[Any, np.dtype[np.bool_]] | None


def _numbers(lines: Sequence[int], first_line: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    if isinstance(lines, range):
        return np.arange(first_line + lines.start, first_line + lines.stop, dtype=np.int64)
    return np.asarray(lines, dtype=np.int64) + first_line


class RecordReading:
    """The records of one file, one by one; iterate once, then `stats` stands.

    Iterating gives ``(line, record)`` in line order: the line's number from 1, and a
    `calib.feeds.schema.types.FeedRecord` with one attribute per field, None where the field is absent or null. Errors
    are those of `FeedReading`.
    """

    def __init__(
        self,
        file: DayFile,
        *,
        newest: bool,
        rejects: RejectWriter | None = None,
        chunk_bytes: int = chunks.RECORDS_CHUNK,
        max_line_bytes: int = chunks.MAX_LINE,
    ) -> None:
        self.file = file
        self._ledger = _Ledger(file, newest, rejects)
        self._limits = chunk_bytes, max_line_bytes
        self.bytes_read = 0
        """Stored bytes read so far, to show how far it is."""

    @property
    def stats(self) -> FileStats:
        """The facts of the file; `RuntimeError` before the records are exhausted."""
        return self._ledger.stats

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        for lines, records in self.blocks():
            yield from zip(lines, records, strict=True)

    def blocks(self) -> Iterator[tuple[Sequence[int], Sequence[Any]]]:
        """The same in blocks of at least one line: ``(lines, records)``; instead of iterating."""
        decoder = RowDecoder(self.file.kind, self.file.first_ts, None)
        with StoredFile(self.file.path) as stored:
            first_line = 1
            for piece in _pieces(self.file, stored, self._limits, by_reference=False):
                data = piece.content()
                found = decoder.oversized(data) if piece.span.oversized else decoder.decode(data)
                self.bytes_read = stored.bytes
                lines, records = self._usable(piece, found, first_line)
                if records:
                    yield lines, records
                first_line += found.count
            self._ledger.close(stored)

    def _usable(self, piece: Piece, found: Rows, first_line: int) -> tuple[Sequence[int], Sequence[Any]]:
        keys: list[FillKey] = list(map(_FILL_KEY, found.rows)) if self._ledger.once_only else []
        repeated = set(self._ledger.settle(piece, first_line, found, keys))
        lines, rows = [number + first_line for number in found.lines], found.rows
        if repeated:
            kept = [position for position in range(len(rows)) if position not in repeated]
            lines, rows = [lines[position] for position in kept], [rows[position] for position in kept]
        if rows:
            self._ledger.use_few([row.ts for row in rows])
        return lines, rows


def read_batches(
    file: DayFile,
    columns: Sequence[str],
    *,
    newest: bool,
    engine: PieceDecoder | None = None,
    rejects: RejectWriter | None = None,
) -> FeedReading:
    """Read a feed file as polars batches.

    Parameters
    ----------
    file
        From `calib.feeds.reading.days.find_days`.
    columns
        Names of flat fields; ``field.stage`` for one stage, as in ``stage_latencies.fetch_md``. `ValueError` for
        another.
    newest
        Whether it is the newest day of its kind: a writer may still be at its last line.
    engine
        What decodes the file, see `calib.engines`; None: this process. The result does not depend on it.
    rejects
        Where the rejects go; None to count them only.
    """
    return FeedReading(file, columns, newest=newest, engine=engine, rejects=rejects)


def read_records(file: DayFile, *, newest: bool, rejects: RejectWriter | None = None) -> RecordReading:
    """Read a feed file record by record; parameters as in `read_batches`, the same lines are used and rejected."""
    return RecordReading(file, newest=newest, rejects=rejects)


def _pieces(file: DayFile, stored: StoredFile, limits: tuple[int, int], by_reference: bool) -> Iterator[Piece]:
    """The file's chunks; ``by_reference`` spares the pipes the bytes of a plain file, which a worker reads itself."""
    block = min(BLOCK, limits[0])
    path = file.path if file.form is Form.PLAIN and isinstance(file.path, Path) else None
    if by_reference and path is not None:
        buffer, cutter = bytearray(block), chunks.Cutter(*limits)
        while size := stored.read_into(buffer):
            yield from (Piece(span, None, path, stored.identity) for span in cutter.add(buffer, size))
        yield from (Piece(span, None, path, stored.identity) for span in cutter.finish())
    else:
        for chunk in chunks.cut(contents(stored, file.form, block), *limits):
            yield Piece(chunk.span, chunk.data, path, stored.identity)


class _Ledger:
    """What is decided in line order over the whole file."""

    def __init__(self, file: DayFile, newest: bool, rejects: RejectWriter | None) -> None:
        self.once_only = file.kind == "fills"
        self.tally = LineTally()
        self._file, self._newest, self._rejects = file, newest, rejects
        self._stats: FileStats | None = None

    @property
    def stats(self) -> FileStats:
        if self._stats is None:
            raise RuntimeError(f"{self._file.name} is not read to its end yet")
        return self._stats

    def settle(self, piece: Piece, first_line: int, found: Rows | Packed, keys: list[FillKey]) -> list[int]:
        """Count a chunk's rejects and find its duplicates.

        Parameters
        ----------
        keys
            Of each valid line what makes it a duplicate; empty for a feed that knows no duplicates.

        Returns
        -------
        list of int
            Positions of the valid lines that are duplicates.
        """
        self.tally.note_unknown(found.unknown)
        repeated = self.tally.repeated(keys)
        rejects = found.rejects
        if repeated:
            texts = piece.lines()
            numbers = [found.lines[position] for position in repeated]
            again = [
                Reject(number, RejectReason.DUPLICATE, "trade_id", clipped(texts[number]), "repeats an earlier fill")
                for number in numbers
            ]
            rejects = sorted([*rejects, *again], key=lambda reject: reject.line)
        for reject in rejects:
            tail = piece.span.unended and self._newest and reject.reason is RejectReason.BAD_JSON
            reason = RejectReason.PARTIAL_TAIL if tail else reject.reason
            self._refuse(Reject(reject.line + first_line, reason, reject.field, reject.text, reject.what))
        return repeated

    def use(self, times: np.ndarray[Any, np.dtype[np.float64]]) -> None:
        """Count used lines by their ``ts``."""
        steps_back = int((times[1:] < times[:-1]).sum())
        self.tally.use(
            len(times), float(times[0]), float(times[-1]), float(times.min()), float(times.max()), steps_back
        )

    def use_few(self, times: list[float]) -> None:
        """The same for a few: the calls into numpy would cost more than the counting."""
        steps_back = sum(map(lt, times[1:], times))
        self.tally.use(len(times), times[0], times[-1], min(times), max(times), steps_back)

    def close(self, stored: StoredFile) -> None:
        self._stats = self.tally.finish(
            file=self._file.name,
            path=str(self._file.path),
            kind=self._file.kind,
            bytes=stored.bytes,
            sha256=stored.sha256,
        )

    def _refuse(self, reject: Reject) -> None:
        self.tally.reject(reject.reason, reject.line, reject.field, reject.what)
        if self._rejects is not None:
            self._rejects.add(reject)


__all__ = ["LINE", "FeedReading", "RecordReading", "read_batches", "read_records", "schema"]
