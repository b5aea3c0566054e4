"""The metric sources: how to read each kind of part.

To add one: write a file with its protocol, its reader and its `MetricSource`, and add a line to the table below and a
keyword to `calib.metrics.register`.
"""

from __future__ import annotations

from typing import Final

from calib.metrics.sources.base import MetricSource
from calib.metrics.sources.cache import CACHE
from calib.metrics.sources.experiments import CANARY, HARNESS
from calib.metrics.sources.features import COLLECTOR, SCOREBOARD
from calib.metrics.sources.loggers import LOGGERS
from calib.metrics.sources.safeguards import POLICY, SMARTCACHE
from calib.metrics.sources.stage_metrics import LAST_SERVED, STAGE_METRICS

SOURCES: Final = {
    source.name: source
    for source in (
        STAGE_METRICS,
        CACHE,
        LAST_SERVED,
        COLLECTOR,
        SCOREBOARD,
        HARNESS,
        CANARY,
        POLICY,
        SMARTCACHE,
        LOGGERS,
    )
}
"""The sources by name, in reading order: if two report the same fact, the first one is used."""

__all__ = ["SOURCES", "MetricSource"]
