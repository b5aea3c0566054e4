"""What a registry exposes of the parts of a bot."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from calib import (
    ABHarness,
    CalibrationLoggerManager,
    CanaryController,
    FeatureCollector,
    MDCache,
    MDCacheConfig,
    StageMetrics,
    SymbolScoreboard,
    VirtualClock,
)
from calib.errors import ConfigError
from calib.market import Delta, Snapshot
from calib.metrics import TABLE, register
from calib.metrics.names import LIVE
from calib.policy import CacheComplianceMonitor
from calib.smartcache import SmartCacheEnhanced
from tests.metrics.promtool import needs_promtool, promtool

SEED_NAMES = {
    *("mm_md_cache_depth_miss_total", "mm_md_cache_invalidate_total", "mm_pricing_on_stale_total"),
    *("mm_md_cache_hit_total", "mm_md_cache_miss_total", "mm_md_cache_hit_ratio", "mm_md_cache_age_ms"),
    *("mm_md_cache_size", "mm_md_cache_inflight_refreshes", "mm_md_cache_refresh_latency_p95_ms"),
    *("mm_md_refresh_latency_ms", "mm_md_cache_total_hits", "mm_md_cache_total_misses", "mm_symbol_total_ticks"),
    *("mm_symbol_fills_maker", "mm_symbol_fills_taker", "mm_symbol_fills_total", "mm_symbol_vol_realized"),
    *("mm_symbol_liq_top_depth", "mm_symbol_latency_p95", "mm_symbol_pnl_dev", "mm_symbol_fill_rate"),
    *("mm_symbol_taker_share", "mm_symbol_queue_absorb_rate", "mm_symbol_queue_eta_ms", "mm_symbol_slippage_bps"),
    *("mm_symbol_adverse_move_bps", "mm_symbol_score", "mm_symbol_net_bps"),
}
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def text_of(registry: CollectorRegistry) -> str:
    return generate_latest(registry).decode("utf-8")


def parsed(text: str) -> Series:
    """Every sample of the text, read back by the client's own parser."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(series: Series, name: str, **labels: str) -> float | None:
    return series.get((name, frozenset(labels.items())))


def type_lines(text: str) -> dict[str, str]:
    return dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE "))


async def _body(symbol: str, depth: int) -> dict[str, Any]:
    return {"symbol": symbol, "bids": [["99", "1"]], "asks": [["101", "2"]], "update_id": 7, "source": "stream"}


def bot(
    clock: VirtualClock | None = None, *, max_symbols: int = 100
) -> tuple[MDCache, StageMetrics, FeatureCollector, SymbolScoreboard]:
    """The library's parts, as a bot puts them together."""
    metrics = StageMetrics()
    config = MDCacheConfig(enabled=True, max_symbols=max_symbols)
    cache = MDCache(config, _body, metrics=metrics, clock=clock or VirtualClock())
    collector = FeatureCollector(clock=clock or VirtualClock())
    return cache, metrics, collector, SymbolScoreboard(collector, prior_fills=1)


def exercised(clock: VirtualClock) -> tuple[MDCache, StageMetrics, FeatureCollector, SymbolScoreboard]:
    """A bot that has seen something of every kind."""
    cache, metrics, collector, scoreboard = bot(clock)

    async def reads() -> None:
        await cache.get_orderbook("X", 1)
        for _ in range(3):
            await cache.get_orderbook("X", 1)
        await cache.get_orderbook("X", 5)
        clock.advance_ms(80)
        await cache.get_orderbook("X", 1, use_case="pricing")
        await cache.close()

    asyncio.run(reads())
    cache.invalidate("X", "price_jump")
    asyncio.run(cache.get_orderbook("X", 1))
    for bid, ask in ((99.0, 101.0), (99.5, 101.5)):
        clock.advance_ms(1000)
        collector.record_book("X", bid, 1.0, ask, 2.0)
    for ahead in (10.0, 6.0):
        clock.advance_ms(500)
        collector.record_queue("X", "q1", ahead, 1.0)
    collector.record_tick("X", 12.0)
    collector.record_tick("X", 300.0)
    metrics.record_tick(12.0, deadline_miss=False)
    metrics.record_tick(300.0, deadline_miss=True)
    metrics.record_stage("fetch_md", 3.0)
    collector.record_quote("X")
    for side, price, liquidity in (("buy", 99.96, "maker"), ("sell", 100.2, "taker")):
        collector.record_fill("X", side, price, liquidity, quote_price=99.95, mid_at_quote=100.0, mid_now=100.1)
    return cache, metrics, collector, scoreboard


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def test_all_29_seed_names_have_type_lines_before_the_first_event(registry: CollectorRegistry) -> None:
    cache, metrics, collector, scoreboard = bot()
    register(registry, cache=cache, stage_metrics=metrics, collector=collector, scoreboard=scoreboard, clean=False)
    lines = type_lines(text_of(registry))
    assert len(SEED_NAMES) == 29
    assert set(lines) == SEED_NAMES
    rows = {row.name: row for row in TABLE}
    assert lines == {name: rows[name].kind for name in SEED_NAMES}


