"""Experiments: routing of symbols to arms, comparison of the arms, and rollback."""

from calib.experiments.canary import CanaryController, CanarySettings
from calib.experiments.harness import ABHarness
from calib.experiments.routing import Assignment, RecordedRouter, Router
from calib.experiments.settings import ABSettings
from calib.experiments.states import Mode, State

__all__ = [
    "ABHarness",
    "ABSettings",
    "Assignment",
    "CanaryController",
    "CanarySettings",
    "Mode",
    "RecordedRouter",
    "Router",
    "State",
]
