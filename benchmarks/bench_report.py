"""Storing, reading and summarising a month of 45 symbols: 388,800 intervals of 300 s."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from calib.dataset.columns import COUNTS, NUMBERS
from calib.dataset.model import DROPPED, INTERVALS, Counts, Dataset, Filters, MissingDays, Params, Range, iso
from calib.dataset.store import read_dataset, write_dataset
from calib.reports.render import render_summary

START: Final = 1_735_689_600
SYMBOLS: Final = 45
SLOTS: Final = 30 * 288


def month() -> Dataset:
    """A dataset of random numbers; a tenth of them null."""
    random = np.random.default_rng(1)
    height = SYMBOLS * SLOTS
    starts = np.tile(START + 300 * np.arange(SLOTS), SYMBOLS)
    columns: dict[str, object] = {
        "symbol": np.repeat([f"SYM{n:02}USDT" for n in range(SYMBOLS)], SLOTS),
        "start_ts": starts,
        "end_ts": starts + 300,
        **{column.name: random.integers(10, 500, height) for column in COUNTS},
        **{column.name: random.random(height) for column in NUMBERS},
    }
    frame = pl.DataFrame(columns, schema=INTERVALS)
    missing = [pl.when(pl.Series(random.random(height) < 0.9)).then(pl.col(c.name)).alias(c.name) for c in NUMBERS]
    return Dataset(
        range=Range(
            from_=iso(START),
            to=iso(START + SLOTS * 300),
            interval_sec=300,
            symbols=[f"SYM{n:02}USDT" for n in range(SYMBOLS)],
        ),
        filters=Filters(low_ticks=10, deadline_miss=0.05, ws_gap=60.0, non_finite=True),
        params=Params(tick_sample_rate=10, maker_fee_bps=0.0, taker_fee_bps=0.0),
        inputs=[],
        missing_days=MissingDays(fills=[], pipeline_ticks=[]),
        counts=Counts(intervals=height, kept=height, dropped={}),
        intervals=frame.with_columns(missing),
        dropped=DROPPED.to_frame(),
    )


def seconds(run: Callable[[], object]) -> float:
    """The time of one run."""
    begin = time.perf_counter()
    run()
    return time.perf_counter() - begin


def main() -> None:
    """Print the table; compared with json.load of the same file."""
    dataset = month()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        print(f"{dataset.intervals.height} intervals, {SYMBOLS} symbols")
        for form in ("json", "parquet", "arrow", "csv"):
            took = seconds(lambda form=form: write_dataset(dataset, root, [form]))  # type: ignore[misc]
            [path] = root.glob(f"*.{form}")
            print(f"  write {form:<8} {took:7.2f} s  {path.stat().st_size / 1e6:7.1f} MB")
        for form in ("json", "parquet", "arrow"):
            [path] = root.glob(f"*.{form}")
            print(f"  read {form:<9} {seconds(lambda path=path: read_dataset(path)):7.2f} s")  # type: ignore[misc]
        [path] = root.glob("*.json")
        print(f"  json.load      {seconds(lambda: json.loads(path.read_bytes())):7.2f} s  (the peer)")
        print(f"  summary        {seconds(lambda: render_summary(dataset, root)):7.2f} s")


if __name__ == "__main__":
    main()
