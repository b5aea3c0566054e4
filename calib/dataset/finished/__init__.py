"""Days that are not read twice: the finished rows of feed files, kept from one run to the next."""

from calib.dataset.finished.days import FinishedDays

__all__ = ["FinishedDays"]
