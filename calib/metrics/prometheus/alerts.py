"""Alert rules."""

from __future__ import annotations

from typing import Final

from calib.metrics.names import JOBS
from calib.metrics.prometheus.rule import AlertRule, rule_file

CRON_STALE_S: Final = 90_000
"""A nightly job is stale after 25 hours: one day, plus an hour for a slow run."""
_BY: Final = "by (job, instance)"
_COMMENT: Final = """\
Alerts of calib. `severity`: page (look now) or warn (look today).
Written by `calib metrics alerts`; thresholds are meant to be edited in your copy."""


def _rate(name: str, *matchers: str, window: str = "5m", more: str = "") -> str:
    selector = f"{{{','.join(matchers)}}}" if matchers else ""
    by = f"by (job, instance{', ' + more if more else ''})"
    return f"sum {by} (rate({name}{selector}[{window}]))"


def _share(part: str, whole: str, relation: str, limit: float) -> str:
    return f"{part} / {whole} {relation} {limit:g}"


_HITS: Final = _rate("mm_md_cache_requests_total", 'result="hit"')
_READS: Final = _rate("mm_md_cache_requests_total")
_TICKS: Final = _rate("mm_pipeline_ticks_total")

EXPERIMENT_ALERTS: Final = (
    AlertRule(
        "CalibABRolledBack",
        "mm_ab_rolled_back == 1",
        "page",
        "The AB experiment of {{ $labels.instance }} was rolled back; every symbol runs A.",
        "Read audit.jsonl in the experiment's directory; clear it with `calib ab reset --reason TEXT`.",
    ),
    AlertRule(
        "CalibCanaryRolledBack",
        "mm_canary_rolled_back == 1",
        "page",
        "The canary of {{ $labels.instance }} was rolled back; no symbol uses the cache.",
        "See `calib canary status`; clear it with `calib canary reset --reason TEXT`.",
    ),
    AlertRule(
        "CalibGateViolated",
        "mm_ab_gate_violated == 1",
        "warn",
        "The gate {{ $labels.gate }} of {{ $labels.instance }} is violated.",
        "Compare B with A in `calib ab`; a violation that lasts rolls back when the experiment is online.",
        "2m",
    ),
)
CACHE_ALERTS: Final = (
    AlertRule(
        "CalibHitRatioLow",
        _share(_HITS, _READS, "<", 0.7),
        "warn",
        "The cache of {{ $labels.instance }} serves {{ $value | humanizePercentage }} of its reads; "
        "at least 70 % are expected.",
        "Look for invalidations, depth misses and streams that are not live.",
        "10m",
    ),
    AlertRule(
        "CalibHitRatioVeryLow",
        _share(_HITS, _READS, "<", 0.5),
        "page",
        "The cache of {{ $labels.instance }} serves only {{ $value | humanizePercentage }} of its reads.",
        "Disable it or use shadow mode while you look for the cause.",
        "5m",
    ),
    AlertRule(
        "CalibDeadlineMisses",
        _share(_rate("mm_pipeline_deadline_misses_total"), _TICKS, ">", 0.02),
        "warn",
        "{{ $value | humanizePercentage }} of the ticks of {{ $labels.instance }} miss their deadline; "
        "at most 2 % are allowed.",
        "See which stage is slow: mm_pipeline_stage_latency_p95_seconds.",
        "5m",
    ),
    AlertRule(
        "CalibPricingOnStale",
        _share(_rate("mm_pricing_on_stale_total"), _TICKS, ">", 0.05),
        "warn",
        "{{ $value | humanizePercentage }} of the ticks of {{ $labels.instance }} use a stale book; "
        "at most 5 % are allowed.",
        "Look at refresh durations and at connections; consider skip_pricing_on_stale.",
        "5m",
    ),
    AlertRule(
        "CalibPolicyViolation",
        "mm_cache_policy_violations_total > 0",
        "page",
        "{{ $labels.instance }} tried to cache {{ $labels.data_type }}, {{ $value }} times since its start.",
        "Stop trading, disable that cache, and find out what it served; the alert ends with a restart.",
    ),
)
STREAM_ALERTS: Final = (
    AlertRule(
        "CalibFeedSilent",
        "mm_md_connection_age_seconds > 10",
        "page",
        "The connection {{ $labels.connection }} of {{ $labels.instance }} has been silent for "
        "{{ $value | humanizeDuration }}.",
        "Check the socket and the venue's status; pricing and guards get no fresh book from it.",
        "10s",
    ),
    AlertRule(
        "CalibBookNotLive",
        # A sum, so that a change from gap to syncing and back does not restart the hold time; also valid for `other`.
        f'sum {_BY[:-1]}, symbol) (mm_md_stream_state{{state!="live"}}) > 0',
        "warn",
        "The book of {{ $labels.symbol }} at {{ $labels.instance }} has not been live for a minute.",
        "See its state in mm_md_stream_state, and docs/reference/stream-states.md for what ends it.",
        "1m",
    ),
    AlertRule(
        "CalibBookFailed",
        'mm_md_stream_state{state="failed"} > 0',
        "page",
        "The book of {{ $labels.symbol }} at {{ $labels.instance }} cannot be brought in sync.",
        "Check that the venue serves snapshots of it that are not older than the stream.",
    ),
    AlertRule(
        "CalibBookFrozen",
        "mm_md_stream_book_age_seconds > 300 and on (job, instance) (mm_md_connection_age_seconds < 5)",
        "warn",
        "The book of {{ $labels.symbol }} at {{ $labels.instance }} has not changed for "
        "{{ $value | humanizeDuration }}, while its connections are alive.",
        "The market is quiet, or the venue dropped the subscription: compare with the venue's website.",
        "1m",
    ),
)
LOG_ALERTS: Final = (
    AlertRule(
        "CalibLinesLost",
        f"sum {_BY[:-1]}, feed) (increase(mm_feed_lines_lost_total[10m])) + "
        f"sum {_BY[:-1]}, feed) (increase(mm_feed_lines_dropped_total[10m])) > 0",
        "page",
        "{{ $labels.instance }} lost or dropped lines of the feed {{ $labels.feed }} within ten minutes.",
        "Check free space and the permissions of the feed directory, then the capacity of the logger's queue.",
    ),
    AlertRule(
        "CalibCronStale",
        'label_replace({__name__=~"calib_.+_last_success_timestamp_seconds"} < time() - '
        f'{CRON_STALE_S}, "command", "$1", "__name__", "calib_(.+)_last_success_timestamp_seconds")',
        "warn",
        "The nightly job {{ $labels.command }} has not succeeded for 25 hours.",
        "Read the mail or the log of its cron job; run it by hand with the same options.",
    ),
    AlertRule(
        "CalibCronAbsent",
        "absent(calib_aggregate_last_success_timestamp_seconds)",
        "warn",
        "There is no success timestamp of calib aggregate.",
        "Run its cron job with --prom FILE in the node exporter's textfile directory, and scrape that exporter.",
        "15m",
    ),
    AlertRule(
        "CalibBotAbsent",
        "absent(mm_md_cache_size)",
        "page",
        "No bot exposes the metrics of its market-data cache.",
        "Check that the bot runs, that it calls calib.metrics.serve, and that its address is in prometheus.yml.",
        "2m",
    ),
    AlertRule(
        "CalibMetricsIncomplete",
        "increase(mm_metrics_source_errors_total[10m]) > 0",
        "warn",
        "The metrics of {{ $labels.source }} of {{ $labels.instance }} could not be read; its series are missing.",
        "Read the log messages of calib.metrics in the bot's log: they have the error.",
    ),
)


