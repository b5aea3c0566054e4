"""Prometheus metrics of a bot and of nightly jobs: the table of names, and everything derived from it.

This package is below the parts that it exposes: it reads their attributes and imports none of them.

The names below are imported on first use: recording a histogram imports nothing else. prometheus_client is imported by
the first `register` or `serve`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from calib.metrics.exposition import BotCollector, register
    from calib.metrics.histogram import MS_BOUNDS, Histogram, HistogramCounts
    from calib.metrics.names import TABLE, Metric
    from calib.metrics.server import MetricsServer, serve

_HOME = {
    "MS_BOUNDS": "calib.metrics.histogram",
    "TABLE": "calib.metrics.names",
    "BotCollector": "calib.metrics.exposition",
    "Histogram": "calib.metrics.histogram",
    "HistogramCounts": "calib.metrics.histogram",
    "Metric": "calib.metrics.names",
    "MetricsServer": "calib.metrics.server",
    "register": "calib.metrics.exposition",
    "serve": "calib.metrics.server",
}

__all__ = [
    "MS_BOUNDS",
    "TABLE",
    "BotCollector",
    "Histogram",
    "HistogramCounts",
    "Metric",
    "MetricsServer",
    "register",
    "serve",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'calib.metrics' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
