"""Every setting of the cache: its range, its rules with the others, and that table and class agree."""

from __future__ import annotations

import dataclasses
import pickle
import typing
from pathlib import Path
from typing import Any

import pytest

from calib.app_config import SETTINGS
from calib.config import Config
from calib.errors import ConfigError
from calib.market import MDCacheConfig
from calib.market.cache.config import field_names

RANGES = [
    ("ttl_ms", 10, 5000),
    ("max_depth", 1, 200),
    ("hard_ttl_ms", 10, 5000),
    ("invalidate_on_ws_gap_ms", 50, 10_000),
    ("max_inflight_refresh", 1, 1),
    ("fresh_ms_for_pricing", 1, 5000),
    ("guard_max_age_ms", 1, 5000),
    ("guard_timeout_ms", 1, 5000),
    ("refresh_timeout_ms", 10, 5000),
    ("refresh_backoff_ms", 1, 60_000),
    ("refresh_backoff_cap_ms", 1, 600_000),
    ("refresh_backoff_jitter", 0, 1),
    ("price_jump_ticks", 1, 1_000_000),
    ("max_symbols", 1, 100_000),
]
CHOICES = [
    ("mode", ("shadow", "on")),
    ("guard_on_timeout", ("unavailable", "stale_last_resort")),
    ("refresh_source", ("rest", "stream")),
    ("sequence_mode", ("contiguous", "ranged")),
    ("sequence_rule", ("contiguous", "range", "previous", "rising", "connection", "checksum")),
]
# What must go along so that a bound alone is at fault.
COMPANY: dict[str, dict[str, Any]] = {
    "hard_ttl_ms": {"ttl_ms": 10},
    "fresh_ms_for_pricing": {"ttl_ms": 5000},
    "guard_max_age_ms": {"ttl_ms": 5000, "fresh_ms_for_pricing": 5000},
    "refresh_backoff_cap_ms": {"refresh_backoff_ms": 1},
}


@pytest.mark.parametrize(("name", "low", "high"), RANGES)
def test_a_number_is_taken_within_its_range_and_refused_with_the_range_outside(name: str, low: int, high: int) -> None:
    company: dict[str, Any] = COMPANY.get(name, {})
    for value in (low, high):
        assert getattr(MDCacheConfig(**company | {name: value}), name) == value
    wrong: tuple[object, ...] = (low - 1, high + 1, "7", True, float("nan"))
    for other in wrong:
        with pytest.raises(ConfigError) as caught:
            MDCacheConfig(**company | {name: other})
        assert name in str(caught.value)
        assert f"from {low} to {high}" in str(caught.value)
        assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(("name", "allowed"), CHOICES)
def test_a_choice_is_refused_with_the_choices(name: str, allowed: tuple[str, ...]) -> None:
    for value in allowed:
        assert getattr(MDCacheConfig(**{name: value}), name) == value  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match=", ".join(allowed)):
        MDCacheConfig(**{name: "else"})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["enabled", "stale_ok", "skip_pricing_on_stale"])
def test_a_switch_is_true_or_false(name: str) -> None:
    for value in (True, False):
        assert getattr(MDCacheConfig(**{name: value}), name) is value  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="true or false"):
        MDCacheConfig(**{name: 1})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "fresh", "guard", "hard"),
    [
        ({}, 60, 50, 5000),
        ({"ttl_ms": 20}, 20, 20, 5000),
        ({"ttl_ms": 55}, 55, 50, 5000),
        ({"ttl_ms": 5000}, 60, 50, 5000),
        ({"fresh_ms_for_pricing": 30}, 30, 30, 5000),
        ({"fresh_ms_for_pricing": 90}, 90, 50, 5000),
        ({"guard_max_age_ms": 10}, 60, 10, 5000),
        ({"guard_max_age_ms": 80}, 60, 80, 5000),  # one bound alone is no contradiction
        ({"hard_ttl_ms": 200}, 60, 50, 200),
    ],
)
def test_bounds_that_were_not_set_follow(given: dict[str, int], fresh: int, guard: int, hard: int) -> None:
    config = MDCacheConfig(**given)  # type: ignore[arg-type]
    assert (config.fresh_ms_for_pricing, config.guard_max_age_ms, config.hard_ttl_ms) == (fresh, guard, hard)


