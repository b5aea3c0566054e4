"""How the parts of a job run: in this process, in its threads, or in several processes."""

from calib.engines.choice import decoders
from calib.engines.processes import Workers
from calib.engines.threads import DecodingThreads
from calib.feeds.reading.pieces import InProcess

__all__ = ["DecodingThreads", "InProcess", "Workers", "decoders"]
