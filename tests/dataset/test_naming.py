"""Nothing is overwritten by something else: names, forms of one name, and datasets without rows."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from calib.dataset.build import build_dataset
from calib.dataset.filters import chosen_filters
from calib.dataset.model import Dataset
from calib.dataset.naming import name_of
from calib.dataset.store import read_dataset, write_dataset
from calib.errors import WouldReplace
from calib.feeds.contracts import Contract
from tests.conftest import REPOSITORY

SAMPLES = REPOSITORY / "sample_feeds"
STEM = "calib_20250101_210000_20250101_220000"


def build(**options: Any) -> Dataset:
    """The dataset of an hour of the samples."""
    return build_dataset(SAMPLES, start="2025-01-01T21:00:00Z", end="2025-01-01T22:00:00Z", **options)


@pytest.fixture(scope="module")
def usual() -> Dataset:
    return build()


def test_defaults_add_nothing_to_the_name_however_they_are_given(usual: Dataset) -> None:
    assert name_of(usual) == STEM
    spelled = build(interval_sec=300, filters=chosen_filters({"aggregate.max_gap_sec": 60}), tick_sample_rate=10,
        maker_fee_bps=0, taker_fee_bps=-0.0, max_reject_ratio=0.5, jobs=1,
    )  # fmt: skip
    assert name_of(spelled) == STEM


def test_every_other_setting_is_another_name() -> None:
    changes: list[dict[str, Any]] = [
        {},
        {"interval_sec": 600},
        {"symbols": "BTCUSDT"},
        {"symbols": ["BTCUSDT", "ETHUSDT"]},
        {"filters": chosen_filters({"aggregate.min_ticks": 11})},
        {"filters": chosen_filters({"aggregate.max_deadline_miss_rate": 0.06})},
        {"filters": chosen_filters({"aggregate.max_gap_sec": 61.0})},
        *({"filters": chosen_filters(off=[name])} for name in ("low_ticks", "deadline_miss", "ws_gap", "non_finite")),
        {"tick_sample_rate": 11},
        {"maker_fee_bps": 1.0},
        {"maker_fee_bps": -1.0},
        {"taker_fee_bps": 1.0},
        {"contracts": {"BTCUSDT": Contract(inverse=True, multiplier=100.0)}},
    ]
    names = [name_of(build(**change)) for change in changes]
    assert len(set(names)) == len(changes)
    assert all(len(name) == len(STEM) + 9 for name in names[1:])


def test_the_order_and_repetition_of_symbols_make_no_other_name() -> None:
    one, other = (
        name_of(build(symbols=symbols)) for symbols in (["BTCUSDT", "ETHUSDT"], ["ETHUSDT", "BTCUSDT", "ETHUSDT"])
    )
    assert one == other != STEM


def test_all_forms_of_one_name_agree_after_each_write(usual: Dataset, tmp_path: Path) -> None:
    write_dataset(usual, tmp_path, ["json", "parquet", "csv", "arrow"])
    thinned = _bare(usual)
    paths = write_dataset(thinned, tmp_path, ["parquet"], replace=True)
    assert [path.suffix for path in paths] == [".parquet", ".json", ".csv", ".arrow"]
    for form in ("json", "parquet", "arrow"):
        assert read_dataset(tmp_path / f"{STEM}.{form}").same_as(thinned)
    with (tmp_path / f"{STEM}.csv").open(newline="") as handle:
        assert len(list(csv.reader(handle))) == 1
    assert [path.suffix for path in write_dataset(usual, tmp_path / "one", ["arrow"])] == [".arrow"]


@pytest.mark.parametrize("form", ["json", "parquet", "csv", "arrow"])
def test_a_dataset_without_rows_replaces_none_that_has_some(usual: Dataset, tmp_path: Path, form: str) -> None:
    (path,) = write_dataset(usual, tmp_path, [form])
    before = path.read_bytes()
    bare = _bare(usual)
    for asked in ("json", "parquet", "csv", "arrow"):
        with pytest.raises(WouldReplace, match=f"has {usual.counts.kept} kept intervals.*--replace"):
            write_dataset(bare, tmp_path, [asked])
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == [path.name]
    write_dataset(bare, tmp_path, [form], replace=True)
    assert path.read_bytes() != before
    write_dataset(bare, tmp_path, [form])  # nothing is lost any more


def _bare(usual: Dataset) -> Dataset:
    """The same dataset with every row dropped."""
    rows = usual.intervals.select("symbol", "start_ts").with_columns(reasons=pl.lit(["low_ticks"]))
    dropped = pl.concat([usual.dropped, rows.cast(usual.dropped.schema)]).sort("symbol", "start_ts")
    counts = type(usual.counts)(intervals=dropped.height, kept=0, dropped=usual.counts.dropped)
    return Dataset(
        range=usual.range, filters=usual.filters, params=usual.params, inputs=usual.inputs,
        missing_days=usual.missing_days, counts=counts, intervals=usual.intervals.clear(), dropped=dropped,
    )  # fmt: skip


def test_a_damaged_file_in_the_way_is_replaced(usual: Dataset, tmp_path: Path) -> None:
    (tmp_path / f"{STEM}.json").write_text("{")
    (path,) = write_dataset(_bare(usual), tmp_path)
    assert read_dataset(path).counts.kept == 0
