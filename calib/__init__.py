"""calib: from a market-making bot's live feeds to trustworthy calibration datasets.

The packages ("rooms"), lowest layer first; a room imports only from rooms above it in this list (the contract in
``pyproject.toml`` lists the layers):

- `calib.errors`, `calib.clock`, `calib.virtual_loop`, `calib.files`: the errors, the clock, an
  event loop in virtual time, atomic file writes
- `calib.arguments`: arguments of the library: points in time and symbols
- `calib.config`: declaring and resolving settings
- `calib.metrics`: the table of metric names, the collector, alert rules, dashboard, text files of jobs
- `calib.policy`: the caching policy: what may be cached, the monitor of all caches, the emergency stop
- `calib.storage`: local files and objects of a store: listing, reading, writing
- `calib.feeds`: the files on disk: `schema` (the table of fields), `reading`, `writers`
- `calib.market`: the live order book: `book` (levels, exact prices), `stream` (messages to a verified book), `cache`
- `calib.features`: live statistics of the bot, per symbol
- `calib.pipeline`: the stages of a tick, among them the one that reads the cache, and their metrics
- `calib.exchange_sim`: the simulated exchange: latency, faults, matching with a queue
- `calib.recorded`: order books rebuilt from recordings
- `calib.engines`: running the parts of a job in this process, its threads or several processes
- `calib.importers`: converting recordings and logs of other tools into feeds
- `calib.dataset`: aggregating feeds into intervals; reading and writing datasets
- `calib.fitting`: the calibration: fill intensity, markouts, queue times, quotes, the published file
- `calib.smartcache`: a cache for expensive computations, in memory or on Redis
- `calib.experiments`: AB experiments and canaries: assignment, gates, rollback
- `calib.simulation`: the closed loop: a synthetic market, and its feeds written by the live parts
- `calib.replay`: replaying recorded feeds through the live classes, in virtual time
- `calib.evaluation`: evaluating recorded feeds
- `calib.reports`: reports in Markdown and HTML
- `calib.app_config`: every setting, and a configuration as typed objects
- `calib.cli`: the command line

The public names below are imported on first use, so that ``import calib`` is fast.
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