def test_the_type_lines_stand_also_where_no_part_is_given(registry: CollectorRegistry) -> None:
    register(registry)
    assert set(type_lines(text_of(registry))) == {row.name for row in LIVE}


def test_nothing_is_renamed_or_added_by_the_client(registry: CollectorRegistry) -> None:
    cache, metrics, collector, scoreboard = exercised(VirtualClock())
    register(registry, cache=cache, stage_metrics=metrics, collector=collector, scoreboard=scoreboard)
    known = {row.name for row in LIVE}
    known |= {f"{row.name}{end}" for row in LIVE if row.kind == "histogram" for end in ("_bucket", "_sum", "_count")}
    assert {name for name, _ in parsed(text_of(registry))} <= known
    assert "_created" not in text_of(registry)


def test_the_text_read_back_equals_the_counts_of_the_cache(registry: CollectorRegistry) -> None:
    clock = VirtualClock()
    cache, metrics, collector, scoreboard = exercised(clock)
    register(registry, cache=cache, stage_metrics=metrics, collector=collector, scoreboard=scoreboard)
    series, summary, stages = parsed(text_of(registry)), cache.metrics_summary(), metrics.summary()
    reads = summary["reads"]
    assert value(series, "mm_md_cache_hit_total", symbol="X") == reads["fresh"] + reads["stale"] > 0
    misses = sum(reads[status] for status in ("coalesced", "miss", "withheld", "unavailable"))
    assert value(series, "mm_md_cache_miss_total", symbol="X") == misses > 0
    assert value(series, "mm_md_cache_requests_total", symbol="X", result="miss") == misses
    assert value(series, "mm_md_cache_total_hits") == metrics.hits
    assert value(series, "mm_md_cache_hit_ratio", symbol="X") == summary["hit_ratio"]
    assert value(series, "mm_md_cache_overall_hit_ratio") == summary["hit_ratio"]
    assert value(series, "mm_md_cache_size") == summary["size"] == 1
    assert value(series, "mm_md_cache_inflight_refreshes") == 0
    assert value(series, "mm_md_cache_invalidate_total", reason="price_jump") == 1
    assert value(series, "mm_md_cache_depth_miss_total", requested="5", have="1") == 1
    stale = stages["md_cache"]["pricing_on_stale"]
    assert value(series, "mm_pricing_on_stale_total", reason="pricing_threshold") == stale["pricing_threshold"] > 0
    assert value(series, "mm_pricing_on_stale_total", reason="guard_block") == 0
    assert value(series, "mm_md_refresh_latency_ms_count") == summary["refreshes"] > 0
    assert value(series, "mm_md_cache_age_ms", symbol="X") == cache.get_cache_age_ms("X")
    assert value(series, "mm_md_cache_refresh_latency_p95_ms") == cache.get_refresh_latency_p95()


def test_the_text_read_back_equals_the_features(registry: CollectorRegistry) -> None:
    cache, metrics, collector, scoreboard = exercised(VirtualClock())
    register(registry, cache=cache, stage_metrics=metrics, collector=collector, scoreboard=scoreboard)
    series, seen, row = parsed(text_of(registry)), collector.snapshot("X"), scoreboard.row("X")
    for feature in seen._fields[1:11]:
        assert value(series, f"mm_symbol_{feature}", symbol="X") == getattr(seen, feature) is not None, feature
    assert value(series, "mm_symbol_score", symbol="X") == row.score is not None
    assert value(series, "mm_symbol_net_bps", symbol="X") == row.net_bps is not None
    assert value(series, "mm_symbol_total_ticks", symbol="X") == 2
    assert value(series, "mm_symbol_fills_total", symbol="X") == 2
    assert value(series, "mm_symbol_fills_maker", symbol="X") == 1
    assert value(series, "mm_symbol_fills_taker", symbol="X") == 1
    assert value(series, "mm_symbol_executions_total", symbol="X", liquidity="taker") == 1
    queue_eta_ms = seen.queue_eta_ms
    assert queue_eta_ms is not None
    assert value(series, "mm_symbol_queue_eta_seconds", symbol="X") == pytest.approx(queue_eta_ms / 1000)


