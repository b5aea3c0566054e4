"""A dataset with packed rows, which `calib aggregate` writes as json or csv without loading polars."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from calib.dataset.interval_table import INDEX_AT, RECORD, SYMBOL_AT, TICKS_AT, IntervalTable
from calib.dataset.parts import Counts, Filters, Input, MissingDays, Params, Range, Tool

if TYPE_CHECKING:
    import polars as pl

    from calib.dataset.filters import Filter
    from calib.dataset.filters.base import PlainFilter
    from calib.dataset.model import Dataset

DroppedRow = tuple[str, int, tuple[str, ...]]
"""Symbol, start and reasons of a dropped row."""
PLAIN_FORMATS: Final = ("json", "csv")
"""The formats in which a lean dataset can be written."""


@dataclass(frozen=True, slots=True, eq=False)
class LeanDataset:
    """A dataset with packed rows; the other fields are those of `calib.dataset.model.Dataset`.

    Parameters
    ----------
    table
        The kept rows; a number that is not finite counts as missing.
    dropped_rows
        The dropped rows, sorted by (symbol, start).
    frames
        Returns the kept and the dropped rows as frames. It applies the filters with polars, because the bytes of a
        stored frame depend on how it was made.
    """

    range: Range
    filters: Filters
    params: Params
    inputs: list[Input]
    missing_days: MissingDays
    counts: Counts
    table: IntervalTable
    dropped_rows: list[DroppedRow]
    frames: Callable[[], tuple[pl.DataFrame, pl.DataFrame]]
    tool: Tool = field(default_factory=Tool)
    asked_symbols: tuple[str, ...] = ()

    def known(self, name: str) -> bool:
        """Whether any kept row has a value of this target or feature."""
        return self.table.known(name)

    def whole(self) -> Dataset:
        """Return the same dataset with its rows as polars frames."""
        from calib.dataset.model import Dataset

        kept, dropped = self.frames()
        return Dataset(
            range=self.range,
            filters=self.filters,
            params=self.params,
            inputs=self.inputs,
            missing_days=self.missing_days,
            counts=self.counts,
            intervals=kept,
            dropped=dropped,
            tool=self.tool,
            asked_symbols=self.asked_symbols,
        )


def plain_filters(filters: Sequence[Filter]) -> list[PlainFilter] | None:
    """Return the filters as rules on unpacked rows; None if one of them supports frames only."""
    plain = [rule.plain() for rule in filters if hasattr(rule, "plain")]
    return plain if len(plain) == len(filters) else None


def split(table: IntervalTable, filters: Sequence[PlainFilter]) -> tuple[IntervalTable, list[DroppedRow], list[int]]:
    """Return the kept rows, the dropped rows with all reasons, and the ticks of rows dropped by ``low_ticks`` alone."""
    size, kept, dropped, thin = RECORD.size, bytearray(), list[DroppedRow](), list[int]()
    begin = 0
    """First kept row that is not copied yet. Runs of kept rows are copied at once, as most rows are kept."""
    for place, row in enumerate(table.rows()):
        reasons = tuple([rule.reason for rule in filters if rule.drops(row)])
        if reasons:
            kept += table.records[begin * size : place * size]
            begin = place + 1
            dropped.append((table.names[row[SYMBOL_AT]], row[INDEX_AT] * table.interval_sec, reasons))
            if reasons == ("low_ticks",):
                thin.append(row[TICKS_AT])
    kept += table.records[begin * size :]
    return IntervalTable(table.names, bytes(kept), table.interval_sec), dropped, thin
