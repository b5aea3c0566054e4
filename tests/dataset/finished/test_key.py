"""What has entries of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from calib.dataset.fills import FillAggregator
from calib.dataset.finished import key
from calib.dataset.finished.key import key_of
from calib.dataset.grid import Grid
from calib.dataset.intervals import Summation
from calib.dataset.ticks import TickAggregator
from calib.feeds.contracts import Contract
from calib.feeds.reading.days import DayFile


def _file(path: str) -> DayFile:
    file = DayFile.of(Path(path))
    assert file is not None
    return file


def test_every_parameter_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    file, grid = _file("feeds/fills_20250101.jsonl"), Grid(300)
    sums: list[Summation] = [
        FillAggregator(0.0, 0.0),
        FillAggregator(0.1, 0.0),
        FillAggregator(0.0, 0.1),
        FillAggregator(0.0, 0.0, {"X": Contract()}),
        FillAggregator(0.0, 0.0, {"X": Contract(inverse=True)}),
        FillAggregator(0.0, 0.0, {"X": Contract(multiplier=2.0)}),
        TickAggregator(300, 10),
        TickAggregator(300, 11),
    ]
    keys = [key_of(file, grid, each) for each in sums]
    keys += [key_of(file, Grid(60), sums[0]), key_of(_file("other/fills_20250101.jsonl"), grid, sums[0])]
    keys += [key_of(_file("feeds/fills_20250102.jsonl"), grid, sums[0])]
    monkeypatch.setattr(key, "code_version", lambda: "other code")
    keys += [key_of(file, grid, sums[0])]
    assert len(set(keys)) == len(keys)


def test_the_order_of_contracts_does_not_count() -> None:
    file, grid = _file("feeds/fills_20250101.jsonl"), Grid(300)
    one = FillAggregator(0.0, 0.0, {"X": Contract(), "Y": Contract()})
    other = FillAggregator(0.0, 0.0, {"Y": Contract(), "X": Contract()})
    assert key_of(file, grid, one) == key_of(file, grid, other)
