"""Live features: one statistic per file, the collector that feeds them, the scoreboard that ranks symbols."""

from calib.features.absorb_rate import AbsorbRate
from calib.features.average import Average, average
from calib.features.base import Statistic
from calib.features.collector import FeatureCollector
from calib.features.decayed_ratio import DecayedRatio
from calib.features.ema import EMA
from calib.features.fill_figures import FillFigures, fill_figures
from calib.features.live import FEATURE_TABLE, FillSeen, LiveFeature, Smoothing
from calib.features.queue_eta import QueueETA
from calib.features.rolling_quantile import RollingQuantile
from calib.features.scoreboard import SymbolScore, SymbolScoreboard
from calib.features.snapshot import FEATURES, FeatureSnapshot
from calib.features.time_ema import TimeEMA
from calib.features.volatility import RollingVolatility

__all__ = [
    "EMA",
    "FEATURES",
    "FEATURE_TABLE",
    "AbsorbRate",
    "Average",
    "DecayedRatio",
    "FeatureCollector",
    "FeatureSnapshot",
    "FillFigures",
    "FillSeen",
    "LiveFeature",
    "QueueETA",
    "RollingQuantile",
    "RollingVolatility",
    "Smoothing",
    "Statistic",
    "SymbolScore",
    "SymbolScoreboard",
    "TimeEMA",
    "average",
    "fill_figures",
]
