"""The table of metric names: collector, documentation, rules and dashboard are derived from it.

To add a name: add a row to the file of its subject, and report its fact in a part (`calib.metrics.sources`).
"""

from __future__ import annotations

from typing import Final

from calib.metrics.names.base import OTHER, Fold, Follows, Kind, Metric
from calib.metrics.names.bot import EXPERIMENTS, LOGGERS, OWN, PIPELINE, POLICY, SMARTCACHE
from calib.metrics.names.cache import CACHE, STREAMS
from calib.metrics.names.cron import CRON, JOBS, NightlyJob
from calib.metrics.names.symbols import SYMBOLS

LIVE: Final = (*CACHE, *STREAMS, *PIPELINE, *SYMBOLS, *EXPERIMENTS, *POLICY, *SMARTCACHE, *LOGGERS, *OWN)
"""The metrics of a running bot."""

TABLE: Final = (*LIVE, *CRON)
"""Every metric that calib exposes or writes."""

__all__ = ["CRON", "JOBS", "LIVE", "OTHER", "TABLE", "Fold", "Follows", "Kind", "Metric", "NightlyJob", "by_name"]


def by_name() -> dict[str, Metric]:
    """The rows by name.

    >>> by_name()["mm_md_cache_size"].sets
    'seed, clean'
    """
    return {row.name: row for row in TABLE}