def test_histograms_have_buckets_of_milliseconds(registry: CollectorRegistry) -> None:
    cache, metrics, collector, _ = exercised(VirtualClock())
    register(registry, cache=cache, stage_metrics=metrics, collector=collector)
    series = parsed(text_of(registry))
    name = "mm_symbol_tick_duration_seconds"
    below = {
        bound: value(series, f"{name}_bucket", symbol="X", le=bound) for bound in ("0.01", "0.02", "0.2", "0.3", "+Inf")
    }
    assert below == {"0.01": 0, "0.02": 1, "0.2": 1, "0.3": 2, "+Inf": 2}
    assert value(series, f"{name}_sum", symbol="X") == pytest.approx(0.312)
    assert value(series, "mm_pipeline_tick_duration_seconds_count") == 2
    assert value(series, "mm_pipeline_ticks_total") == 2
    assert value(series, "mm_pipeline_deadline_misses_total") == 1


@needs_promtool
def test_promtool_accepts_the_clean_set(registry: CollectorRegistry, tmp_path: Path) -> None:
    _register_all(registry, tmp_path, seed=False)
    checked = promtool("check", "metrics", text=text_of(registry))
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


@needs_promtool
def test_promtool_finds_the_four_known_units_in_the_seed_set_and_no_more(
    registry: CollectorRegistry, tmp_path: Path
) -> None:
    _register_all(registry, tmp_path, clean=False)
    checked = promtool("check", "metrics", text=text_of(registry))
    complaints = sorted((checked.stdout + checked.stderr).splitlines())
    said = "metric names should not contain abbreviated units"
    assert complaints == [
        f"mm_md_cache_age_ms {said}",
        f"mm_md_cache_refresh_latency_p95_ms {said}",
        f"mm_md_refresh_latency_ms {said}",
        f"mm_symbol_queue_eta_ms {said}",
    ]


def _register_all(registry: CollectorRegistry, directory: Path, **sets: bool) -> None:
    cache, metrics, collector, scoreboard = exercised(VirtualClock())
    cache.on_book("Y", Snapshot([("99", "1")], [("101", "1")], 10))
    loggers = CalibrationLoggerManager(directory=directory, background=False)
    loggers.log_fill(ts=1735689600.25, symbol="X", side="buy", price=94000.5, qty=0.01, liquidity="maker")
    loggers.close()
    register(
        registry,
        cache=cache,
        stage_metrics=metrics,
        collector=collector,
        scoreboard=scoreboard,
        harness=ABHarness("online", symbols=["X", "Y"]),
        canary=CanaryController(directory / "canary", symbols=["X", "Y"]),
        policy=_violated_policy(),
        smartcache=_read_smartcache(),
        loggers=loggers,
        **sets,
    )


def _violated_policy() -> CacheComplianceMonitor:
    """A monitor that met a balance that was cached, twice."""
    monitor = CacheComplianceMonitor()
    for _ in range(2):
        monitor.monitor_cache_access("wallet", "balance")
    monitor.monitor_cache_access("books", "orderbook")
    return monitor


def _read_smartcache() -> SmartCacheEnhanced:
    """A SmartCache in memory with one compute and two fresh reads."""
    smartcache = SmartCacheEnhanced(policy=CacheComplianceMonitor())

    async def reads() -> None:
        for _ in range(3):
            await smartcache.get_with_intelligence("key", lambda: 7)

    asyncio.run(reads())
    return smartcache


def test_policy_smartcache_and_loggers(registry: CollectorRegistry, tmp_path: Path) -> None:
    _register_all(registry, tmp_path)
    series = parsed(text_of(registry))
    assert value(series, "mm_cache_policy_violations_total", data_type="balance") == 2
    assert value(series, "mm_cache_policy_violations_total", data_type="order") == 0
    strategies = {"bypass": 0, "compute": 1, "serve_fresh": 2, "serve_stale": 0}
    for strategy, count in strategies.items():
        assert value(series, "mm_smartcache_reads_total", strategy=strategy) == count
    assert value(series, "mm_smartcache_connected") == 1
    assert value(series, "mm_smartcache_wait_duration_seconds_bucket", le="+Inf") == 3
    assert value(series, "mm_smartcache_wait_duration_seconds_bucket", le="30.0") == 3
    assert value(series, "mm_feed_lines_accepted_total", feed="fills") == 1
    assert value(series, "mm_feed_lines_written_total", feed="fills") == 1
    assert value(series, "mm_feed_lines_lost_total", feed="fills") == 0
    assert value(series, "mm_feed_lines_dropped_total", feed="fills") == 0


