"""The cache's smaller parts: policy, decorator, shared instance, contexts, targets, back end battery."""

from __future__ import annotations

import asyncio
import enum
import random
import subprocess
import sys
from typing import Any

import pytest

from calib.clock import VirtualClock
from calib.errors import BadCacheKey, BadContext, ConfigError, ProhibitedCacheError
from calib.policy import CacheComplianceMonitor, Unmonitored
from calib.smartcache import (
    TARGETS,
    SmartCacheEnhanced,
    SmartCacheSettings,
    get_smart_cache,
    read_context,
    reset_smart_cache,
)
from calib.smartcache.counters import BOUNDS_MS, ReadCounters, bucket_quantile
from calib.smartcache.targets import figure, missed
from tests.smartcache.caches import Counting, get, in_virtual_time, make

# --- policy


@pytest.mark.parametrize("data_type", ["balance", "order", "position", "trade", "unheard_of"])
def test_a_prohibited_type_is_refused_before_anything_is_made(data_type: str) -> None:
    monitor = CacheComplianceMonitor()
    with pytest.raises(ProhibitedCacheError):
        SmartCacheEnhanced(data_type=data_type, policy=monitor)
    assert sum(monitor.violations.values()) == 1


def test_the_default_monitor_refuses_too() -> None:
    with pytest.raises(ProhibitedCacheError, match="balance may not be cached"):
        SmartCacheEnhanced(data_type="balance")


def test_the_monitor_reads_the_counters_and_can_switch_the_cache_off() -> None:
    monitor = CacheComplianceMonitor()

    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting()
        for _ in range(4):
            await get(cache, compute)
        [report] = monitor.report()
        assert (report.counts.hits, report.counts.misses) == (3, 1)
        assert monitor.disable_component("curves", "test") == 1
        assert cache.health()["status"] == "disabled"
        assert (await get(cache, compute))[0] == "v2"
        cache.enabled = True
        assert (await get(cache, compute))[0] == "v3", "what was held when it was switched off is gone"

    in_virtual_time(body, policy=monitor, owner="curves")


def test_a_limited_type_is_never_served_past_its_limit() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        compute = Counting()
        _, meta = await get(cache, compute)
        assert meta["ttl"] == 900.0  # trading_rules: 1800 s, stale serves included
        clock.advance_ms(1_799_999)
        assert (await get(cache, compute))[1]["strategy"] == "serve_stale"
        clock.advance_ms(1)
        assert (await get(cache, compute, "other"))[1]["strategy"] == "compute"

    in_virtual_time(body, data_type="trading_rules")


def test_unmonitored_takes_anything_and_says_why() -> None:
    cache = SmartCacheEnhanced(data_type="balance", policy=Unmonitored(reason="a test"))
    assert cache.enabled


# --- decorator


class Side(enum.Enum):
    BUY = 1


def test_the_decorator_caches_by_arguments_however_they_are_written() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        calls: list[tuple[Any, ...]] = []

        @cache.cached()
        async def curve(symbol: str, depth: Any = 5, *, side: Side = Side.BUY) -> int:
            calls.append((symbol, depth, side))
            return len(calls)

        assert await curve("BTC") == await curve(symbol="BTC") == await curve("BTC", 5, side=Side.BUY) == 1
        distinct = [1, 1.0, True, "1", None, "None", "", (1, 2), "(1,2)", {"a": 1}, "{a=1}", "a,b", ["a", "b"]]
        values = [await curve("BTC", depth) for depth in distinct]
        assert len(set(values)) == len(distinct), "no two of these are the same key"
        assert await cache.invalidate(curve.key_for("BTC")) is True
        assert await curve("BTC") == len(calls)

    in_virtual_time(body)


def test_a_template_and_a_function_as_key() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        @cache.cached("curve:{symbol}", context=lambda symbol: {"ttl_s": 7})
        def curve(symbol: str) -> str:
            return symbol.lower()

        assert await curve("BTC:USD") == "btc:usd"
        assert curve.key_for("BTC:USD") == "monps:prod:v1:curve:BTC%3AUSD"
        _, meta = await get(cache, Counting(), curve.key_for("BTC:USD"))
        assert meta["ttl"] == 7.0

        @cache.cached(lambda thing: f"thing:{thing['id']}")
        async def of(thing: dict[str, int]) -> int:
            return thing["id"]

        assert await of({"id": 3}) == 3

    in_virtual_time(body)


def test_an_argument_type_that_a_key_cannot_represent_is_refused() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        @cache.cached()
        async def curve(model: object) -> int:
            return 1

        with pytest.raises(BadCacheKey, match="the argument model has type object, which a key cannot represent"):
            await curve(object())

    in_virtual_time(body)


@pytest.mark.parametrize("key", ["", "x" * 1025, None, 5])
def test_what_is_not_a_key(key: Any) -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        with pytest.raises(BadCacheKey, match="not a valid cache key"):
            await get(cache, Counting(), key)

    in_virtual_time(body)


# --- shared instance


