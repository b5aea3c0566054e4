"""The pipeline: the market read through, beside and around the cache; timing; decisions; the record of a tick."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from calib.clock import VirtualClock
from calib.errors import ConfigError
from calib.feeds.schema.table import PIPELINE_TICKS, Presence, Type
from calib.market import Snapshot
from calib.pipeline import (
    Decision,
    FetchMDStage,
    MarketData,
    Pipeline,
    QuoteContext,
    QuoteStage,
    StageMetrics,
    StalePricingStage,
)
from calib.virtual_loop import run
from tests.market.cache.cache_venue import Bench


class Stage:
    """Takes so many ms and sends so many quotes."""

    def __init__(self, name: str, ms: float, quotes: int | None = None) -> None:
        self.name, self.ms, self.quotes = name, ms, quotes

    async def run(self, context: QuoteContext) -> QuoteContext:
        await asyncio.sleep(self.ms / 1000)
        return context if self.quotes is None else context.with_quotes(self.quotes)


def build(bench: Bench, metrics: StageMetrics, **options: Any) -> Pipeline:
    fetch = FetchMDStage(bench.cache, bench.venue.fetch, metrics=metrics, clock=bench.clock)
    stages: list[QuoteStage] = [fetch, StalePricingStage(widen_ratio=2.0), Stage("quote", 5, quotes=2)]
    return Pipeline(stages, metrics=metrics, clock=bench.clock, **options)


def test_a_disabled_cache_is_a_direct_fetch_and_the_market_data_are_the_same() -> None:
    async def fetch_with(enabled: bool) -> MarketData | None:
        bench = Bench(enabled=enabled)
        stage = FetchMDStage(bench.cache, bench.venue.fetch, clock=bench.clock)
        task = stage.run(QuoteContext("X", depth=5))
        return (await task).market_data

    def through(enabled: bool) -> MarketData | None:
        return run(fetch_with(enabled))

    data = through(False)
    assert data is not None
    assert data.bids == ((100.0, 1.0), (99.5, 2.0), (99.0, 3.0), (98.5, 4.0), (98.0, 5.0))
    assert data.asks == ((101.0, 1.0), (101.5, 2.0), (102.0, 3.0), (102.5, 4.0), (103.0, 5.0))
    assert (data.symbol, data.update_id, data.depth) == ("X", 1, 5)
    assert through(True) == data


def test_a_disabled_caches_fetch_error_is_the_bots_own() -> None:
    async def test(bench: Bench) -> None:
        bench.venue.failing = True
        metrics = StageMetrics()
        with pytest.raises(ConnectionError, match="down"):
            await build(bench, metrics).run(QuoteContext("X"))
        assert metrics.summary()["stage_errors"] == {"fetch_md": 1}
        assert metrics.ticks == 0

    Bench(enabled=False).run(test)


def test_the_use_case_comes_from_the_context_and_the_streams_id_goes_along() -> None:
    async def test(bench: Bench) -> None:
        stage = FetchMDStage(bench.cache, bench.venue.fetch, clock=bench.clock)
        await stage.run(QuoteContext("X", depth=5))
        await bench.sleep_ms(35)  # 55 ms old: fresh for pricing, not for guards
        pricing = await stage.run(QuoteContext("X", depth=5))
        guard = await stage.run(QuoteContext("X", depth=5, guard=True))
        gap = await stage.run(QuoteContext("X", depth=5, expected_update_id=9))
        assert pricing.meta is not None
        assert guard.meta is not None
        assert gap.meta is not None
        assert (pricing.meta.status, guard.meta.status) == ("fresh", "miss")
        assert (gap.meta.sequence_gap, gap.meta.status, gap.market_data) == (True, "unavailable", None)

    Bench().run(test)


def test_stale_pricing_widens_and_no_book_skips_the_rest() -> None:
    async def test(bench: Bench) -> None:
        metrics = StageMetrics()
        pipeline = build(bench, metrics)
        first = await pipeline.run(QuoteContext("X"))
        assert (first.context.decision, first.context.widen_ratio) == (Decision.QUOTE, 1.0)
        await bench.sleep_ms(80)
        second = await pipeline.run(QuoteContext("X"))
        assert (second.context.decision, second.context.widen_ratio) == (Decision.WIDEN, 2.0)
        assert second.record["used_stale"] is True
        bench.venue.failing = True
        bench.cache.invalidate("X")
        third = await pipeline.run(QuoteContext("X"))
        assert third.context.decision is Decision.SKIP
        assert list(third.record["stage_latencies"]) == ["fetch_md", "stale_pricing"]
        assert (third.record["n_quotes"], third.record["status"], third.record["mid"]) == (0, "unavailable", None)

    Bench().run(test)


def test_skip_pricing_on_stale_skips_the_tick() -> None:
    async def test(bench: Bench) -> None:
        pipeline = build(bench, StageMetrics())
        await pipeline.run(QuoteContext("X"))
        await bench.sleep_ms(80)
        tick = await pipeline.run(QuoteContext("X"))
        assert (tick.context.decision, tick.record["status"]) == (Decision.SKIP, "withheld")
        await bench.sleep_ms(30)

    Bench(skip_pricing_on_stale=True).run(test)


def test_shadow_uses_the_direct_fetch_and_records_the_caches_own_answer() -> None:
    """Direct 20 ms, fresh from the stream: the cache would have taken 0 ms, with a book 3 ms old and 9.95 bps off.

    Direct mid (100 + 101) / 2 = 100.5; the stream's (100.1 + 101.1) / 2 = 100.6: 0.1 / 100.5 = 9.9502 bps.
    """

    async def test(bench: Bench) -> None:
        metrics = StageMetrics()
        pipeline = build(bench, metrics)
        bench.cache.on_book("X", Snapshot([("100.1", "1")], [("101.1", "1")], 77))
        await bench.sleep_ms(3)
        tick = await pipeline.run(QuoteContext("X", depth=5))
        record, shadow = tick.record, tick.context.shadow
        assert shadow is not None
        assert (record["mid"], record["update_id"]) == (100.5, 1)  # the direct one was used
        assert (record["cache_hit"], record["cache_age_ms"], record["status"]) == (True, 3.0, "fresh")
        assert (record["fetch_md_cache_ms"], record["stage_latencies"]["fetch_md"]) == (0.0, 20.0)
        assert shadow.mid_error_bps == pytest.approx(0.1 / 100.5 * 1e4)
        assert shadow.same_top is False
        assert tick.context.decision is Decision.QUOTE
        assert metrics.summary()["shadow"]["reads"] == metrics.summary()["shadow"]["disagreements"] == 1

    Bench(mode="shadow").run(test)


def test_a_shadow_that_makes_no_sense_or_fails_does_not_touch_the_tick() -> None:
    async def test(bench: Bench) -> None:
        pipeline = build(bench, StageMetrics())
        tick = await pipeline.run(QuoteContext("X", depth=60))  # deeper than the cache allows
        assert tick.context.market_data is not None
        assert tick.record["cache_hit"] is False
        bench.venue.failing = True
        with pytest.raises(ConnectionError):
            await pipeline.run(QuoteContext("X", depth=5))
        await bench.sleep_ms(50)

    Bench(mode="shadow").run(test)


def test_stages_are_timed_and_a_late_tick_is_a_deadline_miss() -> None:
    async def test(bench: Bench) -> None:
        metrics = StageMetrics()
        pipeline = build(bench, metrics, deadline_ms=24.9)
        bench.clock.step_wall(-3600)
        late = await pipeline.run(QuoteContext("X"))
        assert late.record["stage_latencies"] == {"fetch_md": 20.0, "stale_pricing": 0.0, "quote": 5.0}
        assert (late.record["tick_total_ms"], late.record["deadline_miss"]) == (25.0, True)
        in_time = await pipeline.run(QuoteContext("X"))
        assert (in_time.record["tick_total_ms"], in_time.record["deadline_miss"]) == (5.0, False)
        # two runs of fetch_md, 20 and 0 ms: p95 = 0 + 0.95 * 20
        assert in_time.record["stage_p95_ms"]["fetch_md"] == pytest.approx(19.0)
        assert (metrics.ticks, metrics.deadline_misses) == (2, 1)
        assert metrics.stage_latencies()["fetch_md"]["p50"] == pytest.approx(10.0)

    Bench().run(test)


def test_a_tick_at_its_deadline_is_in_time() -> None:
    async def test(bench: Bench) -> None:
        tick = await build(bench, StageMetrics(), deadline_ms=25).run(QuoteContext("X"))
        assert tick.record["deadline_miss"] is False

    Bench().run(test)


@pytest.mark.parametrize("settings", [{}, {"enabled": False}, {"mode": "shadow"}])
def test_the_record_is_a_line_of_the_pipeline_ticks_feed(settings: dict[str, Any]) -> None:
    """Every key is a field of the schema, every required one is there, types as the schema has them."""

    async def test(bench: Bench) -> None:
        tick = await build(bench, StageMetrics()).run(QuoteContext("X", ws_gap_ms=12.5, bucket="B"))
        fields = {field.name: field for field in PIPELINE_TICKS.fields}
        assert set(tick.record) <= set(fields)
        kinds: dict[Type, tuple[type, ...]] = {
            Type.STRING: (str,),
            Type.NUMBER: (int, float),
            Type.INTEGER: (int,),
            Type.BOOLEAN: (bool,),
            Type.STAGES: (dict,),
        }
        for name, field in fields.items():
            value = tick.record.get(name)
            if value is None:
                assert field.presence is not Presence.REQUIRED, name
            else:
                assert type(value) in kinds[field.type], name
        assert tick.record["ts"] == 1_735_689_600.0  # the tick's start
        assert json.loads(json.dumps(tick.record)) == tick.record
        assert (tick.record["ws_gap_ms"], tick.record["bucket"], tick.record["n_quotes"]) == (12.5, "B", 2)

    Bench(**settings).run(test)


def test_hits_and_misses_are_recorded_once_by_the_cache_alone() -> None:
    """One miss, then three hits; nobody counts them a second time."""
    metrics = StageMetrics()

    async def test(bench: Bench) -> None:
        pipeline = build(bench, metrics)
        for _ in range(4):
            await pipeline.run(QuoteContext("X"))
        assert (metrics.hits, metrics.misses, metrics.get_md_cache_hit_ratio("X")) == (3, 1, 0.75)
        assert bench.cache.get_hit_ratio("X") == 0.75
        symbol = metrics.summary()["md_cache"]["symbols"]["X"]
        assert symbol["refresh_ms"]["p50"] == 20.0
        assert symbol["age_ms"]["p50"] == 27.5  # 20, 25, 30 and 35 ms when served

    Bench(metrics=metrics).run(test)


def test_what_the_cache_records_arrives_with_its_reasons() -> None:
    metrics = StageMetrics()

    async def test(bench: Bench) -> None:
        await bench.cache.get_orderbook("X", 5)
        await bench.cache.get_orderbook("X", 10)
        await bench.sleep_ms(60)
        await bench.cache.get_orderbook("X", 10, use_case="pricing")
        await bench.sleep_ms(30)
        await bench.cache.get_orderbook("X", 10, expected_update_id=90)
        found = metrics.summary()["md_cache"]
        assert found["depth_misses"] == {"10:5": 1}
        assert found["pricing_on_stale"] == {"pricing_threshold": 1}
        assert found["invalidations"] == {"ws_gap": 1}

    Bench(metrics=metrics).run(test)


def test_stage_metrics_are_bounded() -> None:
    metrics = StageMetrics(window=10, max_symbols=5)
    for n in range(1000):
        metrics.record_stage(f"stage {n}", 1.0)
        metrics.record_md_cache_hit(f"symbol {n}")
        metrics.record_md_cache_age("x", n)
        metrics.record_pricing_on_stale(f"reason {n}")
        metrics.record_md_cache_invalidation(f"reason {n}")
    summary = metrics.summary()
    assert len(summary["stages_ms"]) <= 257
    assert len(summary["md_cache"]["symbols"]) == 5
    assert summary["md_cache"]["hits"] == 1000
    assert sum(summary["md_cache"]["invalidations"].values()) == 1000
    assert len(summary["md_cache"]["pricing_on_stale"]) <= 257
    assert summary["md_cache"]["symbols"]["x"]["age_ms"]["p50"] == 994.5  # of 990..999


def test_a_context_never_changes() -> None:
    values = {"edge": 1}
    context = QuoteContext("X", values=values)
    values["edge"] = 2
    market = MarketData("X", ((99.0, 1.0),), ((101.0, 1.0),), 7, 1)
    other = context.with_market_data(market).with_value("more", 3).with_quotes(2).with_decision(Decision.WIDEN, 1.5)
    assert (context.market_data, dict(context.values), context.n_quotes) == (None, {"edge": 1}, None)
    assert (other.market_data, dict(other.values), other.n_quotes, other.widen_ratio) == (
        market, {"edge": 1, "more": 3}, 2, 1.5
    )  # fmt: skip
    assert context == QuoteContext("X", values={"edge": 1})
    assert hash(context) == hash(QuoteContext("X", values={"edge": 1}))
    with pytest.raises(AttributeError, match="immutable"):
        context.symbol = "Y"  # type: ignore[misc]
    with pytest.raises(TypeError):
        context.values["edge"] = 5  # type: ignore[index]


def test_stages_are_told_by_their_protocol_and_must_have_names_of_their_own() -> None:
    bench = Bench()
    fetch = FetchMDStage(bench.cache, bench.venue.fetch)
    assert isinstance(fetch, QuoteStage)
    assert isinstance(StalePricingStage(), QuoteStage)
    with pytest.raises(ConfigError, match="stage names are not unique"):
        Pipeline([fetch, fetch])
    with pytest.raises(ConfigError, match="deadline_ms"):
        Pipeline([fetch], deadline_ms=0)
    with pytest.raises(ConfigError, match="widen_ratio"):
        StalePricingStage(0.5)


def test_the_machines_clock_is_the_default() -> None:
    tick = asyncio.run(Pipeline([Stage("quote", 0)]).run(QuoteContext("X")))
    assert abs(tick.record["ts"] - time.time()) < 60
    assert VirtualClock().time() == 0.0
