"""The eleven integration cases of the design, by name, on every back end."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from calib.smartcache import (
    EventType,
    SmartCacheEnhanced,
    TagManager,
    VIXCalculator,
    get_smart_cache,
    reset_smart_cache,
)
from tests.smartcache.caches import Counting, get, make
from tests.smartcache.servers import running

Make = Callable[[], SmartCacheEnhanced]


@pytest.fixture(params=["memory", "redis", "two_level"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes a cache; within a test all share what is behind."""
    if request.param == "memory":
        yield make
        return
    local_ttl_s = 1.0 if request.param == "two_level" else 0.0
    with running(request.getfixturevalue("any_executable"), tmp_path) as server:
        yield lambda: make(server.url, local_ttl_s=local_ttl_s)


def kickoff(minutes: float) -> dt.datetime:
    return dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)


def test_cache_miss_compute(fresh: Make) -> None:
    async def main() -> None:
        compute = Counting()
        async with fresh() as cache:
            value, meta = await get(cache, compute)
        assert (value, compute.calls) == ("v1", 1)
        assert (meta["strategy"], meta["source"], meta["zone"]) == ("compute", "compute", "standard")

    asyncio.run(main())


def test_cache_hit_fresh(fresh: Make) -> None:
    async def main() -> None:
        compute = Counting()
        async with fresh() as cache:
            await get(cache, compute)
            value, meta = await get(cache, compute)
        assert (value, compute.calls) == ("v1", 1)
        assert (meta["strategy"], meta["ttl"]) == ("serve_fresh", 21600.0)
        assert 0 <= meta["age"] < 5

    asyncio.run(main())


def test_vix_panic_bypass(fresh: Make) -> None:
    async def main() -> None:
        compute = Counting()
        async with fresh() as cache:
            for _ in range(10):
                assert cache.update_vix_snapshot("over_under_2_5", 2.0) == "normal"
            await get(cache, compute)
            context = {"market_key": "over_under_2_5", "current_odds": {"over_under_2_5": 4.0}}
            first = await get(cache, compute, match_context=context)
            second = await get(cache, compute, match_context=context)
        assert compute.calls == 3
        assert [meta["strategy"] for _, meta in (first, second)] == ["bypass", "bypass"]
        assert first[1]["vix_status"] == "panic"

    asyncio.run(main())


def test_surgical_invalidation(fresh: Make) -> None:
    async def main() -> None:
        async with fresh() as cache:
            markets = cache.tags.markets
            for match in ("ARS-CHE", "LIV-MUN"):
                for market in markets:
                    await get(cache, lambda: 1, cache.keys.make(match, market))
            result = await cache.invalidate_by_event(EventType.WEATHER_RAIN, "ARS-CHE")
            gone = set()
            for match in ("ARS-CHE", "LIV-MUN"):
                for market in markets:
                    _, meta = await get(cache, lambda: 2, cache.keys.make(match, market))
                    if meta["strategy"] == "compute":
                        gone.add((match, market))
        assert gone == {("ARS-CHE", market) for market in result["affected_markets"]}
        assert len(gone) == result["invalidated_keys"] == 39
        assert result["cpu_saving_pct"] == pytest.approx(100 * 60 / 99)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("minutes", "zone", "ttl"),
    [
        (14, "warmup", 30),
        (59, "golden", 60),
        (359, "active", 900),
        (1439, "prematch", 3600),
        (1441, "standard", 21600),
    ],
)
def test_golden_hour_zones(fresh: Make, minutes: float, zone: str, ttl: float) -> None:
    async def main() -> None:
        async with fresh() as cache:
            _, meta = await get(cache, Counting(), match_context={"kickoff_time": kickoff(minutes)})
        assert (meta["zone"], meta["ttl"]) == (zone, ttl)

    asyncio.run(main())


def test_lineup_bonus(fresh: Make) -> None:
    async def main() -> None:
        context = {"kickoff_time": kickoff(50), "lineup_confirmed": True}
        neutral = {"event_time": kickoff(50), "confirmed": True}
        async with fresh() as cache:
            _, meta = await get(cache, Counting(), "a", match_context=context)
            _, same = await get(cache, Counting(), "b", match_context=neutral)
        assert (meta["zone"], meta["ttl"]) == (same["zone"], same["ttl"]) == ("golden", 120.0)

    asyncio.run(main())


def test_metrics_tracking(fresh: Make) -> None:
    async def main() -> None:
        async with fresh() as cache:
            before = cache.get_metrics()
            for _ in range(4):
                await get(cache, Counting())
            metrics = cache.get_metrics()
        assert before["swr_metrics"]["stale_serve_rate_pct"] is None
        assert metrics["strategy_distribution"] == {"bypass": 0, "compute": 1, "serve_fresh": 3, "serve_stale": 0}
        assert metrics["swr_metrics"] == {"fresh_served": 3, "stale_served": 0, "stale_serve_rate_pct": 0.0}
        assert metrics["enabled"] is True
        assert metrics["base_cache_connected"] is True
        assert metrics["rates_pct"]["hit"] == 75.0

    asyncio.run(main())


def test_force_refresh(fresh: Make) -> None:
    async def main() -> None:
        compute = Counting()
        async with fresh() as cache:
            await get(cache, compute)
            value, meta = await get(cache, compute, force_refresh=True)
            after, _ = await get(cache, compute)
        assert (value, after, compute.calls) == ("v2", "v2", 2)
        assert (meta["strategy"], meta["reason"]) == ("compute", "forced")

    asyncio.run(main())


def test_singleton() -> None:
    reset_smart_cache()
    try:
        assert get_smart_cache() is get_smart_cache()
        with pytest.raises(ValueError, match="other arguments"):
            get_smart_cache(enabled=False)
    finally:
        reset_smart_cache()


def test_tag_manager() -> None:
    football = TagManager("football")
    counts = {str(event): len(football.get_affected_markets(event)) for event in football.events}
    assert len(football.markets) == 99
    assert counts["WEATHER_RAIN"] == 39
    assert counts["GK_CHANGE"] == 28
    assert counts["LINEUP_CONFIRMED"] == 70
    assert counts["REFEREE_ASSIGNED"] == 21


def test_vix_calculator() -> None:
    vix = VIXCalculator()
    for value in (2.0, 2.1, 1.9, 2.0, 2.05):
        assert vix.update("m", value).status == "normal"
    assert vix.update("m", 4.1).status == "panic"
    stats = vix.get_market_history_stats("m")
    assert (stats["samples"], stats["last"], stats["status"]) == (6, 4.1, "panic")
    assert vix.get_market_history_stats("unknown")["samples"] == 0
