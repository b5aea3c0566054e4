"""Finished days: the rows of feed files, stored from one run to the next so that a file is not read again."""

from calib.dataset.finished.days import FinishedDays

__all__ = ["FinishedDays"]
