"""Experiments: routing of symbols to arms, comparison of the arms, and rollback.

The names below are loaded on first use: the command line needs only the settings.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calib.experiments.canary import CanaryController, CanarySettings
    from calib.experiments.harness import ABHarness
    from calib.experiments.routing import Assignment, RecordedRouter, Router
    from calib.experiments.settings import ABSettings
    from calib.experiments.states import Mode, State

_HOME = {
    "ABHarness": "calib.experiments.harness",
    "ABSettings": "calib.experiments.settings",
    "Assignment": "calib.experiments.routing",
    "CanaryController": "calib.experiments.canary",
    "CanarySettings": "calib.experiments.canary",
    "Mode": "calib.experiments.states",
    "RecordedRouter": "calib.experiments.routing",
    "Router": "calib.experiments.routing",
    "State": "calib.experiments.states",
}

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


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'calib.experiments' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
