"""calib: from a market-making bot's live feeds to trustworthy calibration datasets.

The rooms, from the ground up; a room imports only from those above it in this list:

- `calib.errors`, `calib.clock`, `calib.files`: the tree of errors, time, how files are written
- `calib.config`: settings with their ranges and origins
- `calib.feeds`: what is on disk, its schema, reading and writing it
- `calib.dataset`: from feeds to intervals, and datasets on disk
- `calib.experiments`: AB gates and canaries: who runs what, and whether it must be taken back
- `calib.reports`: datasets summed up for people
- `calib.features`: live statistics of the bot, per symbol

The public names below are loaded when they are first used, so that ``import calib`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calib.clock import Clock, SystemClock, VirtualClock
    from calib.experiments import ABHarness, CanaryController
    from calib.features import FeatureCollector, SymbolScoreboard
    from calib.feeds.writers import (
        BookLogger,
        CalibrationLoggerManager,
        FillLogger,
        PipelineTickLogger,
        QuoteLogger,
        TradeLogger,
    )
    from calib.reports.render import render_summary

__version__ = "0.1.0"

_HOME = {
    "ABHarness": "calib.experiments",
    "BookLogger": "calib.feeds.writers",
    "CalibrationLoggerManager": "calib.feeds.writers",
    "CanaryController": "calib.experiments",
    "Clock": "calib.clock",
    "FeatureCollector": "calib.features",
    "FillLogger": "calib.feeds.writers",
    "PipelineTickLogger": "calib.feeds.writers",
    "QuoteLogger": "calib.feeds.writers",
    "SymbolScoreboard": "calib.features",
    "SystemClock": "calib.clock",
    "TradeLogger": "calib.feeds.writers",
    "VirtualClock": "calib.clock",
    "render_summary": "calib.reports.render",
}

__all__ = [
    "ABHarness",
    "BookLogger",
    "CalibrationLoggerManager",
    "CanaryController",
    "Clock",
    "FeatureCollector",
    "FillLogger",
    "PipelineTickLogger",
    "QuoteLogger",
    "SymbolScoreboard",
    "SystemClock",
    "TradeLogger",
    "VirtualClock",
    "__version__",
    "render_summary",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'calib' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