def _smart(name: str, strategies: str, relation: str, limit: float, summary: str, action: str) -> AlertRule:
    """An alert on a SmartCache target over an hour, with a minimum number of reads."""
    reads = _rate("mm_smartcache_reads_total", window="1h")
    part = _rate("mm_smartcache_reads_total", f'strategy=~"{strategies}"', window="1h")
    expr = f"{_share(part, reads, relation, limit)} and {reads} > 0.01"
    return AlertRule(name, expr, "warn", summary, action, "15m")


_WAITS: Final = _rate("mm_smartcache_wait_duration_seconds_bucket", window="1h", more="le")
SMARTCACHE_ALERTS: Final = (
    _smart(
        "CalibSmartCacheFreshLow",
        "serve_fresh",
        "<",
        0.9,
        "SmartCache of {{ $labels.instance }} serves {{ $value | humanizePercentage }} fresh; the target is 90 %.",
        "Use longer TTL zones, or fewer distinct keys.",
    ),
    _smart(
        "CalibSmartCacheHitLow",
        "serve_fresh|serve_stale",
        "<",
        0.95,
        "SmartCache of {{ $labels.instance }} serves {{ $value | humanizePercentage }} from the cache; "
        "the target is 95 %.",
        "Look at invalidations, evictions and the back end's health.",
    ),
    _smart(
        "CalibSmartCacheStaleHigh",
        "serve_stale",
        ">",
        0.1,
        "SmartCache of {{ $labels.instance }} serves {{ $value | humanizePercentage }} stale; the target is 5 to 10 %.",
        "Computes are slow or fail: see their durations and errors.",
    ),
    _smart(
        "CalibSmartCacheComputeHigh",
        "compute",
        ">",
        0.05,
        "SmartCache of {{ $labels.instance }} computes {{ $value | humanizePercentage }} of its reads; "
        "the target is 3 to 5 %.",
        "Look for keys that are read only once, and TTLs that are too short.",
    ),
    _smart(
        "CalibSmartCacheBypassHigh",
        "bypass",
        ">",
        0.02,
        "SmartCache of {{ $labels.instance }} bypasses {{ $value | humanizePercentage }} of its reads; "
        "the target is below 2 %.",
        "The market is in a panic, or the panic threshold is too low.",
    ),
    AlertRule(
        "CalibSmartCacheSlow",
        f"histogram_quantile(0.95, {_WAITS}) > 0.1",
        "warn",
        "95 % of SmartCache's callers at {{ $labels.instance }} wait up to {{ $value | humanizeDuration }}; "
        "the target is below 100 ms.",
        "Check the back end's latency; set the soft timeout, so that stale values are served while a read waits.",
        "15m",
    ),
    AlertRule(
        "CalibSmartCacheDown",
        "mm_smartcache_connected == 0 and on (job, instance) (mm_smartcache_enabled == 1)",
        "warn",
        "SmartCache of {{ $labels.instance }} cannot reach its back end; every read computes.",
        "Check the Redis server and the address; reads continue without it.",
        "2m",
    ),
)

ALERTS: Final = (*EXPERIMENT_ALERTS, *CACHE_ALERTS, *STREAM_ALERTS, *LOG_ALERTS, *SMARTCACHE_ALERTS)
"""Every alert rule."""


def alerts_text() -> str:
    """The alert rules as a file."""
    commands = ", ".join(job.command for job in JOBS)
    return rule_file("calib", ALERTS, comment=f"{_COMMENT}\nNightly commands with a text file: {commands}.")
