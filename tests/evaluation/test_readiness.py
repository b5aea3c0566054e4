"""The checklist before a calibration: every figure against one counted by hand, every limit at its edge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from calib.dataset.build import build_dataset
from calib.errors import UnreadableInput
from calib.evaluation.readiness import ADVICE, Readiness, baseline_p95, check_readiness, limits, tick_figures
from calib.evaluation.readiness_settings import ReadinessSettings
from calib.experiments.canary.settings import CanarySettings

START = 1_735_689_600  # 2025-01-01T00:00:00Z


def tick(n: int, **more: Any) -> dict[str, Any]:
    base = {"ts": START + n, "symbol": "X", "tick_total_ms": 100.0, "cache_hit": True, "deadline_miss": False}
    return base | {"stage_latencies": {"fetch_md": 5.0}} | more


def fill(n: int, **more: Any) -> dict[str, Any]:
    base = {"ts": START + n + 0.5, "symbol": "X", "side": "buy", "price": 100.0, "qty": 1.0, "liquidity": "maker"}
    return base | more


def write(directory: Path, ticks: list[dict[str, Any]], fills: list[dict[str, Any]]) -> Path:
    directory.mkdir(exist_ok=True)
    for kind, lines in (("pipeline_ticks", ticks), ("fills", fills)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (directory / f"{kind}_20250101.jsonl").write_text(text)
    return directory


def judged(directory: Path, **given: Any) -> Readiness:
    settings = ReadinessSettings(**given.pop("ready", {}))
    dataset = build_dataset(directory)
    return check_readiness(directory, dataset, settings, CanarySettings(), **given)


def values(found: Readiness) -> dict[str, float | None]:
    return {result.limit.name: result.value for result in found.results}


def frame(ticks: list[dict[str, Any]]) -> pl.DataFrame:
    rows = [
        {"stage_latencies.fetch_md": line["stage_latencies"]["fetch_md"], "fetch_md_cache_ms": None} | line
        for line in ticks
    ]
    schema = {"fetch_md_cache_ms": pl.Float64(), "stage_latencies.fetch_md": pl.Float64()}
    return pl.DataFrame(rows, schema_overrides=schema)


def test_every_figure_is_the_one_counted_by_hand(tmp_path: Path) -> None:
    # Half an hour with a tick each 10 s; the fills of the first of six intervals alone.
    ticks = [tick(n, cache_hit=n % 100 != 0, tick_total_ms=n / 100) for n in range(0, 1800, 10)]
    fills = [fill(n, ts_exchange=START + n + (0.6 if n == 3 else 0.4)) for n in range(8)]
    found = judged(write(tmp_path / "feeds", ticks, fills))
    assert values(found) == {
        "hours_covered": 0.5,
        "kept_ratio": 1.0,
        "fills_per_symbol": 8,
        "hit_ratio": 162 / 180,
        "fetch_md_p95_ms": 5.0,
        "fetch_md_p95_gain_ms": None,
        "tick_total_p95_ms": pytest.approx(0.95 * 17.9),  # of 0, 0.1, ... 17.9
        "deadline_miss_rate": 0.0,
        "gap_ratio": 0.0,
        "clock_behind_ratio": 1 / 8,
    }
    assert found.missed == ["hours_covered", "fills_per_symbol", "clock_behind_ratio"]
    assert not found.ready


def test_what_feeds_need_not_carry_is_not_judged_and_fails_nothing(tmp_path: Path) -> None:
    feeds = write(tmp_path / "feeds", [tick(n) for n in range(0, 300, 10)], [fill(n) for n in range(40)])
    found = judged(feeds, ready={"min_hours": 0.05})
    assert [result.limit.name for result in found.results if result.passed is None] == [
        "fetch_md_p95_gain_ms",
        "clock_behind_ratio",
    ]
    assert found.ready
    assert len(found.notes) == 2


def test_without_ticks_the_cache_is_never_ready(tmp_path: Path) -> None:
    feeds = write(tmp_path / "feeds", [], [fill(n) for n in range(40)])
    missed = judged(feeds).missed
    assert {"hit_ratio", "fetch_md_p95_ms", "tick_total_p95_ms", "deadline_miss_rate"} <= set(missed)


def test_in_shadow_the_cache_stands_in_place_of_the_direct_fetch() -> None:
    ticks = [tick(n, fetch_md_cache_ms=1.0, stage_latencies={"fetch_md": 41.0}) for n in range(20)]
    ticks += [tick(99, cache_hit=False)]  # before the shadow began: it does not count
    found = tick_figures(frame(ticks))
    assert (found.ticks, found.shadow, found.hit_ratio) == (20, True, 1.0)
    assert (found.fetch_md_p95_ms, found.direct_fetch_p95_ms, found.tick_total_p95_ms) == (1.0, 41.0, 60.0)
    assert tick_figures(frame(ticks), deadline_ms=59.0).deadline_miss_rate == 1.0
    assert tick_figures(frame(ticks), deadline_ms=60.0).deadline_miss_rate == 0.0


def test_the_gain_is_against_the_baseline_else_the_direct_fetch(tmp_path: Path) -> None:
    ticks = [tick(n, fetch_md_cache_ms=1.0, stage_latencies={"fetch_md": 41.0}) for n in range(0, 300, 10)]
    feeds = write(tmp_path / "feeds", ticks, [fill(1)])
    assert values(judged(feeds))["fetch_md_p95_gain_ms"] == 40.0
    assert values(judged(feeds, baseline_p95_ms=11.0))["fetch_md_p95_gain_ms"] == 10.0


@pytest.mark.parametrize(
    ("name", "passes", "misses"),
    [
        ("hours_covered", 12.0, 11.99),
        ("kept_ratio", 0.8, 0.79),
        ("fills_per_symbol", 30, 29),
        ("hit_ratio", 0.7, 0.69),
        ("fetch_md_p95_ms", 35.0, 35.1),
        ("fetch_md_p95_gain_ms", 20.0, 19.9),
        ("tick_total_p95_ms", 150.0, 150.1),
        ("deadline_miss_rate", 0.0199, 0.02),
        ("gap_ratio", 0.05, 0.051),
        ("clock_behind_ratio", 0.01, 0.011),
    ],
)
def test_each_limit_at_its_edge(name: str, passes: float, misses: float) -> None:
    limit = next(each for each in limits(ReadinessSettings(), CanarySettings()) if each.name == name)
    assert limit.holds(passes) is True
    assert limit.holds(misses) is False


def test_the_limits_of_the_ticks_are_those_of_the_canary() -> None:
    canary = CanarySettings(shadow_min_hit_ratio=0.1, shadow_max_fetch_ms=2, shadow_max_tick_ms=3)
    found = {limit.name: limit.limit for limit in limits(ReadinessSettings(), canary)}
    assert (found["hit_ratio"], found["fetch_md_p95_ms"], found["tick_total_p95_ms"]) == (0.1, 2, 3)
    assert list(found) == list(ADVICE)


def test_a_baseline_is_a_canarys_file_or_ticks_from_before(tmp_path: Path) -> None:
    stored = tmp_path / "baseline.json"
    stored.write_text(json.dumps({"schema": "calib.canary-baseline/1", "fetch_md_p95_ms": 51.5}))
    assert baseline_p95(stored) == 51.5
    feeds = write(tmp_path / "feeds", [tick(n, stage_latencies={"fetch_md": float(n)}) for n in range(101)], [])
    assert baseline_p95(feeds / "pipeline_ticks_20250101.jsonl") == 95.0


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"schema": "other/1", "fetch_md_p95_ms": 1}', b"\xff"])
def test_what_is_no_baseline_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "baseline.json"
    path.write_bytes(content)
    with pytest.raises(UnreadableInput, match="is not a valid baseline"):
        baseline_p95(path)
    with pytest.raises(UnreadableInput, match="cannot be read"):
        baseline_p95(tmp_path / "nowhere.json")
