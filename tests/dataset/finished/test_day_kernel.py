"""Days summed by the kernel give the entries that batches of lines give, and a later run goes on from them alike."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from calib.dataset import build
from calib.dataset.build import build_dataset
from calib.dataset.finished import FinishedDays, day_kernel
from calib.dataset.finished.day_sums import DayColumns
from calib.dataset.finished.entry import OPEN, REJECTS, ROWS, DayHeader, StoredEntry
from calib.dataset.model import Dataset
from calib.dataset.ticks import TickAggregator
from calib.errors import UnreadableInput
from calib.feeds.reading.native import library, status, stream
from tests.dataset.feeds import DAY_0, fill, tick, write

pytestmark = pytest.mark.skipif(library() is None, reason=status().reason)
LAST = DAY_0 + 40_000


def feeds_of(directory: Path) -> Path:
    """Ticks of several chunks and some fills: bad lines, lines out of order, one far too late, one symbol early."""
    dice = random.Random(5)
    lines: list[dict[str, Any] | bytes] = [tick(DAY_0 + 3, "GONEUSDT")]
    for n in range(40_000):
        late = dice.choice((0, 0, 0, 700))
        symbol = dice.choice(("BTCUSDT", "ETHUSDT", "Ωusdt"))
        lines.append(tick(max(DAY_0, DAY_0 + n - late), symbol, mid=100 + dice.random(), tick_total_ms=dice.random()))
    lines[900], lines[39_990] = b"garbage", b'{"ts":1}'
    lines.append(tick(DAY_0 + 5, "ETHUSDT"))
    write(directory, "fills", *(fill(DAY_0 + 30 * n, trade_id=f"t{n % 990}") for n in range(1000)))
    return write(directory, "pipeline_ticks", *lines)


def made(feeds: Path, entries: Path) -> tuple[Dataset, tuple[int, int, int]]:
    """The dataset; and the files at hand, read on, read whole."""
    finished = FinishedDays(entries, worth_bytes=0)
    dataset = build_dataset(feeds, filters=(), out=entries.with_name("out"), jobs=2, finished=finished)
    return dataset, (finished.served, finished.continued, finished.read)


@contextmanager
def python_only() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "summing_kernel", lambda: None)
        yield


def stored(entries: Path, kind: str) -> StoredEntry[DayHeader]:
    (path,) = entries.glob(f"{kind}_20250101.jsonl.*")
    return StoredEntry.open(path, DayHeader)


def append(path: Path, *lines: dict[str, Any]) -> None:
    with path.open("a") as handle:
        handle.writelines(json.dumps(line) + "\n" for line in lines)


def test_the_entries_are_those_of_batches(tmp_path: Path) -> None:
    path = feeds_of(tmp_path / "feeds")
    assert path.stat().st_size > 2 * stream.CHUNK
    by_kernel, counts = made(tmp_path / "feeds", tmp_path / "kernel")
    with python_only():
        by_batches, _ = made(tmp_path / "feeds", tmp_path / "batches")
    assert counts == (0, 0, 2)
    assert by_kernel.intervals.equals(by_batches.intervals, null_equal=True)
    assert by_kernel.inputs == by_batches.inputs
    for kind in ("pipeline_ticks", "fills"):
        one, other = (stored(tmp_path / name, kind) for name in ("kernel", "batches"))
        assert (one.section(ROWS), one.section(REJECTS)) == (other.section(ROWS), other.section(REJECTS))
        for name in ("stats", "symbols", "state", "unended", "tail_symbol", "key"):
            assert getattr(one.header, name) == getattr(other.header, name), name
        assert (one.header.state is None) == (kind == "fills")


@pytest.mark.parametrize("wild", [(), (86_000,)], ids=["in order", "after a line with a wild time"])
def test_a_grown_file_is_read_on_from_what_the_kernel_left(tmp_path: Path, wild: tuple[int, ...]) -> None:
    path = feeds_of(tmp_path / "feeds")
    append(path, *(tick(DAY_0 + ts) for ts in wild))
    made(tmp_path / "feeds", tmp_path / "kernel")
    append(path, tick(LAST), tick(LAST - 850, "ETHUSDT"), tick(LAST + 1, "NEWUSDT"))
    grown, counts = made(tmp_path / "feeds", tmp_path / "kernel")
    assert counts == (1, 1, 0)
    assert grown.intervals.equals(build_dataset(tmp_path / "feeds", filters=()).intervals, null_equal=True)


def test_a_file_that_something_else_wrote_to_meanwhile_is_read_whole_when_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the sums and the second look at the newest lines, one of them was of another symbol."""

    class Altered:
        def read_range(self, path: Path, identity: Any, offset: int, size: int) -> bytes:
            del identity
            content = path.read_bytes()[offset : offset + size]
            return content[:-1].replace(b"BTCUSDT", b"BTCUSDC") + content[-1:]

    path = feeds_of(tmp_path / "feeds")
    with monkeypatch.context() as patch:
        patch.setattr(day_kernel, "source_of", lambda _: Altered())
        made(tmp_path / "feeds", tmp_path / "kernel")
    assert stored(tmp_path / "kernel", "pipeline_ticks").header.state is None
    append(path, tick(LAST))
    grown, counts = made(tmp_path / "feeds", tmp_path / "kernel")
    assert counts == (1, 0, 1)
    assert grown.intervals.equals(build_dataset(tmp_path / "feeds", filters=()).intervals, null_equal=True)


def test_a_file_that_was_replaced_after_the_sums_ends_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is rotated before the second look at its newest lines: the sums are those of the file before."""

    class Replaced:
        def read_range(self, path: Path, identity: Any, offset: int, size: int) -> bytes:
            del identity, offset, size
            raise UnreadableInput("was replaced", where=str(path), hint="")

    feeds_of(tmp_path / "feeds")
    monkeypatch.setattr(day_kernel, "source_of", lambda _: Replaced())
    found, counts = made(tmp_path / "feeds", tmp_path / "kernel")
    assert counts == (0, 0, 2)
    assert found.intervals.equals(build_dataset(tmp_path / "feeds", filters=()).intervals, null_equal=True)
    assert stored(tmp_path / "kernel", "pipeline_ticks").header.state is None


def test_only_the_newest_intervals_are_kept_open(tmp_path: Path) -> None:
    """Of 40,000 s: half of the last chunk, up to 8,000 s, and what may come late before that."""
    feeds_of(tmp_path / "feeds")
    made(tmp_path / "feeds", tmp_path / "kernel")
    entry = stored(tmp_path / "kernel", "pipeline_ticks")
    lines = entry.frame(OPEN, DayColumns.of(TickAggregator(300, 10)).lines)
    assert 900 < lines.height < 15_000
    assert lines["line"].is_sorted()
    assert lines["ts"].min() % 300 < 2  # type: ignore[operator]  # whole intervals
    assert LAST - 10 < lines["ts"].max() < LAST  # type: ignore[operator]
