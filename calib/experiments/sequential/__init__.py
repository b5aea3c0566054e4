"""Anytime-valid tests: each may be evaluated after every block without inflating its error rate."""

from calib.experiments.sequential.bounded_mean import BoundedMean
from calib.experiments.sequential.paired import PairedBlocks
from calib.experiments.sequential.srm import SampleRatio
from calib.experiments.sequential.switchback import Switchback, SwitchbackPlan

__all__ = ["BoundedMean", "PairedBlocks", "SampleRatio", "Switchback", "SwitchbackPlan"]
