"""A day file that somebody compresses, renames, replaces or links while a logger has it open."""

from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from calib import FillLogger
from calib.errors import SinkFailed

NEW_YEAR = 1_735_689_600.0
MIDNIGHT = NEW_YEAR + 86_400
DAY, NEXT = "fills_20250101.jsonl", "fills_20250102.jsonl"


def fill(number: int, ts: float = NEW_YEAR) -> dict[str, Any]:
    return {"ts": ts, "symbol": "B", "side": "buy", "price": 1, "qty": 1, "liquidity": "maker", "trade_id": str(number)}


def ids(path: Path) -> list[int]:
    return [int(json.loads(line)["trade_id"]) for line in path.read_bytes().splitlines()]


def compress(path: Path, suffix: str = ".gz", *, keep: bool = False) -> None:
    """As the command does: the packed file first, then the plain one is removed."""
    path.with_name(path.name + suffix).write_bytes(gzip.compress(path.read_bytes()))
    if not keep:
        path.unlink()


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("background", [True, False])
def test_a_late_record_of_a_compressed_day_is_refused_and_counted(
    tmp_path: Path, background: bool, suffix: str
) -> None:
    fills = FillLogger(tmp_path, background=background)
    fills.log(fill(1))
    fills.log(fill(2, MIDNIGHT))
    fills.flush()
    compress(tmp_path / DAY, suffix)

    def log_late() -> None:
        fills.log(fill(3))
        fills.flush()

    with pytest.raises(SinkFailed, match="already compressed"):
        log_late()
    fills.log(fill(4, MIDNIGHT))
    fills.close()
    assert (fills.stats.lost, fills.stats.written) == (1, 3)
    assert names(tmp_path) == sorted([DAY + suffix, NEXT])
    assert ids(tmp_path / NEXT) == [2, 4]


def test_a_day_that_is_being_compressed_takes_no_line_that_the_compression_would_lose(tmp_path: Path) -> None:
    with FillLogger(tmp_path, background=False) as fills:
        fills.log(fill(1))
        compress(tmp_path / DAY, keep=True)
        with pytest.raises(SinkFailed, match="already compressed"):
            fills.log(fill(2))
    assert ids(tmp_path / DAY) == [1]
    assert (fills.stats.written, fills.stats.lost) == (1, 1)


def test_the_lines_of_other_days_in_one_batch_are_written(tmp_path: Path) -> None:
    fills = FillLogger(tmp_path, flush_interval_s=3600)
    fills.log(fill(1))
    fills.flush()
    compress(tmp_path / DAY)
    for number, ts in ((2, MIDNIGHT), (3, NEW_YEAR), (4, MIDNIGHT), (5, NEW_YEAR), (6, MIDNIGHT)):
        fills.log(fill(number, ts))
    with pytest.raises(SinkFailed, match="already compressed"):
        fills.close()
    assert ids(tmp_path / NEXT) == [2, 4, 6]
    assert (fills.stats.written, fills.stats.lost) == (4, 2)


def test_a_day_that_was_unpacked_again_is_logged_on(tmp_path: Path) -> None:
    with FillLogger(tmp_path, background=False) as fills:
        fills.log(fill(1))
        compress(tmp_path / DAY)
        with pytest.raises(SinkFailed):
            fills.log(fill(2))
        (tmp_path / DAY).write_bytes(gzip.decompress((tmp_path / f"{DAY}.gz").read_bytes()))
        (tmp_path / f"{DAY}.gz").unlink()
        fills.log(fill(3))
    assert ids(tmp_path / DAY) == [1, 3]


@pytest.mark.parametrize("how", ["renamed", "removed", "replaced"])
@pytest.mark.parametrize("background", [True, False])
def test_a_file_that_was_moved_is_noticed_told_and_followed_by_one_of_its_name(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, background: bool, how: str
) -> None:
    path, away = tmp_path / DAY, tmp_path / "away.jsonl"
    with caplog.at_level(logging.WARNING, "calib.feeds"), FillLogger(tmp_path, background=background) as fills:
        fills.log(fill(1))
        fills.flush()
        path.rename(away)
        if how == "removed":
            away.unlink()
        if how == "replaced":
            path.write_bytes(b'{"trade_id":"9"}\n')
        fills.log(fill(2))
        fills.flush()
        assert [repair.moved for repair in fills.repairs] == [True]
    assert ids(path) == ([9, 2] if how == "replaced" else [2])
    assert how == "removed" or ids(away) == [1]
    assert [str(path) in record.getMessage() for record in caplog.records] == [True]


def test_a_link_in_place_of_a_day_file_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    feeds = tmp_path / "feeds"
    feeds.mkdir()
    (feeds / DAY).symlink_to(victim)
    with FillLogger(feeds, background=False) as fills, pytest.raises(SinkFailed, match="symbolic link"):
        fills.log(fill(1))
    assert victim.read_text() == "precious"


def test_a_link_in_place_of_a_saved_tail_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (tmp_path / DAY).write_bytes(b"half")
    (tmp_path / f"{DAY}.tail-1").symlink_to(victim)
    with FillLogger(tmp_path, background=False) as fills:
        fills.log(fill(1))
    assert not victim.exists()
    assert (tmp_path / f"{DAY}.tail-2").read_bytes() == b"half"


def test_days_that_are_refused_do_not_close_those_that_are_open(tmp_path: Path) -> None:
    (tmp_path / "fills_20250103.jsonl.gz").write_bytes(b"")
    with FillLogger(tmp_path, background=False) as fills:
        fills.log(fill(1))
        fills.log(fill(2, MIDNIGHT))
        before = dict(fills._files._files)
        with pytest.raises(SinkFailed):
            fills.log(fill(3, MIDNIGHT + 86_400))
        assert fills._files._files == before
