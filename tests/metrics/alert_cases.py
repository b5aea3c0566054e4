"""For each alert what makes it fire and what does not, with the message that people get.

Series are written as promtool writes them: ``0+6x20`` is 0, 6, 12, ... at one sample a minute. The expected labels and
sentences are written by hand.
"""

from __future__ import annotations

from dataclasses import dataclass, field

BOT = 'job="bot",instance="mm-1:9108"'


@dataclass(frozen=True, slots=True)
class Firing:
    """One alert that must be there."""

    labels: dict[str, str]
    summary: str


@dataclass(frozen=True, slots=True)
class Case:
    """Series, and which alerts of one name they lead to."""

    alert: str
    series: dict[str, str]
    fires: tuple[Firing, ...] = ()
    at: str = "30m"
    bot: bool = field(default=True)
    """Whether the firing alerts carry the bot's job and instance."""


def bot(name: str, **labels: str) -> str:
    """A series of the bot."""
    more = "".join(f',{key}="{value}"' for key, value in labels.items())
    return f"{name}{{{BOT}{more}}}"


def reads(hits: str, misses: str) -> dict[str, str]:
    """Cache requests of one symbol."""
    name = "mm_md_cache_requests_total"
    return {bot(name, symbol="X", result="hit"): hits, bot(name, symbol="X", result="miss"): misses}


def smart(bypass: int, compute: int, fresh: int, stale: int) -> dict[str, str]:
    """Reads of SmartCache per minute, by strategy."""
    counts = {"bypass": bypass, "compute": compute, "serve_fresh": fresh, "serve_stale": stale}
    return {bot("mm_smartcache_reads_total", strategy=name): f"0+{n}x120" for name, n in counts.items()}


def waits(up_to_100_ms: str, all_of_them: str) -> dict[str, str]:
    """Buckets of SmartCache's waiting callers."""
    name = "mm_smartcache_wait_duration_seconds_bucket"
    return {
        bot(name, le="0.1"): up_to_100_ms,
        bot(name, le="0.25"): all_of_them,
        bot(name, le="+Inf"): all_of_them,
    }


GOOD_DAY = smart(1, 3, 91, 5)
TICKS = {bot("mm_pipeline_ticks_total"): "0+600x60"}

