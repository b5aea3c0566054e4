"""The quoting pipeline: the context of a tick, its stages, the stage that reads market data, and their metrics."""

from calib.pipeline.cache_stamp import NO_STAMP, CacheStamp
from calib.pipeline.context import Decision, QuoteContext, ShadowAnswer
from calib.pipeline.fetch import FetchMDStage
from calib.pipeline.market_data import MarketData
from calib.pipeline.metrics import StageMetrics
from calib.pipeline.pipeline import Pipeline, Tick
from calib.pipeline.stage import QuoteStage
from calib.pipeline.stale_pricing import StalePricingStage

__all__ = [
    "NO_STAMP",
    "CacheStamp",
    "Decision",
    "FetchMDStage",
    "MarketData",
    "Pipeline",
    "QuoteContext",
    "QuoteStage",
    "ShadowAnswer",
    "StageMetrics",
    "StalePricingStage",
    "Tick",
]