def test_one_cache_a_process_and_a_child_has_its_own() -> None:
    program = (
        "import os\n"
        "from calib.smartcache import get_smart_cache\n"
        "first = get_smart_cache()\n"
        "assert get_smart_cache() is first\n"
        "child = os.fork()\n"
        "if child == 0:\n    os._exit(0 if get_smart_cache() is not first else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_options_that_differ_are_an_error_without_the_password() -> None:
    reset_smart_cache()
    try:
        get_smart_cache("redis://u:pass-word@127.0.0.1:1/0")
        with pytest.raises(ConfigError, match="other arguments") as error:
            get_smart_cache("redis://u:pass-word@127.0.0.1:2/0")
        assert "pass-word" not in str(error.value)
    finally:
        reset_smart_cache()


# --- contexts


@pytest.mark.parametrize(
    ("context", "words"),
    [
        ({"kickoff_time": 1, "event_time": 2}, "kickoff_time is an alias of event_time, and their values differ"),
        ({"lineup_confirmed": "yes"}, "confirmed: 'yes' is not a bool"),
        ({"ttl_s": 0}, "ttl_s: 0 is not a number above 0"),
        ({"match_key": 5}, "match_key: 5 is not a non-empty string"),
        ({"market_keys": "abc"}, "not a list of names"),
        ({"current_odds": 2.0}, "a single quote without a market"),
        ([1], "not a mapping"),
    ],
)
def test_a_broken_context_says_what_is_wrong(context: Any, words: str) -> None:
    with pytest.raises(BadContext, match=words):
        read_context(context)


def test_aliases_mean_the_same() -> None:
    design = {"kickoff_time": 5, "lineup_confirmed": True, "current_odds": {"m": 2}, "match_key": "a"}
    neutral = {"event_time": 5, "confirmed": True, "current_values": {"m": 2}, "event_key": "a"}
    assert read_context(design) == read_context(neutral)
    assert read_context({}) == read_context(None)


# --- counters and targets


def test_quantiles_of_buckets_against_the_numbers_themselves() -> None:
    rng = random.Random(1)
    values = sorted(rng.lognormvariate(2, 1) for _ in range(5000))
    reads = ReadCounters()
    for value in values:
        reads.served("serve_fresh", round(value * 1e6))
    found = reads.caller_wait_ms()["p95"]
    exact = values[4750]
    bucket = next(number for number, bound in enumerate(BOUNDS_MS) if bound >= exact)
    assert BOUNDS_MS[bucket - 1] <= (found or 0.0) <= BOUNDS_MS[bucket]
    assert bucket_quantile([0] * len(BOUNDS_MS) + [5], 0.5) == BOUNDS_MS[-1]


def test_rates_of_nothing_are_none_and_miss_no_target() -> None:
    metrics = make().get_metrics()
    assert set(metrics["rates_pct"].values()) == {None}
    assert metrics["caller_wait_ms"] == {"p50": None, "p95": None, "p99": None}
    assert missed(metrics) == []


def test_every_target_leads_to_a_figure() -> None:
    async def body(cache: SmartCacheEnhanced, clock: VirtualClock) -> None:
        await get(cache, Counting())
        metrics = cache.get_metrics()
        assert all(figure(metrics, target.path) is not None for target in TARGETS)
        assert {target.name for target in missed(metrics)} == {"fresh", "hit", "stale", "compute"}
        cache.disable_cache("test")
        assert "enabled" in {target.name for target in missed(cache.get_metrics())}

    in_virtual_time(body)


def test_the_targets_are_the_designs() -> None:
    table: dict[str, tuple[float | None, float | None]] = {one.name: (one.low, one.high) for one in TARGETS[:6]}
    assert table == {
        "fresh": (90, None),
        "hit": (95, None),
        "caller_p95": (None, 100),
        "stale": (5, 10),
        "compute": (3, 5),
        "bypass": (None, 2),
    }


# --- settings


@pytest.mark.parametrize(
    "options",
    [{"beta": -1}, {"local_ttl_s": 1.1}, {"env": "a:b"}, {"version": ""}, {"max_entries": 0}, {"lease_s": "1"},
     {"backoff_s": 61.0}, {"breaker_open_s": 31.0}],
)  # fmt: skip
def test_a_setting_out_of_range_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SmartCacheSettings(**options)


def test_redis_without_redis_py_says_how_to_install_it() -> None:
    program = (
        "import sys\nsys.modules['redis'] = None\n"
        "from calib import SmartCacheEnhanced\nSmartCacheEnhanced()\n"
        "try:\n    SmartCacheEnhanced('redis://h')\n"
        "except Exception as error:\n    print(error.name, error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.startswith("missing-extra SmartCache on Redis needs redis-py. Install calib with its extra")


def test_importing_the_cache_loads_neither_redis_nor_a_tools_library() -> None:
    program = (
        "import sys\nfrom calib import SmartCacheEnhanced\nSmartCacheEnhanced()\n"
        "print([name for name in ('redis', 'polars', 'numpy', 'typer', 'rich', 'jinja2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_a_sync_compute_with_many_callers_of_different_keys_runs_in_any_loop() -> None:
    async def main() -> list[Any]:
        async with make() as cache:
            return list(await asyncio.gather(*(get(cache, lambda key: key, f"k{number % 7}") for number in range(50))))

    assert {value for value, _ in asyncio.run(main())} == {f"k{number}" for number in range(7)}
