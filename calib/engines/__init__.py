"""Run the parts of a job in this process, in its threads, in several processes, or on a Dask cluster.

A part of a dataset is a range of bytes of a day file; each engine implements `calib.feeds.reading.pieces.PieceDecoder`.
A part of a sweep is a whole replay.
"""

from calib.engines.choice import EngineChoice, decoders
from calib.engines.processes import Workers
from calib.engines.threads import DecodingThreads
from calib.feeds.reading.pieces import InProcess

__all__ = ["DecodingThreads", "EngineChoice", "InProcess", "Workers", "decoders"]