CASES = (
    Case(
        "CalibABRolledBack",
        {bot("mm_ab_rolled_back"): "0x20 1x20"},
        (Firing({}, "The AB experiment of mm-1:9108 was rolled back; every symbol runs A."),),
    ),
    Case("CalibABRolledBack", {bot("mm_ab_rolled_back"): "0x10 1x10 0x20"}),
    Case(
        "CalibCanaryRolledBack",
        {bot("mm_canary_rolled_back"): "0x20 1x20"},
        (Firing({}, "The canary of mm-1:9108 was rolled back; no symbol uses the cache."),),
    ),
    Case("CalibCanaryRolledBack", {bot("mm_canary_rolled_back"): "0x60"}),
    Case(
        "CalibGateViolated",
        {
            bot("mm_ab_gate_violated", gate="slippage_degradation"): "0x20 1x20",
            bot("mm_ab_gate_violated", gate="latency_regression"): "0x40",
        },
        (
            Firing(
                {"gate": "slippage_degradation"},
                "The gate slippage_degradation of mm-1:9108 is violated.",
            ),
        ),
    ),
    Case("CalibGateViolated", {bot("mm_ab_gate_violated", gate="slippage_degradation"): "0x28 1x1 0x10"}),
    # 60 hits and 40 misses a minute: 60 %.
    Case(
        "CalibHitRatioLow",
        reads("0+60x60", "0+40x60"),
        (Firing({}, "The cache of mm-1:9108 serves 60% of its reads; at least 70 % are expected."),),
    ),
    Case("CalibHitRatioLow", reads("0+75x60", "0+25x60")),
    Case("CalibHitRatioLow", reads("0x60", "0x60")),  # no reads are no ratio
    Case(
        "CalibHitRatioVeryLow",
        reads("0+40x60", "0+60x60"),
        (Firing({}, "The cache of mm-1:9108 serves only 40% of its reads."),),
    ),
    Case("CalibHitRatioVeryLow", reads("0+60x60", "0+40x60")),
    Case(
        "CalibDeadlineMisses",
        TICKS | {bot("mm_pipeline_deadline_misses_total"): "0+18x60"},
        (Firing({}, "3% of the ticks of mm-1:9108 miss their deadline; at most 2 % are allowed."),),
    ),
    Case("CalibDeadlineMisses", TICKS | {bot("mm_pipeline_deadline_misses_total"): "0+6x60"}),
    Case(
        "CalibPricingOnStale",
        TICKS
        | {
            bot("mm_pricing_on_stale_total", reason="pricing_threshold"): "0+42x60",
            bot("mm_pricing_on_stale_total", reason="guard_block"): "0+6x60",
        },
        (Firing({}, "8% of the ticks of mm-1:9108 use a stale book; at most 5 % are allowed."),),
    ),
    Case("CalibPricingOnStale", TICKS | {bot("mm_pricing_on_stale_total", reason="pricing_threshold"): "0+24x60"}),
    Case(
        "CalibPolicyViolation",
        {
            bot("mm_cache_policy_violations_total", data_type="balance"): "0x20 2x20",
            bot("mm_cache_policy_violations_total", data_type="order"): "0x40",
        },
        (Firing({"data_type": "balance"}, "mm-1:9108 tried to cache balance, 2 times since its start."),),
    ),
    # A bot that starts with a violation has no increase, and is alerted all the same.
    Case(
        "CalibPolicyViolation",
        {bot("mm_cache_policy_violations_total", data_type="balance"): "1x40"},
        (Firing({"data_type": "balance"}, "mm-1:9108 tried to cache balance, 1 times since its start."),),
    ),
    Case("CalibPolicyViolation", {bot("mm_cache_policy_violations_total", data_type="balance"): "0x60"}),
    Case(
        "CalibFeedSilent",
        {
            bot("mm_md_connection_age_seconds", connection="spot"): "0.1x27 10+60x10",
            bot("mm_md_connection_age_seconds", connection="perp"): "0.1x60",
        },
        (
            Firing(
                {"connection": "spot"},
                "The connection spot of mm-1:9108 has been silent for 2m 10s.",
            ),
        ),
    ),
    Case("CalibFeedSilent", {bot("mm_md_connection_age_seconds", connection="spot"): "8x60"}),
    Case(
        "CalibBookNotLive",
        {
            bot("mm_md_stream_state", symbol="X", state="live"): "1x27 0x20",
            bot("mm_md_stream_state", symbol="X", state="gap"): "0x27 1 0 1 0",
            bot("mm_md_stream_state", symbol="X", state="syncing"): "0x27 0 1 0 1",
            bot("mm_md_stream_state", symbol="Y", state="live"): "1x60",
            bot("mm_md_stream_state", symbol="Y", state="gap"): "0x60",
        },
        (
            Firing(
                {"symbol": "X"},
                "The book of X at mm-1:9108 has not been live for a minute.",
            ),
        ),
    ),
    Case("CalibBookNotLive", {bot("mm_md_stream_state", symbol="X", state="gap"): "0x29 1 0x20"}),
    Case(
        "CalibBookFailed",
        {bot("mm_md_stream_state", symbol="X", state="failed"): "0x20 1x20"},
        (
            Firing(
                {"symbol": "X", "state": "failed"},
                "The book of X at mm-1:9108 cannot be brought in sync.",
            ),
        ),
    ),
    Case("CalibBookFailed", {bot("mm_md_stream_state", symbol="X", state="failed"): "0x20 1x5 0x20"}),
    Case(
        "CalibBookFrozen",
        {
            bot("mm_md_stream_book_age_seconds", symbol="X"): "0x19 0+60x20",
            bot("mm_md_stream_book_age_seconds", symbol="Y"): "1x60",
            bot("mm_md_connection_age_seconds", connection="spot"): "0.1x60",
        },
        (
            Firing(
                {"symbol": "X"},
                "The book of X at mm-1:9108 has not changed for 10m 0s, while its connections are alive.",
            ),
        ),
    ),
    # A dead connection explains a book that does not change: that is another alert's.
    Case(
        "CalibBookFrozen",
        {
            bot("mm_md_stream_book_age_seconds", symbol="X"): "0+60x60",
            bot("mm_md_connection_age_seconds", connection="spot"): "0+60x60",
        },
    ),
    Case(
        "CalibLinesLost",
        {
            bot("mm_feed_lines_lost_total", feed="fills"): "0x25 4x20",
            bot("mm_feed_lines_dropped_total", feed="fills"): "0x60",
            bot("mm_feed_lines_lost_total", feed="trades"): "9x60",
            bot("mm_feed_lines_dropped_total", feed="trades"): "0x60",
        },
        (
            Firing(
                {"feed": "fills"},
                "mm-1:9108 lost or dropped lines of the feed fills within ten minutes.",
            ),
        ),
    ),
    Case(
        "CalibLinesLost",
        {
            bot("mm_feed_lines_lost_total", feed="fills"): "4x60",
            bot("mm_feed_lines_dropped_total", feed="fills"): "0x60",
        },
    ),
    # promtool's clock starts at 0: a success at -100000 is more than 25 hours old.
    Case(
        "CalibCronStale",
        {
            'calib_aggregate_last_success_timestamp_seconds{job="node",instance="mm-1:9100"}': "-100000x60",
            'calib_canary_check_last_success_timestamp_seconds{job="node",instance="mm-1:9100"}': "-95000x60",
            'calib_summarize_last_success_timestamp_seconds{job="node",instance="mm-1:9100"}': "-80000x60",
        },
        (
            Firing(
                {"command": "aggregate", "job": "node", "instance": "mm-1:9100"},
                "The nightly job aggregate has not succeeded for 25 hours.",
            ),
            Firing(
                {"command": "canary_check", "job": "node", "instance": "mm-1:9100"},
                "The nightly job canary_check has not succeeded for 25 hours.",
            ),
        ),
        bot=False,
    ),
    Case("CalibCronStale", {'calib_aggregate_last_success_timestamp_seconds{job="node"}': "0x60"}),
    Case(
        "CalibCronAbsent",
        {"up": "1x60"},
        (Firing({}, "There is no success timestamp of calib aggregate."),),
        bot=False,
    ),
    Case("CalibCronAbsent", {"calib_aggregate_last_success_timestamp_seconds": "0x60"}),
    Case(
        "CalibBotAbsent",
        {"up": "1x60"},
        (Firing({}, "No bot exposes the metrics of its market-data cache."),),
        bot=False,
    ),
    Case("CalibBotAbsent", {bot("mm_md_cache_size"): "0x60"}),
    Case(
        "CalibMetricsIncomplete",
        {
            bot("mm_metrics_source_errors_total", source="cache"): "0x25 1x20",
            bot("mm_metrics_source_errors_total", source="loggers"): "0x60",
        },
        (
            Firing(
                {"source": "cache"},
                "The metrics of cache of mm-1:9108 could not be read; its series are missing.",
            ),
        ),
    ),
    Case("CalibMetricsIncomplete", {bot("mm_metrics_source_errors_total", source="cache"): "3x60"}),
    Case(
        "CalibSmartCacheFreshLow",
        smart(1, 4, 85, 10),
        (Firing({}, "SmartCache of mm-1:9108 serves 85% fresh; the target is 90 %."),),
        "100m",
    ),
    Case("CalibSmartCacheFreshLow", GOOD_DAY, at="100m"),
    Case(
        "CalibSmartCacheHitLow",
        smart(1, 9, 85, 5),
        (Firing({}, "SmartCache of mm-1:9108 serves 90% from the cache; the target is 95 %."),),
        "100m",
    ),
    Case("CalibSmartCacheHitLow", smart(0, 4, 92, 4), at="100m"),
    Case(
        "CalibSmartCacheStaleHigh",
        smart(0, 4, 76, 20),
        (Firing({}, "SmartCache of mm-1:9108 serves 20% stale; the target is 5 to 10 %."),),
        "100m",
    ),
    Case("CalibSmartCacheStaleHigh", GOOD_DAY, at="100m"),
    Case(
        "CalibSmartCacheComputeHigh",
        smart(0, 10, 85, 5),
        (Firing({}, "SmartCache of mm-1:9108 computes 10% of its reads; the target is 3 to 5 %."),),
        "100m",
    ),
    Case("CalibSmartCacheComputeHigh", GOOD_DAY, at="100m"),
    Case(
        "CalibSmartCacheBypassHigh",
        smart(5, 3, 87, 5),
        (Firing({}, "SmartCache of mm-1:9108 bypasses 5% of its reads; the target is below 2 %."),),
        "100m",
    ),
    Case("CalibSmartCacheBypassHigh", GOOD_DAY, at="100m"),
    # Without reads there is no share to complain of.
    Case("CalibSmartCacheFreshLow", smart(0, 0, 0, 0), at="100m"),
    Case(
        "CalibSmartCacheSlow",
        # 80 of 100 wait up to 100 ms, all up to 250 ms: 95 is three quarters of the way, 100 + 0.75 x 150 = 212.5 ms.
        waits("0+80x120", "0+100x120"),
        (
            Firing(
                {},
                "95 % of SmartCache's callers at mm-1:9108 wait up to 212.5ms; the target is below 100 ms.",
            ),
        ),
        "100m",
    ),
    Case("CalibSmartCacheSlow", waits("0+99x120", "0+100x120"), at="100m"),
    Case(
        "CalibSmartCacheDown",
        {bot("mm_smartcache_connected"): "1x20 0x20", bot("mm_smartcache_enabled"): "1x60"},
        (Firing({}, "SmartCache of mm-1:9108 cannot reach its back end; every read computes."),),
    ),
    Case("CalibSmartCacheDown", {bot("mm_smartcache_connected"): "0x60", bot("mm_smartcache_enabled"): "0x60"}),
)
