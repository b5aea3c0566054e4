"""Which plans have days whose finished rows are worth keeping (`calib.dataset.finished`). Needs no polars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from calib.dataset.plan import DatasetPlan
    from calib.feeds.reading.days import DayFile

WORTH_TOTAL_BYTES: Final = 16 << 20
"""Stored bytes of all files from which on `calib aggregate` keeps finished rows: less is read in a moment."""
WORTH_BYTES: Final = 64 << 10
"""Stored bytes from which on a file gets an entry: reading a smaller one takes no longer than looking for its entry."""
LONGEST_EDGE_S: Final = 3600
"""Longest interval that need not divide a day: with longer ones too many lines of a day cross midnight."""


def worth_keeping(plan: DatasetPlan) -> bool:
    """Whether the files of a plan are so large that keeping finished rows pays."""
    return has_finished_days(plan) and sum(map(_stored_size, plan.files)) >= WORTH_TOTAL_BYTES


def may_have_entries(plan: DatasetPlan, worth_bytes: int) -> bool:
    """Whether any file of a plan may have an entry: where none may, the files are best read without them."""
    return has_finished_days(plan) and any(_stored_size(file) >= worth_bytes for file in plan.files)


def has_finished_days(plan: DatasetPlan) -> bool:
    """Whether intervals of this length have finished days at all."""
    return plan.grid.divides_a_day or plan.grid.interval_sec <= LONGEST_EDGE_S


def _stored_size(file: DayFile) -> int:
    """0 where the file has gone: its reader raises later."""
    try:
        return file.path.stat().st_size
    except OSError:
        return 0
