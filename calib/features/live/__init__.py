"""The live features of a symbol, one per file; `FEATURE_TABLE` lists them."""

from calib.features.live.base import FillSeen, LiveFeature, Smoothing
from calib.features.live.table import FEATURE_TABLE

__all__ = ["FEATURE_TABLE", "FillSeen", "LiveFeature", "Smoothing"]
