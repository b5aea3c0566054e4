"""z-scores of quotes: by hand, against a second computation, and the table from which the sigma floor was chosen."""

from __future__ import annotations

import math
import random
import statistics
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.clock import VirtualClock
from calib.errors import BadObservation, ConfigError
from calib.smartcache import VIXCalculator, VIXConfig
from tests.smartcache.quotes import MARKETS, Market, floor_table, rates, walk

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "smart-cache.md"


def calculator(**settings: Any) -> tuple[VIXCalculator, VirtualClock]:
    clock = VirtualClock()
    return VIXCalculator(VIXConfig(**settings), clock=clock), clock


def test_z_by_hand() -> None:
    vix, _ = calculator(sigma_floor_ratio=0.0)
    for value in (2, 4, 4, 4, 5, 5, 7, 9):  # mean 5, population sd 2
        vix.update("m", value)
    assert vix.judge("m", 9).z == 2.0
    assert vix.judge("m", 2).z == 1.5
    assert [vix.judge("m", value).status.value for value in (9, 8.99, 8, 7.99)] == [
        "panic", "warning", "warning", "normal",
    ]  # fmt: skip


def test_the_floor_by_hand() -> None:
    vix, _ = calculator()  # sigma is at least a quarter of the level
    for _ in range(4):
        vix.update("m", 100)
    assert vix.judge("m", 150).z == 2.0
    assert vix.judge("m", 50).z == 2.0
    assert vix.judge("m", 137.5).status == "warning"


def test_a_jump_is_seen_where_a_long_walk_has_made_sigma_large() -> None:
    vix, _ = calculator()
    for value in (20, 40, 60, 80, 100, 60, 30):
        vix.update("m", value)
    mean_and_sd = statistics.mean((20, 40, 60, 80, 100, 60, 30)), statistics.pstdev((20, 40, 60, 80, 100, 60, 30))
    assert (60 - mean_and_sd[0]) / mean_and_sd[1] < 0.3
    assert vix.judge("m", 60).z == 4.0  # twice the last quote of 30


def test_fewer_than_four_samples_are_normal() -> None:
    vix, _ = calculator()
    for value in (1, 100, 1):
        assert vix.update("m", value).status == "normal"
    assert vix.update("m", 1000).status == "normal"
    assert vix.update("m", 1000).status != "normal"


def test_the_window_slides() -> None:
    vix, clock = calculator()
    for _ in range(10):
        vix.update("m", 100)
        clock.advance_ms(60_000)
    clock.advance_ms(1_800_000 - 600_000)
    assert vix.get_market_history_stats("m")["samples"] == 10
    clock.advance_ms(60_001)
    assert vix.get_market_history_stats("m")["samples"] == 8
    clock.advance_ms(600_000)
    assert vix.get_market_history_stats("m") == {
        "samples": 0, "mean": None, "sd": None, "last": None, "z": None, "status": "normal", "window_s": 1800.0,
    }  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(1e-3, 1e9), st.sampled_from([0.0, 1.0, 60.0, 900.0, 1801.0])), min_size=1, max_size=60)
)
def test_running_sums_are_the_sums(quotes: list[tuple[float, float]]) -> None:
    vix, clock = calculator(max_samples=20)
    kept: list[tuple[int, float]] = []
    for value, pause_s in quotes:
        clock.advance_ms(pause_s * 1000)
        now_ns = clock.monotonic_ns()
        vix.update("m", value)
        kept = [*[pair for pair in kept if pair[0] >= now_ns - 1800 * 10**9][-19:], (now_ns, value)]
        stats = vix.get_market_history_stats("m")
        values = [pair[1] for pair in kept]
        assert stats["samples"] == len(values)
        assert stats["mean"] == pytest.approx(math.fsum(values) / len(values), rel=1e-9)
        assert stats["sd"] == pytest.approx(statistics.pstdev(values), rel=1e-6, abs=1e-7 * max(values))


def test_sums_do_not_drift_over_a_long_time() -> None:
    vix, clock = calculator(max_samples=100)
    rng = random.Random(1)
    values = [1e9 + rng.random() for _ in range(20_000)]
    for value in values:
        clock.advance_ms(1000)
        vix.update("m", value)
    stats = vix.get_market_history_stats("m")
    assert stats["sd"] == pytest.approx(statistics.pstdev(values[-100:]), rel=1e-6)


def test_a_quote_that_is_read_again_is_not_a_new_quote() -> None:
    vix, clock = calculator()
    for _ in range(10):
        vix.update("m", 100)
    assert vix.observe("m", 200).status == "panic"
    for _ in range(50):
        clock.advance_ms(10)
        assert vix.observe("m", 200).status == "panic", "it does not calm down by being read"
    assert vix.get_market_history_stats("m")["samples"] == 11
    clock.advance_ms(501)
    vix.observe("m", 200)
    assert vix.get_market_history_stats("m")["samples"] == 12


def test_memory_is_bounded() -> None:
    vix, _ = calculator(max_markets=3, max_samples=5)
    for market in "abcd":
        for _ in range(9):
            vix.update(market, 1)
    assert vix.markets == 3
    assert vix.get_market_history_stats("d")["samples"] == 5
    assert vix.get_market_history_stats("a")["samples"] == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "2.0", None, True])
def test_what_is_not_a_quote_is_refused(value: float) -> None:
    vix, _ = calculator()
    with pytest.raises(BadObservation, match="not a finite number"):
        vix.update("m", value)
    assert vix.markets == 0


def test_a_threshold_out_of_range_is_refused() -> None:
    vix, _ = calculator()
    with pytest.raises(ConfigError, match="Allowed: 0 to 1000"):
        vix.config.panic_threshold_sigma = float("nan")
    with pytest.raises(ConfigError, match="no setting 'panic'"):
        vix.config.panic = 2.0
    assert vix.config.panic_threshold_sigma == 2.0


@pytest.mark.parametrize("market", MARKETS, ids=lambda market: market.name)
def test_the_default_floor_on_harmless_markets(market: Market) -> None:
    """Below 2 % of the reads of a harmless market are a panic, and at least 99 % of doublings are seen at once."""
    default = VIXConfig().sigma_floor_ratio
    found = rates(market, [default])[default]
    assert found.false_panic_pct < 2.0
    assert found.doubling_pct >= 99.0


def test_the_plain_rule_without_a_floor_panics_at_a_walk() -> None:
    """Why there is a floor: the walk of one tick is in panic for about a sixth of its reads."""
    walk = next(market for market in MARKETS if market.name == "walk, tick 1 %, a read each 10 s")
    assert 12 < rates(walk, [0.0])[0.0].false_panic_pct < 21


def test_a_walk_of_huge_ticks_is_what_the_default_does_not_cover() -> None:
    wild = Market("walk, tick 5 %, a read each 10 s", 10, walk(2.0, 0.1, 3000))
    found = rates(wild, [0.25])[0.25]
    assert found.false_panic_pct > 2.0
    assert found.doubling_pct == 100.0


def test_the_published_table_is_what_the_simulation_gives() -> None:
    assert floor_table() in PAGE.read_text("utf-8")
