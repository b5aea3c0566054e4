"""What the first reading of a file finds beside its rows, kept for the file's entry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import orjson
import polars as pl

from calib.feeds.reading.batches import LINE, FeedReading
from calib.feeds.reading.rejects import Reject, RejectSink, RejectWriter
from calib.feeds.reading.state import ReadingState

MAX_REJECTS: Final = 16 << 20
"""Bytes of rejects past which a file gets no entry."""


@dataclass(slots=True)
class ReadingCopy:
    """Stands between a reading and its `RejectWriter`, and keeps what goes by.

    Parameters
    ----------
    after, before
        Where the reading goes on, and the rejects of the lines before; None and empty: from the beginning.
    symbols
        Every symbol of the file, those before ``after`` included.
    """

    after: ReadingState | None = None
    before: bytes = b""
    symbols: set[str] = field(default_factory=set)
    tail_symbol: str | None = None
    """The symbol that a last line without newline alone has."""
    tail_used: bool = False
    """Whether such a line is among the batches."""
    state: ReadingState | None = None
    unended: bool = False
    _sink: RejectSink | None = None
    _lines: list[bytes] = field(default_factory=list)
    _size: int = 0

    def forward_to(self, writer: RejectWriter | None) -> ReadingCopy:
        """Give the rejects to ``writer`` too, those before first."""
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
        """Take note of a batch."""
        if reading.unended and batch.item(-1, LINE) == reading.last_line:
            last = batch.row(-1, named=True)
            self.tail_used = True
            before = self.symbols | set(batch["symbol"][:-1])
            self.tail_symbol = None if last["symbol"] in before else last["symbol"]
        self.symbols.update(batch["symbol"].unique())

    def end(self, reading: FeedReading) -> None:
        """The reading is over."""
        self.state, self.unended = reading.tail, reading.unended

    def was_whole(self, symbols: set[str], state: ReadingState | None, *, unended: bool) -> None:
        """The file was read at once, not in batches: every symbol of it, and where a later reading goes on."""
        self.symbols |= symbols
        self.state, self.unended = state, unended

    @property
    def rejects(self) -> bytes | None:
        """The lines of the rejects file; None where they were too many to keep."""
        return None if self._size > MAX_REJECTS else b"".join(self._lines)

    def _keep(self, lines: bytes) -> None:
        self._size += len(lines)
        if self._size > MAX_REJECTS:
            self._lines.clear()
        else:
            self._lines.append(lines)


def rejects_before(rejects: bytes, line: int) -> bytes:
    """The rejects of the lines before ``line``, where at most the last reject is of a later one.

    >>> rejects_before(b'{"line":1}\\n{"line":4}\\n', 4)
    b'{"line":1}\\n'
    """
    begin = rejects.rfind(b"\n", 0, max(0, len(rejects) - 1)) + 1
    if rejects and orjson.loads(rejects[begin:])["line"] >= line:
        return rejects[:begin]
    return rejects