def test_stream_states_and_connection_health(registry: CollectorRegistry) -> None:
    clock = VirtualClock()
    cache = MDCache(MDCacheConfig(enabled=True), None, clock=clock)
    cache.on_book("X", Snapshot([("99", "1")], [("101", "1")], 10), connection="spot")
    cache.on_book("X", Delta([("99", "2")], [], 11), connection="spot")
    register(registry, cache=cache)

    def state() -> str:
        series = parsed(text_of(registry))
        ones = [dict(labels)["state"] for (name, labels), one in series.items() if name == "mm_md_stream_state" and one]
        assert len(ones) == 1
        return ones[0]

    clock.advance_ms(200)
    cache.on_alive("spot")
    clock.advance_ms(50)
    series = parsed(text_of(registry))
    assert state() == "live"
    assert value(series, "mm_md_stream_book_age_seconds", symbol="X") == 0.25
    assert value(series, "mm_md_connection_age_seconds", connection="spot") == 0.05
    assert value(series, "mm_md_cache_age_ms", symbol="X") == 50
    clock.advance_ms(400)
    assert state() == "suspect"
    cache.on_alive("spot")
    assert value(parsed(text_of(registry)), "mm_md_connection_silences_total", connection="spot") == 1
    cache.on_book("X", Delta([], [], 19), connection="spot")
    assert state() == "gap"
    series = parsed(text_of(registry))
    assert value(series, "mm_md_connection_state", connection="spot", state="up") == 1
    assert value(series, "mm_md_connection_gaps_total", connection="spot") == 1
    assert value(parsed(text_of(registry)), "mm_md_cache_invalidate_total", reason="ws_gap") == 1


def test_a_connection_that_was_replaced_by_another_name_vanishes(registry: CollectorRegistry) -> None:
    """It would be silent for ever, and page somebody for ever."""
    cache = MDCache(MDCacheConfig(enabled=True), None, clock=VirtualClock())
    register(registry, cache=cache)
    for number in (1, 2):
        cache.on_book("X", Snapshot([("99", "1")], [("101", "1")], 10), connection=f"socket-{number}")
    cache.on_disconnect("socket-1")
    names = {dict(labels).get("connection") for (name, labels) in parsed(text_of(registry)) if "connection" in name}
    assert names == {"socket-2"}


def test_a_scrape_changes_nothing_of_the_cache(registry: CollectorRegistry) -> None:
    clock = VirtualClock()
    cache = MDCache(MDCacheConfig(enabled=True), None, clock=clock)
    cache.on_book("X", Snapshot([("99", "1")], [("101", "1")], 10), connection="spot")
    register(registry, cache=cache)
    clock.advance_ms(1000)
    entry = cache._entries["X"]
    before = (entry.trust, entry.last_seen, cache.observe()._replace(connections=()))
    text_of(registry)
    assert (entry.trust, entry.last_seen, cache.observe()._replace(connections=())) == before


def test_evicted_symbols_vanish_and_their_reads_stay_in_the_totals(registry: CollectorRegistry) -> None:
    cache, metrics, _, _ = bot(max_symbols=2)
    register(registry, cache=cache, stage_metrics=metrics)

    async def reads() -> None:
        for symbol in ("A", "B", "C"):
            await cache.get_orderbook(symbol, 1)
            await cache.get_orderbook(symbol, 1)
        await cache.close()

    asyncio.run(reads())
    text = text_of(registry)
    assert 'symbol="A"' not in text
    assert 'symbol="C"' in text
    series = parsed(text)
    assert value(series, "mm_md_cache_total_hits") == 3
    assert value(series, "mm_md_cache_evictions_total") == 1


