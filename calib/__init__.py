"""calib: from a market-making bot's live feeds to trustworthy calibration datasets.

The rooms, from the ground up; a room imports only from those above it in this list (the contract in
``pyproject.toml`` says which may):

- `calib.errors`, `calib.clock`, `calib.virtual_loop`, `calib.files`: the tree of errors, time and the loop that makes
  days pass in seconds, how files are written
- `calib.arguments`: points in time and symbols as callers give them
- `calib.config`: settings with their ranges and origins
- `calib.storage`: where feeds are read and outputs written: files of this machine, objects of a store
- `calib.metrics`: the one table of metric names, the collector, rules, dashboard, and the text files of jobs
- `calib.policy`: the caching policy: what may be cached, the monitor of every cache, the emergency procedure
- `calib.feeds`: what is on disk: `schema` (the one table of fields), `reading`, `writers`
- `calib.market`: the live order book: `book` (levels, exact prices), `stream` (messages to a verified book), `cache`
- `calib.features`: live statistics of the bot, per symbol
- `calib.pipeline`: a tick's stages, the one that reads the market through the cache, and what they measure
- `calib.exchange_sim`: the simulated exchange: latency, faults, matching with a queue
- `calib.recorded`: recorded books made whole again
- `calib.engines`: how the parts of a job run: in this process or in several
- `calib.importers`: recordings and logs of other tools made feeds
- `calib.dataset`: from feeds to intervals, and datasets on disk
- `calib.fitting`: the calibration itself: fill rate over distance, markouts, queue times, quotes, the published file
- `calib.smartcache`: expensive, permitted computations cached around scheduled events, in memory or on Redis
- `calib.experiments`: AB gates and canaries: who runs what, and whether it must be taken back
- `calib.simulation`: the closed loop: feeds of an invented market, written by the live parts
- `calib.replay`: recorded feeds through the classes that a bot runs, in virtual time
- `calib.evaluation`: recorded feeds evaluated
- `calib.reports`: results for people
- `calib.app_config`: every setting, and a configuration as typed objects
- `calib.cli`: the command line

The public names below are loaded when they are first used, so that ``import calib`` costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from calib._version import __version__

if TYPE_CHECKING:
    from calib.app_config import AppConfig, load_config
    from calib.clock import Clock, SystemClock, VirtualClock
    from calib.dataset.build import build_dataset
    from calib.dataset.frames import read_dataset
    from calib.evaluation.ab import evaluate_ab
    from calib.evaluation.canary import check_canary
    from calib.experiments import ABHarness, CanaryController
    from calib.features import FeatureCollector, SymbolScoreboard
    from calib.feeds.reading.frames import read_feeds
    from calib.feeds.writers import (
        BookLogger,
        CalibrationLoggerManager,
        FillLogger,
        PipelineTickLogger,
        QuoteLogger,
        TradeLogger,
    )
    from calib.fitting.fit import fit
    from calib.fitting.markouts import markouts
    from calib.fitting.published import load_calibration
    from calib.market.book.order_book import OrderBook
    from calib.market.cache.config import MDCacheConfig
    from calib.market.cache.entry import MDCacheEntry
    from calib.market.cache.invalidation import MDCacheInvalidator
    from calib.market.cache.md_cache import MDCache
    from calib.market.cache.orderbook_manager import OrderbookManager
    from calib.pipeline.context import QuoteContext
    from calib.pipeline.fetch import FetchMDStage
    from calib.pipeline.market_data import MarketData
    from calib.pipeline.metrics import StageMetrics
    from calib.pipeline.stage import QuoteStage
    from calib.policy import CacheComplianceMonitor, EmergencyResponse, StalenessDetector, SymbolMapper
    from calib.replay.run import run_replay
    from calib.reports.render import render_summary
    from calib.smartcache import EventType, GoldenHour, SmartCacheEnhanced, TagManager, VIXCalculator

_HOME = {
    "ABHarness": "calib.experiments",
    "AppConfig": "calib.app_config",
    "BookLogger": "calib.feeds.writers",
    "CacheComplianceMonitor": "calib.policy",
    "CalibrationLoggerManager": "calib.feeds.writers",
    "CanaryController": "calib.experiments",
    "Clock": "calib.clock",
    "EmergencyResponse": "calib.policy",
    "EventType": "calib.smartcache",
    "FeatureCollector": "calib.features",
    "FetchMDStage": "calib.pipeline.fetch",
    "FillLogger": "calib.feeds.writers",
    "GoldenHour": "calib.smartcache",
    "MDCache": "calib.market.cache.md_cache",
    "MDCacheConfig": "calib.market.cache.config",
    "MDCacheEntry": "calib.market.cache.entry",
    "MDCacheInvalidator": "calib.market.cache.invalidation",
    "MarketData": "calib.pipeline.market_data",
    "OrderBook": "calib.market.book.order_book",
    "OrderbookManager": "calib.market.cache.orderbook_manager",
    "PipelineTickLogger": "calib.feeds.writers",
    "QuoteContext": "calib.pipeline.context",
    "QuoteLogger": "calib.feeds.writers",
    "QuoteStage": "calib.pipeline.stage",
    "SmartCacheEnhanced": "calib.smartcache",
    "StageMetrics": "calib.pipeline.metrics",
    "StalenessDetector": "calib.policy",
    "SymbolMapper": "calib.policy",
    "SymbolScoreboard": "calib.features",
    "SystemClock": "calib.clock",
    "TagManager": "calib.smartcache",
    "TradeLogger": "calib.feeds.writers",
    "VIXCalculator": "calib.smartcache",
    "VirtualClock": "calib.clock",
    "build_dataset": "calib.dataset.build",
    "check_canary": "calib.evaluation.canary",
    "evaluate_ab": "calib.evaluation.ab",
    "fit": "calib.fitting.fit",
    "load_calibration": "calib.fitting.published",
    "load_config": "calib.app_config",
    "markouts": "calib.fitting.markouts",
    "read_dataset": "calib.dataset.frames",
    "read_feeds": "calib.feeds.reading.frames",
    "render_summary": "calib.reports.render",
    "run_replay": "calib.replay.run",
}

__all__ = [
    "ABHarness",
    "AppConfig",
    "BookLogger",
    "CacheComplianceMonitor",
    "CalibrationLoggerManager",
    "CanaryController",
    "Clock",
    "EmergencyResponse",
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
    "OrderbookManager",
    "PipelineTickLogger",
    "QuoteContext",
    "QuoteLogger",
    "QuoteStage",
    "SmartCacheEnhanced",
    "StageMetrics",
    "StalenessDetector",
    "SymbolMapper",
    "SymbolScoreboard",
    "SystemClock",
    "TagManager",
    "TradeLogger",
    "VIXCalculator",
    "VirtualClock",
    "__version__",
    "build_dataset",
    "check_canary",
    "evaluate_ab",
    "fit",
    "load_calibration",
    "load_config",
    "markouts",
    "read_dataset",
    "read_feeds",
    "render_summary",
    "run_replay",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'calib' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
