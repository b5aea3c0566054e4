"""Make the entry of a file that was read."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Protocol

import polars as pl

from calib.dataset.finished.copies import ReadingCopy
from calib.dataset.finished.day_sums import DaySums
from calib.dataset.finished.entry import (
    BOOK_REJECTS,
    EDGES,
    FORMAT,
    OPEN,
    REJECTS,
    ROWS,
    BookUse,
    DayHeader,
    frame_bytes,
)
from calib.dataset.finished.lookup import Lookup
from calib.dataset.markouts import BookMarkouts
from calib.feeds.reading.batches import LINE
from calib.feeds.reading.days import DayFile
from calib.feeds.reading.stats import FileStats

MAX_LINES_BYTES: Final = 64 << 20
"""Largest size of the lines in an entry, bytes. With larger open lines the entry has no state, so that a grown file is
read from its beginning; with larger edge lines the file gets no entry."""


class ReadFiles(Protocol):
    """Results of reading the files, see `calib.dataset.plan_reader.PlanReader`."""

    stats: dict[DayFile, FileStats]
    book_copies: dict[DayFile, ReadingCopy]
    markouts: BookMarkouts


def day_entry(
    look: Lookup, reader: ReadFiles, copy: ReadingCopy, part: DaySums, file: DayFile
) -> tuple[DayHeader, dict[str, bytes]] | None:
    """Return the header and the sections of a file's entry; None if the file gets no entry."""
    rejects, uses, now = copy.rejects, _uses(look, reader), look.now
    if now is None or rejects is None or uses is None or part.edges.estimated_size() > MAX_LINES_BYTES:
        return None
    read = [reader.book_copies[book.file] for book in look.books[:1] if book.file in reader.stats]
    book_rejects = read[0].rejects if read else b""
    if book_rejects is None:
        return None
    # Only the newest day can grow. The lines of its open intervals are kept so that a later run can continue.
    state = copy.state if now.newest and _goes_on(copy, part) else None
    header = DayHeader(
        format=FORMAT,
        key=look.key,
        identity=now.identity,
        newest=now.newest,
        unended=copy.unended,
        stats=replace(reader.stats[file], path=""),
        symbols=sorted(copy.symbols),
        tail_symbol=copy.tail_symbol,
        state=state,
        books=uses,
    )
    frames = {ROWS: part.rows, EDGES: part.edges} | ({} if state is None else {OPEN: part.open})
    sections = {name: frame_bytes(frame) for name, frame in frames.items()}
    return header, sections | {REJECTS: rejects, BOOK_REJECTS: book_rejects}


def _uses(look: Lookup, reader: ReadFiles) -> list[BookUse] | None:
    """Return what was read of each book; None if that is not known."""
    if not look.books or look.books[0].file not in reader.stats:
        return []  # no fill, so no book was read
    uses = []
    for number, book in enumerate(look.books):
        stats = reader.stats[book.file] if number == 0 else None
        glance = reader.markouts.glances.get(book.file)
        if stats is not None:
            begin, sha256, ended = stats.bytes, stats.sha256, True
        elif glance is not None:
            begin, sha256, ended = glance
        else:
            return None
        uses.append(
            BookUse(
                file=book.file.name,
                identity=book.identity,
                newest=book.newest,
                stats=None if stats is None else replace(stats, path=""),
                begin=begin,
                sha256=sha256,
                ended=ended,
            )
        )
    return uses


def _goes_on(copy: ReadingCopy, part: DaySums) -> bool:
    """Whether a later run can continue reading the file from the copy's state and the kept lines."""
    if copy.state is None or part.open.estimated_size() > MAX_LINES_BYTES:
        return False
    kept = pl.concat([part.open[LINE], part.edges[LINE]])
    # A late last line without newline is part of a finished row, but more text may still be appended to that line.
    return not copy.tail_used or bool((kept >= copy.state.line).any())
