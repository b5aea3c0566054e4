"""Sum one day file by the kernel, and find the lines from which a later run can continue it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from io import FileIO
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from calib import system
from calib.dataset.finished.copies import ReadingCopy
from calib.dataset.finished.day_entry import MAX_LINES_BYTES
from calib.dataset.finished.day_sums import DayColumns, DaySums
from calib.dataset.grid import ALLOWED_LATENESS_S, DAY_S, INDEX, Grid
from calib.dataset.native.file_pass import ChunkPlace, FilePass
from calib.dataset.native.frames import kind_frame
from calib.dataset.native.intervals import markouts_of_day, sums_options, threads_for
from calib.dataset.native.sums import NativeJob, sum_natively
from calib.dataset.order import GROUP
from calib.errors import UnreadableInput
from calib.feeds.reading.batches import LINE
from calib.feeds.reading.columns import frame
from calib.feeds.reading.days import DayFile, Form
from calib.feeds.reading.native.packer import NativePacker
from calib.feeds.reading.packing import ColumnPlan
from calib.feeds.reading.rejects import RejectSink
from calib.storage import source_of

if TYPE_CHECKING:
    from calib.dataset.assembly import DatasetOptions
    from calib.dataset.finished.days import DayReader
    from calib.dataset.plan import DatasetPlan


@dataclass(frozen=True, slots=True)
class DayKernel:
    """Sums whole day files by the kernel, with the results of `calib.dataset.finished.day_sums.sum_day`.

    Parameters
    ----------
    library
        The kernel.
    plan, recipe
        The plan whose files are summed, and the options of the dataset.
    jobs
        Threads; None: as many as there are cores, one for a small file.
    """

    library: Any
    plan: DatasetPlan
    recipe: DatasetOptions
    jobs: int | None

    def suits(self, file: DayFile) -> bool:
        """Whether the kernel can sum this file.

        It cannot if an interval may have lines of two files, or if the last line of a file that may grow is incomplete.
        """
        may_grow = file.kind != "fills" and file.form is Form.PLAIN and file in self.plan.newest
        return self.plan.grid.divides_a_day and (not may_grow or _ends_with_newline(file))

    def sum_day(self, file: DayFile, reader: DayReader, copy: ReadingCopy, columns: DayColumns) -> DaySums:
        """Return the sums of a file; fill ``copy``, and store the file's statistics and symbols in ``reader``.

        It raises the errors of `sum_natively`.
        """
        passes: list[FilePass] = []

        @contextlib.contextmanager
        def rejects(_: DayFile) -> Iterator[RejectSink]:
            with reader.rejects(file) as writer:
                yield copy.forward_to(writer)

        job = NativeJob(
            self.library,
            threads_for([file], self.jobs),
            rejects,
            lambda _: markouts_of_day(file, self.plan, lambda: reader.markouts),
            reader.progress,
            finished=passes.append,
        )
        whole_day = replace(
            sums_options(file.kind, self.plan, self.recipe), start=file.first_ts, end=file.first_ts + DAY_S, symbols=()
        )
        found = sum_natively(job, [whole_day], [file], self.plan.newest)
        reader.stats[file] = found.stats[file]
        reader.symbols |= found.symbols
        rows = kind_frame(file.kind, *found.kinds[file.kind]).select(columns.rows.names())
        one = passes.pop()  # removed from the list, which the job refers to: else both stay in a reference cycle
        open_lines = self._open_lines(one, rows, columns) if file in self.plan.newest else None
        copy.was_whole(found.symbols, None if open_lines is None else one.tail, unended=one.unended)
        nothing = columns.lines.to_frame()
        return DaySums(rows, nothing, nothing if open_lines is None else open_lines)

    def _open_lines(self, one: FilePass, rows: pl.DataFrame, columns: DayColumns) -> pl.DataFrame | None:
        """Read the lines of the newest intervals again; return None if no later reading can continue the file.

        Appended lines may belong to intervals up to `ALLOWED_LATENESS_S` before the median time of the last chunk. The
        median does not depend on a single line with a wrong time.
        """
        if one.tail is None:
            return None
        if not one.places:
            return columns.lines.to_frame()
        names = columns.lines.names()[1:]
        packer = NativePacker(self.library, ColumnPlan(one.file.kind, one.file.first_ts, tuple(names)))
        *earlier, last = one.places
        try:
            newest = _lines(one, last, packer, names)
            first = self.plan.grid.index(float(newest["ts"].median()) - ALLOWED_LATENESS_S)  # type: ignore[arg-type]
            begin = first * self.plan.grid.interval_sec
            needed = [place for place in earlier if place.last_ts >= begin]
            if sum(place.size for place in needed) > MAX_LINES_BYTES:
                return None
            parts = [*(_lines(one, place, packer, names) for place in needed), newest]
        except UnreadableInput:  # replaced or shortened since; the sums are of what was read before
            return None
        found = pl.concat(parts).filter(pl.col("ts") >= begin)
        return found if _complete(found, rows.filter(pl.col(INDEX) >= first), self.plan.grid) else None


def _lines(one: FilePass, place: ChunkPlace, packer: NativePacker, names: Sequence[str]) -> pl.DataFrame:
    """Read a chunk of the file again and return its valid lines."""
    path, identity = one.file.local, one.stored.identity
    packed = packer.pack(source_of(path).read_range(path, identity, place.offset, place.size))
    numbers = np.asarray(packed.lines, dtype=np.int64) + place.first_line
    return frame([packed], one.file.kind, names).insert_column(0, pl.Series(LINE, numbers))


def _complete(lines: pl.DataFrame, rows: pl.DataFrame, grid: Grid) -> bool:
    """Whether these are all lines of the rows; false if the file was changed in place meanwhile."""
    counts = lines.with_columns(grid.index_of()).group_by(*GROUP).len().sort(*GROUP)
    return counts.select(*GROUP).equals(rows.select(*GROUP)) and counts["len"].to_list() == rows["ticks"].to_list()


def _ends_with_newline(file: DayFile) -> bool:
    """Whether the last byte of a plain file is a newline; true also if the file is empty or cannot be read."""
    try:
        with FileIO(system.open_regular(file.local)) as handle:
            size = handle.seek(0, os.SEEK_END)
            handle.seek(max(0, size - 1))
            return size == 0 or handle.read(1) == b"\n"
    except OSError:
        return True  # reading the file raises the error
