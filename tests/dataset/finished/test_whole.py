"""A dataset whose files are all as they were: not put together again, and not written again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from calib.dataset import store
from calib.dataset.build import build_dataset
from calib.dataset.filters import LowTicks
from calib.dataset.finished import FinishedDays, identity
from calib.dataset.store import write_dataset
from calib.files import write_atomic
from tests.dataset.feeds import DAY_0, good_feeds, tick, write


@pytest.fixture(autouse=True)
def old_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The times of files written a moment ago are trusted, as those of old files are."""
    monkeypatch.setattr(identity, "SETTLED_NS", 0)


def make(root: Path, *formats: str, verify: bool = False, **options: Any) -> list[Path]:
    finished = FinishedDays(root / "entries", verify=verify, worth_bytes=0)
    dataset = build_dataset(root / "feeds", jobs=1, finished=finished, **options)
    return write_dataset(dataset, root, formats, whole=finished.whole)


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of files that were written, a run after the other."""
    good_feeds(tmp_path / "feeds")
    names: list[str] = []

    def noted(path: Path, content: Any) -> bool:
        names.append(path.suffix)
        return write_atomic(path, content)

    monkeypatch.setattr(store, "write_whole", noted)
    return names


def test_files_that_stand_are_not_written_again(tmp_path: Path, written: list[str]) -> None:
    (path,) = make(tmp_path, "json")
    content = path.read_bytes()
    make(tmp_path, "json")
    assert written == [".json"]
    make(tmp_path, "json", "csv")
    assert written == [".json", ".csv"]
    path.unlink()
    make(tmp_path, "json")
    assert written == [".json", ".csv", ".json"]
    assert path.read_bytes() == content


@pytest.mark.parametrize("verify", [False, True])
def test_a_file_that_was_changed_is_written_again(tmp_path: Path, written: list[str], verify: bool) -> None:
    (path,) = make(tmp_path, "json")
    content, status = path.read_bytes(), path.stat()
    path.write_bytes(content.replace(b"1", b"2"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    make(tmp_path, "json", verify=verify)
    assert path.read_bytes() == content
    path.touch()  # the same content with another time
    make(tmp_path, "json", verify=verify)
    assert written == [".json", ".json"]


def test_what_was_asked_and_what_the_files_hold_decide(tmp_path: Path, written: list[str]) -> None:
    make(tmp_path, "json")
    make(tmp_path, "json", symbols="BTCUSDT")
    make(tmp_path, "json", filters=(LowTicks(3),))
    make(tmp_path, "json", tick_sample_rate=3)
    assert len(written) == 4
    write(tmp_path / "feeds", "pipeline_ticks", *(tick(DAY_0 + n) for n in range(300)))
    make(tmp_path, "json")
    assert len(written) == 5


def test_the_notes_are_given_again(tmp_path: Path) -> None:
    good_feeds(tmp_path / "feeds")
    told: list[list[str]] = []
    for _ in range(2):
        notes: list[str] = []
        make(tmp_path, "json", symbols=("BTCUSDT", "nobody"), filters=(LowTicks(31),), note=notes.append)
        told.append(notes)
    assert told[0] == told[1]
    assert "symbol nobody does not occur in the feeds of this range" in told[0]
    assert any("low_ticks" in sentence for sentence in told[0])
