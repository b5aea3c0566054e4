"""Which plans have days whose finished rows are worth keeping (`calib.dataset.finished`). Needs no polars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from calib.storage import size_of

if TYPE_CHECKING:
    from calib.dataset.plan import DatasetPlan

WORTH_TOTAL_BYTES: Final = 16 << 20
"""Stored bytes of all files from which on `calib aggregate` keeps finished rows: less is read in a moment."""
WORTH_BYTES: Final = 64 << 10
"""Stored bytes from which on a file gets an entry: reading a smaller one takes no longer than looking for its entry."""
LONGEST_EDGE_S: Final = 3600
"""Longest interval that need not divide a day: with longer ones too many lines of a day cross midnight."""


def worth_keeping(plan: DatasetPlan) -> bool:
    """Whether the files of a plan are so large that keeping finished rows pays."""
    return has_finished_days(plan) and sum(size_of(file.path) for file in plan.files) >= WORTH_TOTAL_BYTES


def may_have_entries(plan: DatasetPlan, worth_bytes: int) -> bool:
    """Whether any file of a plan may have an entry: where none may, the files are best read without them."""
    return has_finished_days(plan) and any(size_of(file.path) >= worth_bytes for file in plan.files)


def has_finished_days(plan: DatasetPlan) -> bool:
    """Whether finished days are kept of such files, and of intervals of this length."""
    if not plan.is_local:
        return False
    return plan.grid.divides_a_day or plan.grid.interval_sec <= LONGEST_EDGE_S
