"""What is decided in line order over a whole file: duplicates, the order of time, the counts. Needs no numpy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import lt
from typing import Any

from calib.feeds.reading.compression import StoredFile
from calib.feeds.reading.days import DayFile, Form
from calib.feeds.reading.decoding import Rows
from calib.feeds.reading.packing import Packed
from calib.feeds.reading.pieces import Piece
from calib.feeds.reading.rejects import Reject, RejectSink, clipped
from calib.feeds.reading.state import MAX_TAIL, ReadingState
from calib.feeds.reading.stats import FileStats, FillKey, LineTally
from calib.feeds.schema.validation import RejectReason


class LineLedger:
    """What is decided in line order over the whole file; ``after`` is where an earlier reading of it ended."""

    def __init__(
        self, file: DayFile, newest: bool, rejects: RejectSink | None, after: ReadingState | None = None
    ) -> None:
        self.once_only = file.kind == "fills"
        if after is not None and self.once_only:
            raise ValueError("a reading of fills cannot go on: which of them were duplicates is not kept")
        self.tally = LineTally() if after is None else after.tally()
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
        numbers = [found.lines[position] for position in repeated]
        self.refuse(found.rejects, numbers, piece.lines, first_line, unended=piece.span.unended)
        return repeated

    def refuse(
        self,
        rejects: Sequence[Reject],
        repeated: Sequence[int],
        lines: Callable[[], list[bytes]],
        first_line: int,
        *,
        unended: bool,
    ) -> None:
        """Count a chunk's rejects and its duplicates, in the order of the lines.

        Parameters
        ----------
        rejects
            The rejects, numbers of lines within the chunk.
        repeated
            The lines that are duplicates, the same numbers.
        lines
            Gives the chunk's lines; called where there are duplicates.
        first_line
            Number of the chunk's first line in the file.
        unended
            Whether no newline ends the chunk.
        """
        if repeated:
            texts = lines()
            again = [
                Reject(number, RejectReason.DUPLICATE, "trade_id", clipped(texts[number]), "repeats an earlier fill")
                for number in repeated
            ]
            rejects = sorted([*rejects, *again], key=lambda reject: reject.line)
        unfinished = unended and self._newest
        for line, reason, name, text, what in rejects:
            if unfinished and reason is RejectReason.BAD_JSON:
                reason = RejectReason.PARTIAL_TAIL
            self.tally.reject(reason, line + first_line, name, what)
            if self._rejects is not None:
                self._rejects.add(Reject(line + first_line, reason, name, text, what))

    def use(self, times: Any) -> None:
        """Count used lines by their ``ts``."""
        steps_back = int((times[1:] < times[:-1]).sum())
        self.tally.use(
            len(times), float(times[0]), float(times[-1]), float(times.min()), float(times.max()), steps_back
        )

    def use_few(self, times: list[float]) -> None:
        """The same for a few: the calls into numpy would cost more than the counting."""
        steps_back = sum(map(lt, times[1:], times))
        self.tally.use(len(times), times[0], times[-1], min(times), max(times), steps_back)

    def tail(self, stored: StoredFile, line: int, last: Piece | None) -> ReadingState | None:
        """Where a later reading may go on: before the ``last`` line where no newline ends it, else at the end."""
        if self._file.form is not Form.PLAIN or self.once_only or (last is not None and last.span.size > MAX_TAIL):
            return None
        data = b"" if last is None else last.content()
        return ReadingState.of(self.tally, stored.bytes - len(data), line, stored.sha256, data)

    def close(self, stored: StoredFile) -> None:
        self._stats = self.tally.finish(
            file=self._file.name,
            path=str(self._file.path),
            kind=self._file.kind,
            bytes=stored.bytes,
            sha256=stored.sha256,
        )
