"""Datasets by the kernel against those in Python: the same bytes, whatever the feeds, the cutting and the moment."""

from __future__ import annotations

import json
import math
import os
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.dataset.assembly import DatasetOptions
from calib.dataset.build import build_dataset, build_from_plan
from calib.dataset.exact import exact_sum
from calib.dataset.filters import chosen_filters
from calib.dataset.interval_table import IntervalTable, place_of
from calib.dataset.lean_build import build_lean
from calib.dataset.lean_store import write_lean
from calib.dataset.native import sum_natively
from calib.dataset.native.sums import NativeJob, NativeResult
from calib.dataset.plan import plan_dataset
from calib.dataset.store import write_dataset
from calib.errors import UnreadableInput
from calib.feeds.reading.native import library, status, stream
from calib.feeds.reading.native.sums import SumsOptions
from tests.conftest import REPOSITORY
from tests.feeds.helpers import TS, line
from tests.property.test_dataset_oracle import write_feeds

KERNEL = library()
pytestmark = pytest.mark.skipif(KERNEL is None, reason=status().reason)
DAY = 1_735_689_600


def _sums(
    feeds: Path,
    *,
    jobs: int = 2,
    interval_sec: int = 300,
    allowance_s: float = 900.0,
    redo_lines: int = 2_000_000,
    progress: Callable[[float], None] = lambda _: None,
) -> NativeResult:
    plan = plan_dataset(feeds, start=None, end=None, interval_sec=interval_sec)
    job = NativeJob(KERNEL, jobs, lambda _: nullcontext(), lambda _: None, progress, redo_lines)
    span = plan.span
    options = [
        SumsOptions(kind, interval_sec, span.start, span.end, (), allowance_s, 10, 0.0, 0.0, {})
        for kind in ("pipeline_ticks", "fills")
    ]
    return sum_natively(job, options, plan.files, plan.newest)


def _table(result: NativeResult) -> IntervalTable:
    return IntervalTable(*result.intervals(KERNEL), 300)


def _ticks(feeds: Path, lines: list[bytes], day: str = "20250101", kind: str = "pipeline_ticks") -> Path:
    path = feeds / f"{kind}_{day}.jsonl"
    path.write_bytes(b"".join(text + b"\n" for text in lines))
    return path


def _tick(ts: float, symbol: str = "BTCUSDT", **more: Any) -> bytes:
    return line("pipeline_ticks", ts=ts, symbol=symbol, tick_total_ms=ts % 7, mid=100 + ts % 3, **more)


@pytest.mark.parametrize("wild", [False, True])
@pytest.mark.parametrize("interval_sec", [7, 300, 100_000])
def test_every_format_has_the_bytes_of_the_python_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wild: bool, interval_sec: int
) -> None:
    feeds = tmp_path / "feeds"
    feeds.mkdir()
    write_feeds(feeds, random.Random(interval_sec), 250, 0.1, wild=wild)
    found = {}
    for native in ("0", "1"):
        monkeypatch.setenv("CALIB_NATIVE", native)
        out = tmp_path / native
        dataset = build_dataset(
            feeds, interval_sec=interval_sec, filters=chosen_filters(off=["non_finite"]), max_reject_ratio=1, out=out
        )
        write_dataset(dataset, out, ("json", "csv", "arrow"))
        found[native] = _files(out)
    assert found["0"] == found["1"]
    assert len(found["0"]) > 4


@pytest.mark.parametrize("off", [(), ("non_finite", "low_ticks")])
def test_lean_files_have_the_bytes_of_the_whole_ones(tmp_path: Path, off: tuple[str, ...]) -> None:
    feeds = tmp_path / "feeds"
    feeds.mkdir()
    write_feeds(feeds, random.Random(len(off)), 300, 0.1, wild=True)
    notes: dict[str, list[str]] = {"lean": [], "whole": []}
    recipe = DatasetOptions(filters=chosen_filters({"aggregate.min_ticks": 2}, off=off), max_reject_ratio=1)
    plan = plan_dataset(feeds, start=None, end=None, interval_sec=3600)
    silent: Any = lambda _: None  # noqa: E731 - a callback that does nothing
    lean = build_lean(plan, recipe, out=tmp_path / "lean", jobs=None, note=notes["lean"].append, progress=silent)
    whole = build_from_plan(plan, recipe, out=tmp_path / "whole", note=notes["whole"].append)
    assert lean is not None
    assert notes["lean"] == notes["whole"]
    assert lean.known("net_bps") == whole.known("net_bps")
    assert lean.whole().same_as(whole)
    assert [path.suffix for path in write_lean(lean, tmp_path / "lean" / "datasets", ("json", "csv"))] == [
        ".json",
        ".csv",
    ]
    write_dataset(whole, tmp_path / "whole" / "datasets", ("json", "csv"))
    assert _files(tmp_path / "lean") == _files(tmp_path / "whole")
    for name, dataset in (("a", lean.whole()), ("b", whole)):
        write_dataset(dataset, tmp_path / name, ("arrow", "parquet"))
    assert _files(tmp_path / "a") == _files(tmp_path / "b")


