"""Names of the pipeline, the experiments, the policy, SmartCache, the loggers, and of the metrics themselves."""

from __future__ import annotations

from typing import Final

from calib.metrics.names.base import Metric

PIPELINE: Final = (
    Metric("mm_pipeline_ticks_total", "counter", "Ticks that the pipeline ran.", "stage_metrics", "ticks"),
    Metric(
        "mm_pipeline_deadline_misses_total",
        "counter",
        "Ticks that took longer than their deadline.",
        "stage_metrics",
        "ticks",
    ),
    Metric(
        "mm_pipeline_tick_duration_seconds",
        "histogram",
        "Durations of ticks over all symbols.",
        "stage_metrics",
        "seconds",
        fact="tick_ms",
        factor=0.001,
    ),
    Metric(
        "mm_pipeline_stage_latency_p95_seconds",
        "gauge",
        "95th percentile of a stage's latest durations.",
        "stage_metrics",
        "seconds",
        ("stage",),
        fact="stage_p95_ms",
        factor=0.001,
    ),
    Metric("mm_pipeline_stage_errors_total", "counter", "Stages that raised.", "stage_metrics", "errors", ("stage",)),
    Metric(
        "mm_pipeline_shadow_reads_total",
        "counter",
        "Reads in shadow mode, in which the cache's answer was compared with the one used.",
        "stage_metrics",
        "reads",
    ),
    Metric(
        "mm_pipeline_shadow_disagreements_total",
        "counter",
        "Of these, reads whose best bid or ask differed.",
        "stage_metrics",
        "reads",
    ),
)

EXPERIMENTS: Final = (
    Metric(
        "mm_ab_info",
        "gauge",
        "Always 1; the labels describe the experiment.",
        "harness",
        "1",
        ("mode", "decision", "state"),
    ),
    Metric("mm_ab_rolled_back", "gauge", "1 while a rollback is latched, else 0.", "harness", "0 or 1"),
    Metric("mm_ab_rollbacks_total", "counter", "Rollbacks, by the gate that caused them.", "harness", "", ("gate",)),
    Metric(
        "mm_ab_gate_violated",
        "gauge",
        "1 while a gate is violated by the deciding rule, else 0.",
        "harness",
        "0 or 1",
        ("gate",),
    ),
    Metric(
        "mm_ab_gate_violation_age_seconds",
        "gauge",
        "How long a gate has been violated without interruption; 0 if it is not violated.",
        "harness",
        "seconds",
        ("gate",),
    ),
    Metric(
        "mm_ab_last_evaluation_timestamp_seconds",
        "gauge",
        "Time of the last evaluation, Unix time; missing before the first.",
        "harness",
        "seconds",
    ),
    Metric(
        "mm_canary_step",
        "gauge",
        "Step of the schedule; -1 is the shadow phase before the first.",
        "canary",
        "step",
    ),
    Metric("mm_canary_symbols", "gauge", "Symbols that use the cache in the canary's rollout.", "canary", "symbols"),
    Metric("mm_canary_rolled_back", "gauge", "1 while a rollback is latched, else 0.", "canary", "0 or 1"),
)

POLICY: Final = (
    Metric(
        "mm_cache_policy_violations_total",
        "counter",
        "Attempts to cache data that must not be cached, by data type.",
        "policy",
        "attempts",
        ("data_type",),
    ),
)

SMARTCACHE: Final = (
    Metric(
        "mm_smartcache_reads_total",
        "counter",
        "Reads by strategy: bypass, compute, serve_fresh, serve_stale.",
        "smartcache",
        "reads",
        ("strategy",),
    ),
    Metric("mm_smartcache_enabled", "gauge", "1 if it is enabled, else 0.", "smartcache", "0 or 1"),
    Metric(
        "mm_smartcache_connected",
        "gauge",
        "1 if its back end responds, else 0; then every read computes.",
        "smartcache",
        "0 or 1",
    ),
    Metric(
        "mm_smartcache_wait_duration_seconds",
        "histogram",
        "How long callers waited for their values; buckets only, without a sum.",
        "smartcache",
        "seconds",
        fact="smartcache_wait_ms",
        factor=0.001,
    ),
)

LOGGERS: Final = tuple(
    Metric(f"mm_feed_lines_{outcome}_total", "counter", help_text, "loggers", "lines", ("feed",))
    for outcome, help_text in (
        ("accepted", "Records that a logger accepted for writing."),
        ("written", "Of these, records written to a file as whole lines."),
        ("lost", "Of these, records lost because a write failed."),
        ("dropped", "Records not accepted because the queue was full."),
        ("refused", "Records refused because they do not fit the feed's schema."),
        ("sampled_out", "Ticks not written because of sampling."),
    )
)

OWN: Final = (
    Metric(
        "mm_metrics_folded_symbols",
        "gauge",
        "Symbols beyond the limit, which share the symbol 'other'.",
        "metrics",
        "symbols",
    ),
    Metric(
        "mm_metrics_source_errors_total",
        "counter",
        "Scrapes in which a part could not be read, so that its series were missing.",
        "metrics",
        "scrapes",
        ("source",),
    ),
)