def test_symbols_beyond_the_limit_fold_into_other(registry: CollectorRegistry) -> None:
    collector = FeatureCollector(clock=VirtualClock())
    register(registry, collector=collector, max_symbols=2)
    for number, symbol in enumerate("ABCD", start=1):
        for _ in range(number):
            collector.record_tick(symbol, 10.0)
    series = parsed(text_of(registry))
    ticks = {
        dict(labels)["symbol"]: count for (name, labels), count in series.items() if name == "mm_symbol_ticks_total"
    }
    assert ticks == {"A": 1, "B": 2, "other": 7}
    assert value(series, "mm_symbol_tick_duration_seconds_count", symbol="other") == 7
    assert value(series, "mm_metrics_folded_symbols") == 2
    # A p95 of several symbols is neither their sum nor their largest: it is left out.
    assert value(series, "mm_symbol_latency_p95", symbol="other") is None
    assert value(series, "mm_symbol_latency_p95", symbol="A") == 10


def test_other_never_falls_when_a_folded_symbol_is_forgotten(registry: CollectorRegistry) -> None:
    collector = FeatureCollector(clock=VirtualClock(), max_symbols=3)
    register(registry, collector=collector, max_symbols=1)
    for symbol in ("A", "B", "C"):
        collector.record_tick(symbol, 10.0)
        collector.record_tick(symbol, 10.0)
    assert value(parsed(text_of(registry)), "mm_symbol_ticks_total", symbol="other") == 4
    collector.record_tick("A", 10.0)
    collector.record_tick("D", 10.0)  # B is forgotten
    series = parsed(text_of(registry))
    assert value(series, "mm_symbol_ticks_total", symbol="other") == 5
    assert value(series, "mm_symbol_tick_duration_seconds_count", symbol="other") == 5
    assert value(series, "mm_symbol_ticks_total", symbol="A") == 3


def test_a_second_registration_is_refused(registry: CollectorRegistry) -> None:
    made = register(registry)
    with pytest.raises(ConfigError, match="already has these names"):
        register(registry)
    registry.unregister(made)
    register(registry)


def test_fill_rate_and_slippage_have_one_owner(registry: CollectorRegistry) -> None:
    _, _, collector, scoreboard = exercised(VirtualClock())
    register(registry, collector=collector, scoreboard=scoreboard)
    names = [line.split("{")[0] for line in text_of(registry).splitlines() if not line.startswith("#")]
    assert names.count("mm_symbol_fill_rate") == names.count("mm_symbol_slippage_bps") == 1


def test_the_scoreboard_alone_gives_what_it_knows(registry: CollectorRegistry) -> None:
    _, _, _, scoreboard = exercised(VirtualClock())
    register(registry, scoreboard=scoreboard)
    series = parsed(text_of(registry))
    assert value(series, "mm_symbol_fill_rate", symbol="X") is not None
    assert value(series, "mm_symbol_total_ticks", symbol="X") == 2


def test_a_part_that_is_not_what_it_should_be_is_refused(registry: CollectorRegistry) -> None:
    with pytest.raises(ConfigError, match="register, cache: dict has no attribute observe"):
        register(registry, cache={})
    with pytest.raises(ConfigError, match="str has no attribute stats"):
        register(registry, loggers=["fills"])
    with pytest.raises(ConfigError, match="seed and clean are both False"):
        register(registry, seed=False, clean=False)
    with pytest.raises(ConfigError, match="max_symbols: 0 is out of range"):
        register(registry, max_symbols=0)


