"""A dataset whose rows stay packed: what `calib aggregate` writes as json or csv without loading polars."""

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
"""The formats that it can be written in."""


@dataclass(frozen=True, slots=True, eq=False)
class LeanDataset:
    """One dataset, whole; parts as `calib.dataset.model.Dataset` has them.

    Parameters
    ----------
    table
        The kept rows; a number that is not finite counts as missing.
    dropped_rows
        The dropped ones, in order.
    frames
        Makes the frames of both, as polars' filters do: a stored frame shows how it was made.
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
        """Whether any kept row has this target or feature."""
        return self.table.known(name)

    def whole(self) -> Dataset:
        """The same with its rows as polars frames."""
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
    """The filters as rules on plain rows; None where one of them knows frames only."""
    plain = [rule.plain() for rule in filters if hasattr(rule, "plain")]
    return plain if len(plain) == len(filters) else None


def split(table: IntervalTable, filters: Sequence[PlainFilter]) -> tuple[IntervalTable, list[DroppedRow], list[int]]:
    """The kept rows, the dropped ones with all reasons, and the ticks of those that only ``low_ticks`` dropped."""
    size, kept, dropped, thin = RECORD.size, bytearray(), list[DroppedRow](), list[int]()
    begin = 0
    """Where the rows begin that were kept and are not copied yet: nearly all are."""
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
