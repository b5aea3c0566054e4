"""The canary: enable the cache for the symbols step by step, compared with a named baseline.

The names below are loaded on first use: the command line needs only the settings.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calib.experiments.canary.baseline import Baseline
    from calib.experiments.canary.check import Check
    from calib.experiments.canary.controller import CanaryController
    from calib.experiments.canary.measure import CanaryTick, Measures
    from calib.experiments.canary.settings import CanarySettings

_HOME = {
    "Baseline": "calib.experiments.canary.baseline",
    "CanaryController": "calib.experiments.canary.controller",
    "CanarySettings": "calib.experiments.canary.settings",
    "CanaryTick": "calib.experiments.canary.measure",
    "Check": "calib.experiments.canary.check",
    "Measures": "calib.experiments.canary.measure",
}

__all__ = ["Baseline", "CanaryController", "CanarySettings", "CanaryTick", "Check", "Measures"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'calib.experiments.canary' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
