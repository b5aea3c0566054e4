"""calib: from a market-making bot's live feeds to trustworthy calibration datasets.

The rooms, from the ground up; a room imports only from those above it in this list (the contract in
``pyproject.toml`` says which may):

- `calib.errors`, `calib.clock`, `calib.virtual_loop`, `calib.files`: the tree of errors, time and the loop that makes
  days pass in seconds, how files are written
- `calib.config`: settings with their ranges and origins
- `calib.policy`: the caching policy: what may be cached, the monitor of every cache, the emergency procedure
- `calib.feeds`: what is on disk, its schema, reading, writing and importing it
- `calib.market`: the live order book: levels, sequence rules, the stream that builds it, the cache with its safeguards
- `calib.features`: live statistics of the bot, per symbol
- `calib.pipeline`: a tick's stages, the one that reads the market through the cache, and what they measure
- `calib.venue`: the simulated exchange: latency, faults, matching with a queue
- `calib.dataset`: from feeds to intervals, and datasets on disk
- `calib.smartcache`: expensive, permitted computations cached around scheduled events, in memory or on Redis
- `calib.experiments`: AB gates and canaries: who runs what, and whether it must be taken back
- `calib.simulation`: the bot in a box: feeds of an invented market, written by the live parts
- `calib.replay`: recorded feeds through the classes that a bot runs, in virtual time
- `calib.reports`: results for people
- `calib.cli`: the command line

The public names below are loaded when they are first used, so that ``import calib`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calib.clock import Clock, SystemClock, VirtualClock
    from calib.dataset.build import build_dataset
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
    from calib.market.book import OrderBook
    from calib.market.cache import MDCache
    from calib.market.config import MDCacheConfig
    from calib.market.entry import MDCacheEntry
    from calib.market.invalidation import MDCacheInvalidator
    from calib.pipeline.context import MarketData, QuoteContext
    from calib.pipeline.fetch import FetchMDStage
    from calib.pipeline.metrics import StageMetrics
    from calib.pipeline.stage import QuoteStage
    from calib.policy import CacheComplianceMonitor
    from calib.replay.run import run_replay
    from calib.reports.render import render_summary
    from calib.smartcache import EventType, GoldenHour, SmartCacheEnhanced, TagManager, VIXCalculator

__version__ = "0.1.0"

_HOME = {
    "ABHarness": "calib.experiments",
    "BookLogger": "calib.feeds.writers",
    "CacheComplianceMonitor": "calib.policy",
    "CalibrationLoggerManager": "calib.feeds.writers",
    "CanaryController": "calib.experiments",
    "Clock": "calib.clock",
    "EventType": "calib.smartcache",
    "FeatureCollector": "calib.features",
    "FetchMDStage": "calib.pipeline.fetch",
    "FillLogger": "calib.feeds.writers",
    "GoldenHour": "calib.smartcache",
    "MDCache": "calib.market.cache",
    "MDCacheConfig": "calib.market.config",
    "MDCacheEntry": "calib.market.entry",
    "MDCacheInvalidator": "calib.market.invalidation",
    "MarketData": "calib.pipeline.context",
    "OrderBook": "calib.market.book",
    "PipelineTickLogger": "calib.feeds.writers",
    "QuoteContext": "calib.pipeline.context",
    "QuoteLogger": "calib.feeds.writers",
    "QuoteStage": "calib.pipeline.stage",
    "SmartCacheEnhanced": "calib.smartcache",
    "StageMetrics": "calib.pipeline.metrics",
    "SymbolScoreboard": "calib.features",
    "SystemClock": "calib.clock",
    "TagManager": "calib.smartcache",
    "TradeLogger": "calib.feeds.writers",
    "VIXCalculator": "calib.smartcache",
    "VirtualClock": "calib.clock",
    "build_dataset": "calib.dataset.build",
    "render_summary": "calib.reports.render",
    "run_replay": "calib.replay.run",
}

__all__ = [
    "ABHarness",
    "BookLogger",
    "CacheComplianceMonitor",
    "CalibrationLoggerManager",
    "CanaryController",
    "Clock",
    "EventType",
    "FeatureCollector",
    "FetchMDStage",
    "FillLogger",
    "GoldenHour",
    "MDCache",
    "MDCacheConfig",
    "MDCacheEntry",
    "MDCacheInvalidator",
    "MarketData",
    "OrderBook",
    "PipelineTickLogger",
    "QuoteContext",
    "QuoteLogger",
    "QuoteStage",
    "SmartCacheEnhanced",
    "StageMetrics",
    "SymbolScoreboard",
    "SystemClock",
    "TagManager",
    "TradeLogger",
    "VIXCalculator",
    "VirtualClock",
    "__version__",
    "build_dataset",
    "render_summary",
    "run_replay",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'calib' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
