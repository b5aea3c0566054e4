"""Copy of the rejects and symbols that the first reading of a file finds, for the file's entry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import orjson
import polars as pl

from calib.feeds.reading.batches import LINE, FeedReading
from calib.feeds.reading.rejects import Reject, RejectSink, RejectWriter
from calib.feeds.reading.state import ReadingState

MAX_REJECTS: Final = 16 << 20
"""Largest size of a file's rejects, bytes; a file with more gets no entry."""


@dataclass(slots=True)
class ReadingCopy:
    """Sink of a reading's rejects that keeps a copy and forwards them to a `RejectWriter`.

    Parameters
    ----------
    after, before
        State from which the reading continues, and the rejects of the lines before it; None and empty if the file is
        read from its beginning.
    symbols
        Every symbol of the file, including those before ``after``.
    """

    after: ReadingState | None = None
    before: bytes = b""
    symbols: set[str] = field(default_factory=set)
    tail_symbol: str | None = None
    """Symbol that occurs only in the last line, if that line has no newline; else None."""
    tail_used: bool = False
    """Whether the batches contain a last line without newline."""
    state: ReadingState | None = None
    unended: bool = False
    _sink: RejectSink | None = None
    _lines: list[bytes] = field(default_factory=list)
    _size: int = 0

    def forward_to(self, writer: RejectWriter | None) -> ReadingCopy:
        """Forward the rejects to ``writer`` too, beginning with ``before``; return this copy."""
        self._sink = writer
        self._keep(self.before)
        if writer is not None and self.before:
            writer.add_lines(self.before)
        return self

    def add(self, reject: Reject) -> None:
        self._keep(reject.encode())
        if self._sink is not None:
            self._sink.add(reject)

    def saw(self, batch: pl.DataFrame, reading: FeedReading) -> None:
        """Record the symbols of a batch."""
        if reading.unended and batch.item(-1, LINE) == reading.last_line:
            last = batch.row(-1, named=True)
            self.tail_used = True
            before = self.symbols | set(batch["symbol"][:-1])
            self.tail_symbol = None if last["symbol"] in before else last["symbol"]
        self.symbols.update(batch["symbol"].unique())

    def end(self, reading: FeedReading) -> None:
        """Record the state of the reading after its last batch."""
        self.state, self.unended = reading.tail, reading.unended

    def was_whole(self, symbols: set[str], state: ReadingState | None, *, unended: bool) -> None:
        """Record a file that was read at once instead of in batches.

        Parameters
        ----------
        symbols
            Every symbol of the file.
        state
            State from which a later reading continues.
        unended
            Whether the last line has no newline.
        """
        self.symbols |= symbols
        self.state, self.unended = state, unended

    @property
    def rejects(self) -> bytes | None:
        """The lines of the rejects file; None if they are larger than `MAX_REJECTS`."""
        return None if self._size > MAX_REJECTS else b"".join(self._lines)

    def _keep(self, lines: bytes) -> None:
        self._size += len(lines)
        if self._size > MAX_REJECTS:
            self._lines.clear()
        else:
            self._lines.append(lines)


def rejects_before(rejects: bytes, line: int) -> bytes:
    """Return the rejects of the lines before ``line``; at most the last reject may be of that or a later line.

    >>> rejects_before(b'{"line":1}\\n{"line":4}\\n', 4)
    b'{"line":1}\\n'
    """
    begin = rejects.rfind(b"\n", 0, max(0, len(rejects) - 1)) + 1
    if rejects and orjson.loads(rejects[begin:])["line"] >= line:
        return rejects[:begin]
    return rejects
