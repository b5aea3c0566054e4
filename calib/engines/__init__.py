"""How the parts of a job run: in this process, or in several."""

from calib.engines.processes import Workers
from calib.feeds.reading.pieces import InProcess

__all__ = ["InProcess", "Workers"]
