"""The source for the metrics of pipeline stages and their cache."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from calib.metrics.histogram import Histogram
from calib.metrics.samples import Samples
from calib.metrics.sources.base import MetricSource
from calib.metrics.sources.cache import add_reads, add_reasons, add_symbol_reads


class RecordedStages(Protocol):
    """The attributes of `calib.StageMetrics` that are read."""

    tick_ms: Histogram
    refresh_ms: Histogram

    def summary(self) -> Mapping[str, Any]: ...
    def depth_misses(self) -> Mapping[tuple[int, int] | str, int]: ...
    def get_md_refresh_latency_p95(self) -> float | None: ...


def read_stages(metrics: RecordedStages, out: Samples) -> None:
    """Report ticks, stages and the events of the cache."""
    seen = metrics.summary()
    cache, shadow = seen["md_cache"], seen["shadow"]
    out.add("mm_pipeline_ticks_total", seen["ticks"])
    out.add("mm_pipeline_deadline_misses_total", seen["deadline_misses"])
    out.add("tick_ms", metrics.tick_ms.counts())
    for stage, quantiles in seen["stages_ms"].items():
        out.add("stage_p95_ms", quantiles["p95"], stage)
    for stage, count in seen["stage_errors"].items():
        out.add("mm_pipeline_stage_errors_total", count, stage)
    out.add("mm_pipeline_shadow_reads_total", shadow["reads"])
    out.add("mm_pipeline_shadow_disagreements_total", shadow["disagreements"])
    add_reads(out, cache["hits"], cache["misses"])
    add_reasons(out, cache["invalidations"], cache["pricing_on_stale"])
    for pair, count in metrics.depth_misses().items():
        requested, have = ("other", "other") if isinstance(pair, str) else map(str, pair)
        out.add("mm_md_cache_depth_miss_total", count, requested, have)
    for symbol, one in cache["symbols"].items():
        if symbol:  # an empty label value means no label: reads without a symbol are only in the totals
            add_symbol_reads(out, symbol, one["hits"], one["misses"])
    out.add("refresh_ms", metrics.refresh_ms.counts())


def read_last_served(metrics: RecordedStages, out: Samples) -> None:
    """Report facts that a cache would report more precisely, for a bot that passes no cache."""
    for symbol, one in metrics.summary()["md_cache"]["symbols"].items():
        if symbol:
            out.add("cache_age_ms", one["last_age_ms"], symbol)
    out.add("refresh_p95_ms", metrics.get_md_refresh_latency_p95())


_NEEDS: Final = ("summary", "depth_misses", "get_md_refresh_latency_p95", "tick_ms", "refresh_ms")
STAGE_METRICS: Final = MetricSource("stage_metrics", _NEEDS, read_stages)
LAST_SERVED: Final = MetricSource("last_served", _NEEDS, read_last_served)
