"""One day file summed by the kernel, with what is kept of it for a later run."""

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
from calib.feeds.reading.batches import LINE
from calib.feeds.reading.columns import frame
from calib.feeds.reading.days import DayFile, Form
from calib.feeds.reading.native.packer import NativePacker
from calib.feeds.reading.packing import ColumnPlan
from calib.feeds.reading.rejects import RejectSink
from calib.storage import source_of

if TYPE_CHECKING:
    from calib.dataset.assembly import DatasetOptions
    from calib.dataset.plan import DatasetPlan
    from calib.dataset.plan_reader import PlanReader


@dataclass(frozen=True, slots=True)
class DayKernel:
    """Sums whole day files as `calib.dataset.finished.day_sums.sum_day` does, by the kernel.

    Parameters
    ----------
    library
        The kernel.
    plan, recipe
        Whose files are summed, and how.
    jobs
        Threads; None: as many as there are cores, one for a small file.
    """

    library: Any
    plan: DatasetPlan
    recipe: DatasetOptions
    jobs: int | None

    def suits(self, file: DayFile) -> bool:
        """Whether it can: not where an interval may hold lines of two files, nor where a line is being written."""
        may_grow = file.kind != "fills" and file.form is Form.PLAIN and file in self.plan.newest
        return self.plan.grid.divides_a_day and (not may_grow or _ends_with_newline(file))

    def sum_day(self, file: DayFile, reader: PlanReader, copy: ReadingCopy, columns: DayColumns) -> DaySums:
        """What a file comes to; the copy is filled, and the reader gets the facts. Errors as `sum_natively`."""
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
        rows = kind_frame(file.kind, *found.of(file.kind)).select(columns.rows.names())
        one = passes.pop()  # taken out: with the job, which knows the list, it would be a cycle of many megabytes
        open_lines = self._open_lines(one, rows, columns) if file in self.plan.newest else None
        copy.was_whole(found.symbols, None if open_lines is None else one.tail, unended=one.unended)
        nothing = columns.lines.to_frame()
        return DaySums(rows, nothing, nothing if open_lines is None else open_lines)

    def _open_lines(self, one: FilePass, rows: pl.DataFrame, columns: DayColumns) -> pl.DataFrame | None:
        """The lines of the newest intervals, read once more; None where no later reading can go on there.

        Lines that are appended may belong to intervals that began up to `ALLOWED_LATENESS_S` before the median time of
        the last chunk: one line with a wild time moves it nowhere.
        """
        if one.tail is None:
            return None
        names = columns.lines.names()[1:]
        if not one.places:
            return columns.lines.to_frame()
        packer = NativePacker(self.library, ColumnPlan(one.file.kind, one.file.first_ts, tuple(names)))
        last = _lines(one, one.places[-1], packer, names)
        first = self.plan.grid.index(float(last["ts"].median()) - ALLOWED_LATENESS_S)  # type: ignore[arg-type]
        begin = first * self.plan.grid.interval_sec
        needed = [place for place in one.places if place.last_ts >= begin]
        if sum(place.size for place in needed) > MAX_LINES_BYTES:
            return None
        parts = [_lines(one, place, packer, names).filter(pl.col("ts") >= begin) for place in needed]
        found = pl.concat(parts)
        return found if _complete(found, rows.filter(pl.col(INDEX) >= first), self.plan.grid) else None


def _lines(one: FilePass, place: ChunkPlace, packer: NativePacker, names: Sequence[str]) -> pl.DataFrame:
    """The valid lines of a chunk, from the file that was read."""
    path, identity = one.file.local, one.stored.identity
    packed = packer.pack(source_of(path).read_range(path, identity, place.offset, place.size))
    numbers = np.asarray(packed.lines, dtype=np.int64) + place.first_line
    return frame([packed], one.file.kind, names).insert_column(0, pl.Series(LINE, numbers))


def _complete(lines: pl.DataFrame, rows: pl.DataFrame, grid: Grid) -> bool:
    """Whether these are all the lines of the rows: not where something else wrote to the file meanwhile."""
    counts = lines.with_columns(grid.index_of()).group_by(*GROUP).len().sort(*GROUP)
    return counts.select(*GROUP).equals(rows.select(*GROUP)) and counts["len"].to_list() == rows["ticks"].to_list()


def _ends_with_newline(file: DayFile) -> bool:
    """Whether the last byte of a plain file is a newline; True also where it has none, or cannot be read."""
    try:
        with FileIO(system.open_regular(file.local)) as handle:
            size = handle.seek(0, os.SEEK_END)
            handle.seek(max(0, size - 1))
            return size == 0 or handle.read(1) == b"\n"
    except OSError:
        return True  # what sums the file says what is wrong
