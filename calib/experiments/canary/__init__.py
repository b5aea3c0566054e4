"""The canary: enable the cache for the symbols step by step, compared with a named baseline."""

from calib.experiments.canary.baseline import Baseline
from calib.experiments.canary.check import Check
from calib.experiments.canary.controller import CanaryController
from calib.experiments.canary.measure import CanaryTick, Measures
from calib.experiments.canary.settings import CanarySettings

__all__ = ["Baseline", "CanaryController", "CanarySettings", "CanaryTick", "Check", "Measures"]