def test_a_part_at_fault_hides_no_other_and_is_counted(
    registry: CollectorRegistry, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def get_metrics(self) -> dict[str, Any]:
            raise OSError("the disk is gone")

    collector = FeatureCollector(clock=VirtualClock())
    collector.record_tick("X", 10.0)
    register(registry, collector=collector, smartcache=Broken())
    series = parsed(text_of(registry))
    assert value(series, "mm_symbol_ticks_total", symbol="X") == 1
    assert value(series, "mm_metrics_source_errors_total", source="smartcache") == 1
    assert value(series, "mm_metrics_source_errors_total", source="collector") == 0
    assert "metrics of smartcache cannot be read: OSError: the disk is gone" in caplog.text


def test_a_part_that_fails_once_is_neither_replaced_nor_counted_twice(registry: CollectorRegistry) -> None:
    """Its series are missing for one scrape and then go on; no other part's counts stand in for them."""

    class Flaky(FeatureCollector):
        failing = False

        def snapshot_all(self) -> dict[str, Any]:
            if self.failing:
                raise OSError("not now")
            return super().snapshot_all()

    collector = Flaky(clock=VirtualClock())
    for symbol in "ABC":
        collector.record_tick(symbol, 10.0)
        collector.record_tick(symbol, 10.0)
    register(registry, collector=collector, scoreboard=SymbolScoreboard(FeatureCollector()), max_symbols=1)
    name = "mm_symbol_ticks_total"
    assert value(parsed(text_of(registry)), name, symbol="other") == 4
    collector.failing = True
    assert name not in {series for series, _ in parsed(text_of(registry))}
    collector.failing = False
    series = parsed(text_of(registry))
    assert value(series, name, symbol="A") == 2
    assert value(series, name, symbol="other") == 4


def test_an_experiment_gate_by_gate(registry: CollectorRegistry) -> None:
    clock = VirtualClock(1_735_689_600.0)
    harness = ABHarness("online", symbols=["A", "B"], clock=clock)
    register(registry, harness=harness)
    gates = [gate.name for gate in harness.settings.gates]
    series = parsed(text_of(registry))
    assert {gate: value(series, "mm_ab_gate_violated", gate=gate) for gate in gates} == dict.fromkeys(gates, 0.0)
    assert {gate: value(series, "mm_ab_rollbacks_total", gate=gate) for gate in gates} == dict.fromkeys(gates, 0.0)
    assert value(series, "mm_ab_rolled_back") == 0
    assert value(series, "mm_ab_last_evaluation_timestamp_seconds") is None
    harness.latch.set({"id": f"1735689700.000-{gates[0]}", "gate": gates[0], "ts": 1735689700.0})
    series = parsed(text_of(registry))
    assert value(series, "mm_ab_rolled_back") == 1
    assert value(series, "mm_ab_rollbacks_total", gate=gates[0]) == 1


def test_a_canary_in_shadow_and_rolled_back(registry: CollectorRegistry, tmp_path: Path) -> None:
    canary = CanaryController(tmp_path, symbols=["A"])
    register(registry, canary=canary)
    series = parsed(text_of(registry))
    assert value(series, "mm_canary_step") == -1
    assert value(series, "mm_canary_rolled_back") == 0
    canary.roll_back("by hand", 1_735_689_600.0)
    assert value(parsed(text_of(registry)), "mm_canary_rolled_back") == 1


def test_scrapes_while_the_bot_works_are_never_in_error(registry: CollectorRegistry) -> None:
    """The maps change under the scrape's hands: 20 symbols come and go 4,000 times meanwhile."""
    cache, metrics, collector, scoreboard = bot(max_symbols=5)
    register(registry, cache=cache, stage_metrics=metrics, collector=collector, scoreboard=scoreboard)
    done = threading.Event()

    def scrape() -> None:
        while not done.is_set():
            text_of(registry)

    scraper = threading.Thread(target=scrape)
    scraper.start()

    async def work() -> None:
        for number in range(4_000):
            symbol = f"S{number % 20}"
            await cache.get_orderbook(symbol, 1)
            collector.record_tick(symbol, float(number % 100))
        await cache.close()

    asyncio.run(work())
    done.set()
    scraper.join()
    series = parsed(text_of(registry))
    errors = [count for (name, _), count in series.items() if name == "mm_metrics_source_errors_total"]
    assert errors
    assert not any(errors)


def test_depth_pairs_are_bounded(registry: CollectorRegistry) -> None:
    metrics = StageMetrics()
    register(registry, stage_metrics=metrics)
    for requested in range(2, 400):
        metrics.record_md_cache_depth_miss(requested, 1)
    lines = [line for line in text_of(registry).splitlines() if line.startswith("mm_md_cache_depth_miss_total")]
    assert len(lines) == 257
    assert 'mm_md_cache_depth_miss_total{have="other",requested="other"} 142.0' in lines


def test_what_was_recorded_without_a_symbol_makes_no_series_of_its_own(registry: CollectorRegistry) -> None:
    metrics = StageMetrics()
    metrics.record_md_refresh_latency(12.0)
    register(registry, stage_metrics=metrics)
    text = text_of(registry)
    assert 'symbol=""' not in text
    assert value(parsed(text), "mm_md_refresh_latency_ms_sum") == 12


def test_a_label_with_quotes_and_line_breaks_is_escaped(registry: CollectorRegistry) -> None:
    collector = FeatureCollector(clock=VirtualClock())
    collector.record_tick('A"B\\C\n', 1.0)
    register(registry, collector=collector)
    assert value(parsed(text_of(registry)), "mm_symbol_ticks_total", symbol='A"B\\C\n') == 1