def _files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*.*"))}


def test_a_lean_dataset_keeps_other_forms_of_its_name_equal(tmp_path: Path) -> None:
    """A parquet that lies there already is written too, as `calib.dataset.store` does."""
    plan = plan_dataset(REPOSITORY / "sample_feeds", start=None, end=None, interval_sec=300)
    silent: Any = lambda _: None  # noqa: E731 - a callback that does nothing
    lean = build_lean(plan, DatasetOptions(), out=None, jobs=1, note=silent, progress=silent)
    assert lean is not None
    (path,) = write_lean(lean, tmp_path)
    path.with_suffix(".parquet").write_bytes(b"old")
    paths = write_lean(lean, tmp_path, ("csv",))
    assert {one.suffix for one in paths} == {".csv", ".json", ".parquet"}
    assert path.with_suffix(".parquet").read_bytes().startswith(b"PAR1")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0, 1.7e308) | st.floats(0, 1e-300) | st.sampled_from([0.0, 1e308, 1.0, 2.0**53]), min_size=1))
def test_sums_are_those_of_fsum(tmp_path_factory: pytest.TempPathFactory, ages: list[float]) -> None:
    """The mean age of an interval's books is the exact sum over their number: against `math.fsum`."""
    feeds = tmp_path_factory.mktemp("feeds")
    _ticks(feeds, [_tick(TS + n / 1000, cache_age_ms=age) for n, age in enumerate(ages)])
    result = _sums(feeds, jobs=1)
    (row,) = _table(result).rows()
    assert struct.pack("d", row[place_of("cache_age_avg_ms")]) == struct.pack("d", exact_sum(ages) / len(ages))


def test_late_lines_come_to_what_all_lines_at_once_come_to(tmp_path: Path) -> None:
    """With no allowance nearly every line of a shuffled file is late: two passes or many, one thread or three."""
    dice = random.Random(2)
    lines = [_tick(TS + dice.uniform(0, 80_000), f"S{dice.randrange(3)}") for _ in range(6000)]
    _ticks(tmp_path, lines)
    _ticks(tmp_path, [line("fills", ts=TS + n, trade_id=f"t{n % 50}", qty=1 + n % 3) for n in range(500)], kind="fills")
    expected = _sums(tmp_path, jobs=1, allowance_s=1e9)
    for jobs, allowance_s, redo_lines in ((1, 0.0, 10**6), (3, 0.0, 500), (2, 100.0, 1)):
        found = _sums(tmp_path, jobs=jobs, allowance_s=allowance_s, redo_lines=redo_lines)
        assert (_table(found), found.symbols) == (_table(expected), expected.symbols)
        assert found.stats == expected.stats


def _large(feeds: Path, lines: int = 60_000) -> Path:
    """Ticks of several buffers, so that something can happen while they are read."""
    pad = "x" * 200
    return _ticks(feeds, [_tick(TS + n, f"S{n % 5}", ts_iso=pad) for n in range(lines)])


class _Once:
    """A progress callback that does something after the first bytes."""

    def __init__(self, step: Callable[[], object]) -> None:
        self.step, self.done = step, False

    def __call__(self, amount: float) -> None:
        if amount and not self.done:
            self.done = True
            self.step()


def test_a_file_that_grows_while_it_is_read_counts_as_it_was(tmp_path: Path) -> None:
    path = _large(tmp_path)
    before, size = _sums(tmp_path), path.stat().st_size

    def grow() -> None:
        with path.open("ab") as handle:
            handle.write(_tick(TS + 70_000) + b"\n")

    found = _sums(tmp_path, jobs=1, progress=_Once(grow))
    assert path.stat().st_size > size
    assert (_table(found), found.stats) == (_table(before), before.stats)


