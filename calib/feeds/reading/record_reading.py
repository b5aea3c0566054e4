"""Read one feed file record by record: like `calib.feeds.reading.batches`, but without polars and numpy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Any, Final

from calib.feeds.reading import chunks
from calib.feeds.reading.compression import StoredFile
from calib.feeds.reading.days import DayFile
from calib.feeds.reading.decoding import RowDecoder, Rows
from calib.feeds.reading.ledger import LineLedger
from calib.feeds.reading.pieces import Piece, pieces_of
from calib.feeds.reading.rejects import RejectSink
from calib.feeds.reading.stats import FILL_KEY, FileStats, FillKey

_FILL_KEY: Final = attrgetter(*FILL_KEY)


class RecordReading:
    """The records of one file. Iterate once; `stats` is available after the last record.

    The iteration yields ``(line, record)`` in line order: the line number from 1, and a
    `calib.feeds.schema.types.FeedRecord` with one attribute per field, None if the field is absent or null. The errors
    are those of `calib.feeds.reading.batches.FeedReading`.
    """

    def __init__(
        self,
        file: DayFile,
        *,
        newest: bool,
        rejects: RejectSink | None = None,
        chunk_bytes: int = chunks.RECORDS_CHUNK,
        max_line_bytes: int = chunks.MAX_LINE,
    ) -> None:
        self.file = file
        self._ledger = LineLedger(file, newest, rejects)
        self._limits = chunk_bytes, max_line_bytes
        self.bytes_read = 0
        """Number of stored bytes read so far, for progress reports."""
        self._stored: StoredFile | None = None

    @property
    def stats(self) -> FileStats:
        """The statistics of the file; `RuntimeError` before the records are exhausted."""
        return self._ledger.stats

    @property
    def sha256_read(self) -> str:
        """The sha256 of the stored bytes read so far, hexadecimal; empty before the first."""
        return "" if self._stored is None else self._stored.sha256

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        for lines, records in self.blocks():
            yield from zip(lines, records, strict=True)

    def blocks(self) -> Iterator[tuple[Sequence[int], Sequence[Any]]]:
        """Yield ``(lines, records)`` in blocks of at least one line; an alternative to the iteration."""
        decoder = RowDecoder(self.file.kind, self.file.first_ts, None)
        with StoredFile(self.file.path) as stored:
            self._stored = stored
            first_line = 1
            for piece in pieces_of(self.file, stored, self._limits, by_reference=False):
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


def read_records(file: DayFile, *, newest: bool, rejects: RejectSink | None = None) -> RecordReading:
    """Read a feed file record by record, with the parameters of `calib.feeds.reading.batches.read_batches`.

    It uses and rejects the same lines.
    """
    return RecordReading(file, newest=newest, rejects=rejects)
