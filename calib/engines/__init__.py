"""Running the parts of a job: in this process, in its threads, in several processes, or on a Dask cluster.

A part of a dataset is a range of bytes of a day file, and `calib.feeds.reading.pieces.PieceDecoder` is the protocol of
each engine; the parts of a sweep are whole replays.
"""

from calib.engines.choice import EngineChoice, decoders
from calib.engines.processes import Workers
from calib.engines.threads import DecodingThreads
from calib.feeds.reading.pieces import InProcess

__all__ = ["DecodingThreads", "EngineChoice", "InProcess", "Workers", "decoders"]
