"""The safety gates, one file each."""

from calib.experiments.gates.base import Gate, Reading
from calib.experiments.gates.deadline_miss_spike import DeadlineMissSpike
from calib.experiments.gates.latency_regression import LatencyRegression
from calib.experiments.gates.slippage_degradation import SlippageDegradation
from calib.experiments.gates.taker_share_increase import TakerShareIncrease

GATES: tuple[type[Gate], ...] = (SlippageDegradation, TakerShareIncrease, LatencyRegression, DeadlineMissSpike)
"""Every gate, in the order of tables and reports."""

__all__ = [
    "GATES",
    "DeadlineMissSpike",
    "Gate",
    "LatencyRegression",
    "Reading",
    "SlippageDegradation",
    "TakerShareIncrease",
]
