"""Prometheus metrics of a bot and of nightly jobs: one table of names, and everything that follows from it.

The room lies below the parts that it shows: it knows them by their attributes alone, and imports none of them.
prometheus_client is loaded by the first `register` or `serve`, so that recording a histogram needs nothing.
"""

from calib.metrics.exposition import BotCollector, register
from calib.metrics.histogram import MS_BOUNDS, Histogram, HistogramCounts
from calib.metrics.names import TABLE, Metric
from calib.metrics.server import MetricsServer, serve

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
