"""Sweeps, the frontier and the gate."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from calib.cli import main
from calib.errors import ChildLost, NoFeeds
from calib.exchange_sim.faults import Fault
from calib.limits import Limit, LimitResult
from calib.market import MDCacheConfig
from calib.pipes import start_child
from calib.replay import sweep
from calib.replay.job import Job, JobData
from calib.replay.latencies import LatencyChoice
from calib.replay.limits import check_overall, limits_from
from calib.replay.run import run_replay
from calib.replay.settings import ReplaySettings
from calib.replay.sweep import Point, cheapest, frontier, run_all
from tests.replay.recording import STREAMED, delta, fill, snapshot, tick, write

BASE = ReplaySettings(md_cache=STREAMED, fill="callback", latency=LatencyChoice("constant", (7.0,)))


@pytest.fixture
def feeds(tmp_path: Path) -> Path:
    book: list[Any] = [snapshot(0.0, 1, [(100, 1)], [(200, 1)])]
    book += [delta(n * 0.037, 1 + n, bids=[(100 + n % 7, n % 3)]) for n in range(1, 400)]
    ticks = [tick(n * 0.021, ("pricing", "general", "guards")[n % 3]) for n in range(5, 600)]
    return write(tmp_path / "feeds", book=book, pipeline_ticks=ticks, fills=[fill(3.0), fill(5.0)])


def jobs(feeds: Path) -> list[Job]:
    bounds = [MDCacheConfig(ttl_ms=ttl_ms) for ttl_ms in (20, 100, 400)]
    return [Job(feeds, replace(BASE, md_cache=md_cache)) for md_cache in bounds]


def test_a_sweep_is_its_single_runs_whatever_the_number_of_processes(feeds: Path) -> None:
    alone = [run_replay(feeds, job.settings).encode() for job in jobs(feeds)]
    for workers in (1, 2):
        found = run_all(jobs(feeds), workers)
        assert [orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE) for data in found] == alone
    assert len(set(alone)) == 3


def test_progress_comes_in_parts_and_adds_up_to_the_jobs(feeds: Path) -> None:
    for workers in (1, 2):
        told: list[float] = []
        run_all(jobs(feeds), workers, told.append)
        assert len(told) > 3
        assert sum(told) == pytest.approx(3.0)


def test_an_error_of_a_process_is_the_error_of_the_run(tmp_path: Path) -> None:
    write(tmp_path, fills=[fill(1.0)])
    with pytest.raises(NoFeeds, match="no book feed"):
        run_all([Job(tmp_path, BASE)] * 3, 2)


def test_the_outcome_has_the_same_bytes_under_every_hash_seed(feeds: Path, tmp_path: Path) -> None:
    found = set()
    for seed in ("0", "1", "4711"):
        out = tmp_path / f"out-{seed}"
        argv = ["replay", "--feeds", str(feeds), "--out", str(out), "--quiet", "--latency", "constant:7"]
        argv += ["--features-out", str(out / "features.parquet"), "--fault", "rest-error@2+1", "--fault", "gap@4+1"]
        subprocess.run([sys.executable, "-m", "calib", *argv], env={**os.environ, "PYTHONHASHSEED": seed}, check=True)
        files = sorted((*out.glob("reports/*"), out / "features.parquet"))
        found.add(tuple((path.name, path.read_bytes()) for path in files))
    assert len(found) == 1
    # The features, the report as JSON and Markdown, and its three pictures.
    assert len(next(iter(found))) == 6


def point(name: str, hit_ratio: float | None, cost_bps: float | None, limit: float = 0.0) -> Point:
    gate = check_overall(_overall(hit_ratio, cost_bps), (Limit("hit_ratio", ">=", limit),))
    requests = round(1000 * (1 - (hit_ratio or 0.0)))  # what is not answered from the cache asks the venue
    return Point({"name": name}, {}, hit_ratio, cost_bps, requests, tuple(gate))


def _overall(hit_ratio: float | None, cost_bps: float | None) -> dict[str, Any]:
    return {
        "hit_ratio": hit_ratio,
        "fetch_md_ms": {"with_cache": {"p95": None}},
        "pricing_on_stale_ratio": None,
        "staleness": {"error_bps": {"p95": cost_bps}},
    }


def test_the_frontier_holds_what_nobody_beats() -> None:
    points = [
        point("dear", 0.9, 3.0),
        point("middle", 0.8, 1.0),
        point("beaten", 0.7, 2.0),
        point("as cheap, hits less", 0.6, 1.0),
        point("cheap", 0.5, 0.5),
        point("nothing measured", None, None),
        point("the same again", 0.8, 1.0),
    ]
    assert [found.chosen["name"] for found in frontier(points)] == ["cheap", "middle", "dear"]


def test_the_cheapest_is_the_least_stale_of_those_that_pass() -> None:
    points = [point("dear", 0.9, 3.0, 0.7), point("middle", 0.8, 1.0, 0.7), point("cheap", 0.5, 0.5, 0.7)]
    found = cheapest(points)
    assert found is not None
    assert found.chosen["name"] == "middle"
    assert cheapest([point("no", 0.5, 0.5, 0.7), point("nothing", None, None)]) is None


def test_a_limit_without_data_is_missed_only_where_strictness_is_asked() -> None:
    unknown = point("unknown", 0.5, 0.5)
    unknown = replace(unknown, gate=(*unknown.gate, LimitResult(Limit("error_p95_bps", "<=", 1.0), None, None)))
    missed = replace(unknown, gate=(*unknown.gate, LimitResult(Limit("fetch_md_p95_ms", "<=", 1.0), 2.0, False)))
    assert (unknown.passed, missed.passed, point("met", 0.5, 0.5).passed) == (None, False, True)
    assert cheapest([unknown, missed]) == unknown
    assert cheapest([unknown, missed], strict=True) is None


def test_a_limit_is_met_exactly_missed_or_without_data() -> None:
    section = {"min_hit_ratio": 0.7, "max_fetch_p95_ms": None, "max_pricing_on_stale": 0.1, "max_error_p95_bps": 1.0}
    judged = check_overall(_overall(0.7, 1.0000001), limits_from(section))
    assert [(one.limit.name, one.passed) for one in judged] == [
        ("hit_ratio", True),
        ("pricing_on_stale_ratio", None),
        ("error_p95_bps", False),
    ]


def killed_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the second process that a sweep starts killed before it has its job."""
    started: list[subprocess.Popen[bytes]] = []

    def start(entry: str) -> subprocess.Popen[bytes]:
        process = start_child(entry)
        started.append(process)
        if len(started) == 2:
            process.kill()
            process.wait()
        return process

    monkeypatch.setattr(sweep, "start_child", start)


