"""Alert rules: what somebody must look at, now or today."""

from __future__ import annotations

from typing import Final

from calib.metrics.names import JOBS
from calib.metrics.prometheus.rule import AlertRule, rule_file

CRON_STALE_S: Final = 90_000
"""A nightly job is stale after 25 hours: a day, and an hour for a slow night."""
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
        "The cache of {{ $labels.instance }} answers {{ $value | humanizePercentage }} of its reads; "
        "expected are 70 %.",
        "Look for invalidations, depth misses and streams that are not live.",
        "10m",
    ),
    AlertRule(
        "CalibHitRatioVeryLow",
        _share(_HITS, _READS, "<", 0.5),
        "page",
        "The cache of {{ $labels.instance }} answers {{ $value | humanizePercentage }} of its reads; it is of no use.",
        "Switch it off or to shadow mode while you look for the cause.",
        "5m",
    ),
    AlertRule(
        "CalibDeadlineMisses",
        _share(_rate("mm_pipeline_deadline_misses_total"), _TICKS, ">", 0.02),
        "warn",
        "{{ $value | humanizePercentage }} of the ticks of {{ $labels.instance }} miss their deadline; "
        "allowed are 2 %.",
        "See which stage is slow: mm_pipeline_stage_latency_p95_seconds.",
        "5m",
    ),
    AlertRule(
        "CalibPricingOnStale",
        _share(_rate("mm_pricing_on_stale_total"), _TICKS, ">", 0.05),
        "warn",
        "{{ $value | humanizePercentage }} of the ticks of {{ $labels.instance }} use a stale book; allowed are 5 %.",
        "Look at refresh durations and at connections; consider skip_pricing_on_stale.",
        "5m",
    ),
    AlertRule(
        "CalibPolicyViolation",
        "mm_cache_policy_violations_total > 0",
        "page",
        "{{ $labels.instance }} tried to cache {{ $labels.data_type }}, {{ $value }} times since its start.",
        "Stop trading, switch that cache off, and find what it served; the alert ends with a restart.",
    ),
)
STREAM_ALERTS: Final = (
    AlertRule(
        "CalibFeedSilent",
        "mm_md_connection_age_seconds > 10",
        "page",
        "The connection {{ $labels.connection }} of {{ $labels.instance }} has said nothing for "
        "{{ $value | humanizeDuration }}.",
        "Check the socket and the venue's status; pricing and guards get no book of it.",
        "10s",
    ),
    AlertRule(
        "CalibBookNotLive",
        # A sum, so that one that goes from gap to syncing and back does not begin anew; it holds for `other` too.
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
        "Check that snapshots of it can be had from the venue, and that they are younger than the stream.",
    ),
    AlertRule(
        "CalibBookFrozen",
        "mm_md_stream_book_age_seconds > 300 and on (job, instance) (mm_md_connection_age_seconds < 5)",
        "warn",
        "The book of {{ $labels.symbol }} at {{ $labels.instance }} has not changed for "
        "{{ $value | humanizeDuration }}, while its connections are alive.",
        "A quiet market, or a subscription that the venue has dropped: compare with the venue's own page.",
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
        "Nothing says that calib aggregate ever succeeded.",
        "Give its cron job --prom FILE below the node exporter's textfile directory, and scrape that exporter.",
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
        "Read the bot's log of calib.metrics: it names the error.",
    ),
)


def _smart(name: str, strategies: str, relation: str, limit: float, summary: str, action: str) -> AlertRule:
    """One target of the first day, over an hour and with enough reads to mean something."""
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
        "Longer TTL zones, or fewer distinct keys.",
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
        "Keys that are read once, or a TTL that is too short.",
    ),
    _smart(
        "CalibSmartCacheBypassHigh",
        "bypass",
        ">",
        0.02,
        "SmartCache of {{ $labels.instance }} bypasses {{ $value | humanizePercentage }} of its reads; "
        "the target is below 2 %.",
        "A real panic of the market, or a panic threshold that is too low.",
    ),
    AlertRule(
        "CalibSmartCacheSlow",
        f"histogram_quantile(0.95, {_WAITS}) > 0.1",
        "warn",
        "95 % of SmartCache's callers at {{ $labels.instance }} wait up to {{ $value | humanizeDuration }}; "
        "the target is below 100 ms.",
        "Check the back end's latency; set the soft timeout, so that stale values are served meanwhile.",
        "15m",
    ),
    AlertRule(
        "CalibSmartCacheDown",
        "mm_smartcache_connected == 0 and on (job, instance) (mm_smartcache_enabled == 1)",
        "warn",
        "SmartCache of {{ $labels.instance }} does not reach its back end; every read computes.",
        "Check the Redis server and the address; reads go on without it.",
        "2m",
    ),
)

ALERTS: Final = (*EXPERIMENT_ALERTS, *CACHE_ALERTS, *STREAM_ALERTS, *LOG_ALERTS, *SMARTCACHE_ALERTS)
"""Every alert rule."""


def alerts_text() -> str:
    """The file."""
    commands = ", ".join(job.command for job in JOBS)
    return rule_file("calib", ALERTS, comment=f"{_COMMENT}\nNightly commands with a text file: {commands}.")
