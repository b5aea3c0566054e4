"""How the parts of a job run: in this process, in several, or on a Dask cluster.

A part of a dataset is a range of bytes of a day file, and `calib.feeds.reading.pieces.PieceDecoder` is the protocol
that each engine fulfils; the parts of a sweep are whole replays.
"""

from calib.engines.choice import EngineChoice
from calib.engines.processes import Workers
from calib.feeds.reading.pieces import InProcess

__all__ = ["EngineChoice", "InProcess", "Workers"]
