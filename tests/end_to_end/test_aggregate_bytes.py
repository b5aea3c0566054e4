"""The same feeds give the same bytes, whatever the machine does."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

from tests.property.test_dataset_oracle import write_feeds

FORMATS = "json,parquet,csv,arrow"


def _aggregate(feeds: Path, out: Path, *words: str, **environment: str) -> dict[str, bytes]:
    command = [sys.executable, "-m", "calib", "aggregate", "--feeds", str(feeds), "--out", str(out)]
    options = [
        "--format",
        FORMATS,
        "--max-reject-ratio",
        "1",
        "--min-ticks",
        "0",
        "--max-gap-sec",
        "1e9",
        "--interval-sec",
        "43200",
    ]
    done = subprocess.run(
        [*command, *options, *words], env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for kind in ("datasets", "rejects") for path in (out / kind).iterdir()}


def test_trap_float_sums_that_differ_on_every_run(tmp_path: Path) -> None:
    feeds = tmp_path / "feeds"
    feeds.mkdir()
    write_feeds(feeds, random.Random(5), 1500, 0.05, wild=False)
    expected = _aggregate(feeds, tmp_path / "0", "--jobs", "1", POLARS_MAX_THREADS="1", PYTHONHASHSEED="0")
    assert len(expected) > 4
    for run, (words, environment) in enumerate(
        (
            (("--jobs", "1"), {"POLARS_MAX_THREADS": "2", "PYTHONHASHSEED": "1"}),
            (("--jobs", "2"), {"POLARS_MAX_THREADS": "2", "PYTHONHASHSEED": "2", "LC_ALL": "C"}),
            (("--jobs", "3"), {"POLARS_MAX_THREADS": "1", "PYTHONHASHSEED": "3", "TZ": "Asia/Tokyo"}),
        ),
        1,
    ):
        assert _aggregate(feeds, tmp_path / str(run), *words, **environment) == expected
