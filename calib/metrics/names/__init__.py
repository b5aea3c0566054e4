"""The one table of metric names: collector, documentation, rules and dashboard follow from it.

To add a name: one row in the file of its subject, and a part that reports its fact (`calib.metrics.sources`).
"""

from __future__ import annotations

from typing import Final

from calib.metrics.names.base import OTHER, Fold, Follows, Kind, Metric
from calib.metrics.names.bot import EXPERIMENTS, LOGGERS, OWN, PIPELINE, POLICY, SMARTCACHE
from calib.metrics.names.cache import CACHE, STREAMS
from calib.metrics.names.cron import CRON, JOBS, NightlyJob
from calib.metrics.names.symbols import SYMBOLS

LIVE: Final = (*CACHE, *STREAMS, *PIPELINE, *SYMBOLS, *EXPERIMENTS, *POLICY, *SMARTCACHE, *LOGGERS, *OWN)
"""What a running bot exposes."""

TABLE: Final = (*LIVE, *CRON)
"""Every name that calib exposes or writes."""

__all__ = ["CRON", "JOBS", "LIVE", "OTHER", "TABLE", "Fold", "Follows", "Kind", "Metric", "NightlyJob", "by_name"]


def by_name() -> dict[str, Metric]:
    """The rows by name.

    >>> by_name()["mm_md_cache_size"].sets
    'seed, clean'
    """
    return {row.name: row for row in TABLE}
