"""The source for feed loggers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from calib.metrics.samples import Samples
from calib.metrics.sources.base import MetricSource

_OUTCOMES: Final = ("accepted", "written", "lost", "dropped", "refused", "sampled_out")


def read_loggers(loggers: Any, out: Samples) -> None:
    """Report the record counts of a manager, of one logger, or of a sequence of loggers."""
    for kind, stats in _by_kind(loggers):
        for outcome in _OUTCOMES:
            out.add(f"mm_feed_lines_{outcome}_total", getattr(stats, outcome), kind)


def _by_kind(loggers: Any) -> list[tuple[str, Any]]:
    if isinstance(loggers, list | tuple):
        return [found for logger in loggers for found in _by_kind(logger)]
    stats = loggers.stats
    return list(stats.items()) if isinstance(stats, Mapping) else [(loggers.feed.kind, stats)]


class LoggerSource(MetricSource):
    """A source that may be a sequence of loggers, each of which is checked."""

    __slots__ = ()

    def check(self, part: Any) -> None:
        for one in part if isinstance(part, list | tuple) else [part]:
            MetricSource.check(self, one)


LOGGERS: Final = LoggerSource("loggers", ("stats",), read_loggers)
