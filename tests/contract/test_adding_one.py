"""Adding one of a kind takes one new file (or entry) and one line in one table: done here on a copy of the package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

FILTER = '''"""A dummy filter."""

from dataclasses import dataclass
from typing import ClassVar

from calib.config import Setting


@dataclass(frozen=True, slots=True)
class FewFills:
    """Drops a row with fewer than ``min_fills`` fills."""

    min_fills: int
    reason: ClassVar[str] = "few_fills"
    setting: ClassVar[Setting | None] = Setting("aggregate.min_fills", "int", 0, "Filter few_fills: fewest fills", 0)

    @property
    def limit(self) -> int:
        return self.min_fills

    def drops(self):
        import polars as pl

        return pl.col("fills") < self.min_fills
'''
FEATURE = '''"""A dummy feature."""

from calib.features.live.base import LiveFeature, Smoothing


class BooksSeen(LiveFeature):
    """How many books were seen."""

    name = "books_seen"
    unit = "books"
    definition = "count"
    fed_by = "`record_book`"

    def __init__(self, smoothing: Smoothing) -> None:
        self.count = 0

    def on_book(self, mid, top_qty, now_ns) -> None:
        self.count += 1

    def get(self):
        return float(self.count) if self.count else None
'''


def _edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new), "utf-8")


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with a filter, a target and a feature more."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "calib", root / "calib", ignore=shutil.ignore_patterns("__pycache__"))
    filters = root / "calib" / "dataset" / "filters"
    (filters / "few_fills.py").write_text(FILTER, "utf-8")
    _edit(filters / "registry.py", "(LowTicks, DeadlineMiss, WsGap, NonFinite)", "(LowTicks, FewFills, NonFinite)")
    _edit(filters / "registry.py", "\nFILTERS:", "\nfrom calib.dataset.filters.few_fills import FewFills\n\nFILTERS:")
    _edit(
        root / "calib" / "dataset" / "columns.py",
        '    Column("taker_share", "ratio"',
        '    Column("dummy_bps", "bps", "", "A dummy", later=True),\n    Column("taker_share", "ratio"',
    )
    sums = root / "calib" / "dataset" / "fills.py"
    _edit(
        sums,
        '            "taker_share",\n',
        '            "taker_share",\n            pl.lit(1.5).alias("dummy_bps"),\n',
    )
    live = root / "calib" / "features" / "live"
    (live / "books_seen.py").write_text(FEATURE, "utf-8")
    _edit(live / "table.py", "    AdverseMoveBps,\n)", "    AdverseMoveBps,\n    BooksSeen,\n)")
    _edit(
        live / "table.py",
        "\nFEATURE_TABLE",
        "\nfrom calib.features.live.books_seen import BooksSeen\n\nFEATURE_TABLE",
    )
    return root


def _run(package: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(package)}
    done = subprocess.run(
        [sys.executable, "-P", *arguments], env=environment, cwd=package, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_filter_brings_its_flag_setting_limit_and_counts(package: Path, tmp_path: Path) -> None:
    assert "--min-fills N" in _run(package, "-m", "calib", "aggregate", "--help")
    assert "aggregate.min_fills" in _run(package, "-m", "calib", "config", "aggregate.min_fills")
    feeds = str(ROOT / "sample_feeds")
    printed = _run(package, "-m", "calib", "aggregate", feeds, "--out", str(tmp_path), "--min-fills", "2")
    dataset = json.loads(Path(printed.splitlines()[0]).read_text("utf-8"))
    assert dataset["filters"] == {"low_ticks": 10, "few_fills": 2, "non_finite": True}
    assert dataset["counts"]["dropped"]["few_fills"] > 0
    report = _run(package, "-m", "calib", "summary", "--out", str(tmp_path)).splitlines()[0]
    assert "--min-fills 2" in Path(report).read_text("utf-8")


def test_a_filter_and_a_target_leave_old_datasets_readable(package: Path, tmp_path: Path) -> None:
    feeds = str(ROOT / "sample_feeds")
    old = subprocess.run(
        [sys.executable, "-m", "calib", "aggregate", feeds, "--out", str(tmp_path), "--format", "json,parquet,arrow"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")[:3]
    assert [Path(path).suffix for path in old] == [".json", ".parquet", ".arrow"]
    script = (
        "import sys\nfrom pathlib import Path\nfrom calib.dataset.store import read_dataset\n"
        "for path in sys.argv[1:]:\n"
        "    dataset = read_dataset(Path(path))\n"
        "    assert 'few_fills' not in dataset.filters and dataset.filters['ws_gap'] == 60.0\n"
        "    print(dataset.intervals['dummy_bps'].null_count(), dataset.intervals.height)\n"
    )
    assert _run(package, "-c", script, *old).split() == ["789"] * 6


def test_a_feature_is_in_every_snapshot(package: Path) -> None:
    script = (
        "from calib import FeatureCollector\nfeatures = FeatureCollector()\n"
        "features.record_book('X', 99.0, 1.0, 101.0, 1.0)\nprint(features.snapshot('X').books_seen)"
    )
    assert _run(package, "-c", script).strip() == "1.0"
