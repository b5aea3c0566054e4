"""What has entries of its own."""

from __future__ import annotations

from pathlib import Path

import grimp
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


OTHERS = {
    "_version",
    "arguments",
    "clock",
    "config",
    "errors",
    "files",
    "metrics",
    "pipes",
    "policy",
    "system",
    "words",
}
"""Packages that the rooms of the key import, and whose code affects no row."""


def test_every_room_whose_code_affects_the_rows_is_in_the_key() -> None:
    graph = grimp.build_graph("calib")
    modules = [module for room in key._ROOMS for module in graph.find_descendants(f"calib.{room}")]
    imported = {name for module in modules for name in graph.find_modules_directly_imported_by(module)}
    rooms = {name.split(".")[1] for name in imported if "." in name}
    assert rooms - set(key._ROOMS) == OTHERS