def test_a_killed_process_costs_its_own_outcome_alone(feeds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = [run_replay(feeds, job.settings).data for job in jobs(feeds)]
    killed_second(monkeypatch)
    found = run_all(jobs(feeds), 2)
    lost = [one for one in found if isinstance(one, ChildLost)]
    assert [one.what for one in lost] == ["its process was killed by SIGKILL"]
    assert all(one == data for one, data in zip(found, alone, strict=True) if not isinstance(one, ChildLost))


def test_a_sweep_names_the_killed_one_and_goes_on(
    feeds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    argv = ["replay", "--feeds", str(feeds), "--fill", "callback", "--sweep", "md_cache.ttl_ms=20,100,400"]
    argv += ["--jobs", "2", "--output", "json"]
    for flags, code in (([], 0), (["--strict"], 1)):
        killed_second(monkeypatch)
        assert main.run([*argv, "--out", str(tmp_path / str(code)), *flags]) == code
        said = capfd.readouterr()
        data = orjson.loads(said.out)["data"]
        assert len(data["points"]) == 2
        (lost,) = data["left_out"]
        assert lost["why"] == "its process was killed by SIGKILL"
        assert f"md_cache.ttl_ms={lost['set']['md_cache.ttl_ms']} has no outcome" in said.err
    monkeypatch.undo()


def test_a_comparison_without_one_of_its_replays_is_an_error_that_names_it(
    feeds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, ttl in (("one.yaml", 20), ("two.yaml", 100)):
        (tmp_path / name).write_text(f"md_cache:\n  ttl_ms: {ttl}\n")
    monkeypatch.chdir(tmp_path)
    killed_second(monkeypatch)
    argv = ["replay", "--feeds", str(feeds), "--out", "out", "--compare", "one.yaml", "--compare", "two.yaml"]
    assert main.run([*argv, "--jobs", "2"]) == 4
    assert re.search(r"(one|two)\.yaml: its process was killed by SIGKILL \[child-lost\]", capfd.readouterr().err)


def test_every_setting_of_a_job_reaches_the_other_process(feeds: Path) -> None:
    settings = ReplaySettings(
        md_cache=MDCacheConfig(ttl_ms=30, fresh_ms_for_pricing=20, tick_sizes={"BTCUSDT": 0.1}, price_jump_ticks=7),
        fill="callback", rule="range", latency=LatencyChoice("empirical", (1.1, 2.2), "x.txt"),
        faults=(Fault.parse("rest-error@1.000000000001+2:BTCUSDT"),), read_every_us=1000, use_case="guards", depth=3,
        expand=True, features_every_us=2_000_000,
    )  # fmt: skip
    job = Job(feeds, settings, {"start": 1.5, "end": None, "symbols": ["A"], "max_reject_ratio": 0.5})
    data = msgspec.msgpack.decode(msgspec.msgpack.encode(JobData.of(job)), type=JobData)
    assert data.job == job
    assert data.job.settings.md_cache.followed == settings.md_cache.followed
    changed = [item.name for item in fields(ReplaySettings) if getattr(settings, item.name) == item_default(item.name)]
    assert changed == [], "each setting differs from its default, so that one left out would show"


def item_default(name: str) -> object:
    return getattr(ReplaySettings(), name)