@pytest.mark.parametrize(("first", "cap"), [(100, 5000), (6000, 6000)])
def test_the_cap_of_the_pauses_follows(first: int, cap: int) -> None:
    assert MDCacheConfig(refresh_backoff_ms=first).refresh_backoff_cap_ms == cap


@pytest.mark.parametrize(
    "given",
    [
        {"ttl_ms": 200, "hard_ttl_ms": 199},
        {"hard_ttl_ms": 99},
        {"ttl_ms": 50, "fresh_ms_for_pricing": 51},
        {"fresh_ms_for_pricing": 101},
        {"fresh_ms_for_pricing": 40, "guard_max_age_ms": 41},
        {"ttl_ms": 40, "guard_max_age_ms": 41},
        {"refresh_backoff_ms": 200, "refresh_backoff_cap_ms": 199},
    ],
)
def test_bounds_that_contradict_each_other_are_refused_by_name(given: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="exceeds") as caught:
        MDCacheConfig(**given)  # type: ignore[arg-type]
    assert all(name in str(caught.value) for name in given)
    assert str(caught.value).count("from ") == 2  # both ranges


def test_hard_ttl_never_exceeds_the_policys_limit() -> None:
    assert SETTINGS["md_cache.hard_ttl_ms"].high == SETTINGS["md_cache.ttl_ms"].high == 5000
    assert SETTINGS["md_cache.refresh_timeout_ms"].high == 5000  # else a slow body would be older on arrival


@pytest.mark.parametrize("size", [0, -0.1, float("inf"), "0.1"])
def test_a_tick_size_must_be_above_zero(size: object) -> None:
    with pytest.raises(ConfigError, match="tick_sizes"):
        MDCacheConfig(tick_sizes={"X": size})  # type: ignore[dict-item]


def test_table_and_class_are_in_agreement() -> None:
    rows = {key.removeprefix("md_cache."): row for key, row in SETTINGS.items() if key.startswith("md_cache.")}
    assert list(rows) == field_names()
    for item in dataclasses.fields(MDCacheConfig):
        if item.init:
            default = {} if item.name == "tick_sizes" else item.default
            assert rows[item.name].default == default, item.name


def test_it_loads_from_calib_yaml_and_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "calib.yaml"
    file.write_text("md_cache:\n  enabled: true\n  ttl_ms: 40\n  tick_sizes: {BTCUSDT: 0.1}\n", encoding="utf-8")
    config = Config.resolve(SETTINGS, file=file, environment={"CALIB_MD_CACHE_GUARD_MAX_AGE_MS": "30"})
    cache = MDCacheConfig.from_config(config)
    assert (cache.enabled, cache.ttl_ms, cache.fresh_ms_for_pricing, cache.guard_max_age_ms) == (True, 40, 40, 30)
    assert dict(cache.tick_sizes) == {"BTCUSDT": 0.1}
    assert MDCacheConfig.from_config(Config.resolve(SETTINGS, environment={})) == MDCacheConfig()


def test_it_is_frozen_all_the_way_and_survives_pickling() -> None:
    sizes = {"X": 0.5}
    config = MDCacheConfig(ttl_ms=30, tick_sizes=sizes)
    sizes["X"] = 9.0
    assert config.tick_sizes["X"] == 0.5
    with pytest.raises(TypeError):
        config.tick_sizes["X"] = 1.0  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.ttl_ms = 5  # type: ignore[misc]
    again = pickle.loads(pickle.dumps(config))
    assert again == config
    assert again.changed(ttl_ms=20).fresh_ms_for_pricing == 20
    assert hash(again) == hash(config)


def test_the_type_hints_can_be_looked_at() -> None:
    hints = typing.get_type_hints(MDCacheConfig)
    assert (hints["ttl_ms"], hints["sequence_rule"]) == (int, str)