def test_a_file_that_is_cut_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = _large(tmp_path)
    with pytest.raises(UnreadableInput, match="became shorter"):
        _sums(tmp_path, jobs=1, progress=_Once(lambda: os.truncate(path, stream.CHUNK + 100)))


def test_a_file_that_is_replaced_between_two_looks_is_an_error(tmp_path: Path) -> None:
    """Lines 30,001 on are a day before the others: late, so that their intervals are read again."""
    times = [TS + 40_000 + n for n in range(30_000)] + [TS + n for n in range(30_000)]
    path = _ticks(tmp_path, [_tick(ts, ts_iso="x" * 200) for ts in times])
    other = tmp_path / "other"
    other.write_bytes(_tick(TS) + b"\n")
    with pytest.raises(UnreadableInput, match="changed while it was read"):
        _sums(tmp_path, jobs=1, progress=_Once(lambda: other.rename(path)))


def test_lines_that_fit_no_buffer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond 16 MiB is a reject wherever it stands; a shorter one than that is used whatever the buffer."""
    long = _tick(TS + 1, ts_iso="y" * (5 << 20))
    endless = b'{"ts": ' + b"1" * (17 << 20)
    _ticks(tmp_path, [_tick(TS), endless, long, _tick(TS + 2), b"\xef\xbb\xbf" + _tick(TS + 3), endless])
    native = _sums(tmp_path)
    (facts,) = native.stats.values()
    assert (facts.lines, facts.used, facts.rejected) == (6, 3, {"bad_json": 3})
    monkeypatch.setenv("CALIB_NATIVE", "0")
    dataset = build_dataset(tmp_path, max_reject_ratio=1)
    (plain,) = dataset.inputs
    assert (plain.lines, plain.used, plain.rejected) == (facts.lines, facts.used, facts.rejected)
    assert plain.sha256 == facts.sha256


def test_quantiles_of_orders_made_to_be_slow(tmp_path: Path) -> None:
    """Values in the shape of an organ pipe: against sorting and the formula."""
    values = [float(n) for n in (*range(500), *range(500, 0, -1))]
    _ticks(tmp_path, [line("pipeline_ticks", ts=TS + n / 10, tick_total_ms=value) for n, value in enumerate(values)])
    result = _sums(tmp_path)
    (row,) = _table(result).rows()
    ordered = sorted(values)
    for name, q in (("latency_p50_ms", 0.5), ("latency_p95_ms", 0.95), ("latency_p99_ms", 0.99)):
        place = (len(ordered) - 1) * q
        low, high = ordered[math.floor(place)], ordered[math.ceil(place)]
        assert row[place_of(name)] == (place - math.floor(place)) * (high - low) + low


def test_an_error_in_a_thread_ends_the_job_and_writes_no_rejects(tmp_path: Path) -> None:
    feeds = tmp_path / "feeds"
    feeds.mkdir()
    _ticks(feeds, [b"garbage", *([_tick(TS)] * 20)])
    (feeds / "pipeline_ticks_20250102.jsonl.zst").write_bytes(b"no zstd at all")
    with pytest.raises(Exception, match="damaged"):
        build_dataset(feeds, jobs=3, out=tmp_path / "out")
    assert json.loads((tmp_path / "out/rejects/pipeline_ticks_20250101.jsonl.rejects.jsonl").read_text())["line"] == 1
    assert not (tmp_path / "out/rejects/pipeline_ticks_20250102.jsonl.zst.rejects.jsonl").exists()


def test_aggregate_to_json_imports_none_of_the_heavy_libraries(tmp_path: Path) -> None:
    """Feeds with a book, whose markouts need neither numpy nor polars."""
    heavy = ("polars", "numpy", "pydantic", "yaml", "rich", "jinja2", "concurrent.futures")
    code = (
        "import sys; from calib.cli.main import run; code = run(sys.argv[1:]);"
        f"sys.exit(code or [name for name in {heavy} if name in sys.modules] or 0)"
    )
    words = ["aggregate", str(REPOSITORY / "sample_feeds"), "--out", str(tmp_path), "--quiet"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert list((tmp_path / "datasets").iterdir())
