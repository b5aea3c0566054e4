"""The live writers of the feeds, for use in a bot. Nothing here imports polars."""

from calib.feeds.writers.loggers import (
    BookLogger,
    FeedLogger,
    FillLogger,
    PipelineTickLogger,
    QuoteLogger,
    Stats,
    TradeLogger,
)
from calib.feeds.writers.manager import CalibrationLoggerManager
from calib.feeds.writers.rotation import DayFiles, MemorySink, Sink
from calib.feeds.writers.tail import Repair

__all__ = [
    "BookLogger",
    "CalibrationLoggerManager",
    "DayFiles",
    "FeedLogger",
    "FillLogger",
    "MemorySink",
    "PipelineTickLogger",
    "QuoteLogger",
    "Repair",
    "Sink",
    "Stats",
    "TradeLogger",
]
