"""Finished days: what is used, what is read again, and that nothing that happens to the entries ends a run."""

from __future__ import annotations

import gzip
import json
import os
import shutil
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import polars as pl
import pytest

from calib.config import Setting
from calib.dataset.build import build_dataset
from calib.dataset.finished import FinishedDays, identity
from calib.dataset.finished.entry import DayHeader, StoredEntry, encode
from calib.dataset.finished.identity import FileIdentity
from calib.dataset.finished.whole import WholeDataset
from calib.dataset.model import Dataset
from calib.errors import TooManyRejects
from tests.dataset.feeds import DAY_0, fill, good_feeds, tick, write
from tests.fitting.feeds import snapshot


@pytest.fixture(autouse=True)
def old_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The times of files written a moment ago are trusted, as those of old files are."""
    monkeypatch.setattr(identity, "SETTLED_NS", 0)


class Runs:
    """A directory of feeds, and datasets made of it again and again."""

    def __init__(self, root: Path) -> None:
        self.feeds, self.entries, self.out = root / "feeds", root / "entries", root / "out"

    def make(self, *, verify: bool = False, limit_bytes: int = 1 << 30, **options: Any) -> Dataset:
        self.finished = FinishedDays(self.entries, limit_bytes=limit_bytes, verify=verify, worth_bytes=0)
        return build_dataset(self.feeds, filters=(), out=self.out, jobs=1, finished=self.finished, **options)

    def counts(self, **options: Any) -> tuple[int, int, int]:
        """Of a run: files at hand, read on, read whole; its dataset is as without finished days."""
        made = self.make(**options)
        for name in ("verify", "limit_bytes"):
            options.pop(name, None)
        plain = build_dataset(self.feeds, filters=(), jobs=1, **options)
        assert made.intervals.equals(plain.intervals, null_equal=True)
        assert made.inputs == plain.inputs
        return self.finished.served, self.finished.continued, self.finished.read

    def rejects(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.out / "rejects").glob("*")}


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    made = Runs(tmp_path)
    good_feeds(made.feeds, hours=2)
    return made


def append(path: Path, *lines: dict[str, Any] | bytes) -> None:
    with path.open("ab") as handle:
        handle.writelines(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines)


def ticks(runs: Runs) -> Path:
    return runs.feeds / "pipeline_ticks_20250101.jsonl"


def test_an_unchanged_file_is_not_read_again(runs: Runs) -> None:
    assert runs.counts() == (0, 0, 2)
    assert runs.counts() == (2, 0, 0)
    ticks(runs).chmod(0o640)  # another ctime: the content is hashed, and is the same
    assert runs.counts() == (2, 0, 0)


def test_range_and_symbols_are_chosen_from_the_same_entry(runs: Runs) -> None:
    runs.make()
    assert runs.counts(symbols="ETHUSDT", start=DAY_0 + 600, end=DAY_0 + 1200) == (2, 0, 0)
    notes: list[str] = []
    assert runs.make(symbols=("ETHUSDT", "nobody"), note=notes.append).range.symbols == ["ETHUSDT"]
    assert notes == ["symbol nobody does not occur in the feeds of this range"]


def test_other_parameters_have_entries_of_their_own(runs: Runs) -> None:
    runs.make()
    assert runs.counts(interval_sec=60) == (0, 0, 2)
    assert runs.counts(tick_sample_rate=3) == (1, 0, 1)  # fills do not depend on it
    assert runs.counts(taker_fee_bps=3.0) == (1, 0, 1)
    assert runs.counts() == (2, 0, 0)


def test_a_file_that_has_grown_is_read_on(runs: Runs) -> None:
    runs.make()
    append(ticks(runs), tick(DAY_0 + 7200), b"garbage\n", tick(DAY_0 + 7201, "NEWUSDT"))
    assert runs.counts() == (1, 1, 0)
    append(ticks(runs), tick(DAY_0 + 7300))
    assert runs.counts() == (1, 1, 0)
    reject = b'{"line":1442,"reason":"bad_json","field":null,"text":"garbage"}\n'
    assert runs.rejects() == {"pipeline_ticks_20250101.jsonl.rejects.jsonl": reject}


def test_fills_that_have_grown_are_read_whole(runs: Runs) -> None:
    runs.make()
    append(runs.feeds / "fills_20250101.jsonl", fill(DAY_0 + 7200, trade_id="t30"))  # a duplicate of the first
    made = runs.make()
    assert (runs.finished.served, runs.finished.read) == (1, 1)
    assert made.inputs[0].rejected == {"duplicate": 1} or made.inputs[0].trade_id_conflicts == 1


def test_a_last_line_in_the_making(runs: Runs) -> None:
    """Counted as partial, then whole; its symbol was nobody's before."""
    runs.make()
    line = json.dumps(tick(DAY_0 + 7200, "NEWUSDT")).encode()
    append(ticks(runs), line[:-5])
    assert runs.counts() == (1, 1, 0)
    assert b"partial_tail" in runs.rejects()["pipeline_ticks_20250101.jsonl.rejects.jsonl"]
    append(ticks(runs), line[-5:])
    assert runs.counts() == (1, 1, 0)
    assert runs.rejects() == {}
    append(ticks(runs), b"...\n")  # it was not whole after all
    assert runs.counts() == (1, 1, 0)
    assert "NEWUSDT" not in runs.make().range.symbols
    notes: list[str] = []
    runs.make(symbols=("BTCUSDT", "NEWUSDT"), note=notes.append)
    assert "symbol NEWUSDT does not occur in the feeds of this range" in notes


def test_a_line_of_a_finished_interval_makes_the_file_be_read_whole(runs: Runs) -> None:
    runs.make()
    append(ticks(runs), tick(DAY_0 + 5))
    assert runs.counts() == (1, 0, 1)


def test_a_new_day_leaves_the_one_before_as_it_was(runs: Runs) -> None:
    """Its file may still get its last lines, and a torn last line of it is no partial tail any more."""
    append(ticks(runs), b'{"ts"')
    runs.make()
    good_feeds(runs.feeds, day=1)
    assert runs.counts() == (1, 1, 2)
    append(ticks(runs), b"\n", tick(DAY_0 + 7300))
    assert runs.counts() == (3, 0, 1)  # not the newest any more: where it ended is not kept


def test_compressed_files(runs: Runs) -> None:
    path = ticks(runs)
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    path.unlink()
    assert runs.counts() == (0, 0, 2)
    assert runs.counts() == (2, 0, 0)
    append(packed, gzip.compress(json.dumps(tick(DAY_0 + 7300)).encode(), mtime=0))
    assert runs.counts() == (1, 0, 1)


@pytest.mark.parametrize("interval_sec", [7, 420, 3599])
def test_intervals_across_midnight_are_summed_from_the_lines_of_both_days(runs: Runs, interval_sec: int) -> None:
    shutil.rmtree(runs.feeds)
    for day in range(3):
        begin = DAY_0 + 86_400 * day
        write(runs.feeds, "pipeline_ticks", *(tick(begin + second) for second in range(0, 86_400, 300)))
    assert runs.counts(interval_sec=interval_sec) == (0, 0, 3)
    assert runs.counts(interval_sec=interval_sec) == (3, 0, 0)
    append(runs.feeds / "pipeline_ticks_20250103.jsonl", tick(DAY_0 + 3 * 86_400 - 1, mid=101.0))
    assert runs.counts(interval_sec=interval_sec) == (2, 1, 0)


def test_too_long_intervals_across_midnight_are_not_kept(runs: Runs) -> None:
    assert runs.counts(interval_sec=100_000) == (0, 0, 0)
    assert "none" in runs.finished.summary
    assert not runs.entries.exists()


def test_markouts_follow_the_book_of_the_day_and_the_first_seconds_of_the_next(runs: Runs) -> None:
    end = DAY_0 + 86_400
    write(runs.feeds, "fills", fill(end - 20))
    write(runs.feeds, "book", *(snapshot(end - 40 + n, 100 + n / 100, symbol="BTCUSDT") for n in range(40)))
    next_day = [snapshot(end + n, 101 + n / 100, symbol="BTCUSDT") for n in range(100)]
    book = write(runs.feeds, "book", *next_day)
    assert runs.counts() == (0, 0, 2)
    assert runs.counts() == (2, 0, 0)
    content = book.read_bytes()
    append(book, snapshot(end + 200, 99.0, symbol="BTCUSDT"))  # past the longest horizon
    assert runs.counts() == (2, 0, 0)
    book.write_bytes(content.replace(b"101.", b"103."))
    before = runs.make().intervals["markout_30s_bps"].drop_nulls().to_list()
    assert runs.finished.read == 1
    book.write_bytes(content)
    assert runs.make().intervals["markout_30s_bps"].drop_nulls().to_list() != before


def test_a_torn_book_is_judged_again_once_there_is_a_newer_one(runs: Runs) -> None:
    book = write(runs.feeds, "book", *(snapshot(DAY_0 + n, 100, symbol="BTCUSDT") for n in range(200)))
    append(book, b'{"ts"')
    assert runs.make().inputs[-1].rejected == {"partial_tail": 1}
    write(runs.feeds, "book", snapshot(DAY_0 + 2 * 86_400, 100))
    assert runs.make().inputs[-1].rejected == {"bad_json": 1}


def test_rejects_are_written_again_and_the_ratio_is_judged_each_time(runs: Runs) -> None:
    append(ticks(runs), *[b"garbage\n"] * 100)
    with pytest.raises(TooManyRejects) as first:
        runs.make()
    written = runs.rejects()
    where = runs.out / "rejects" / f"{ticks(runs).name}.rejects.jsonl"
    assert where.is_file()
    assert str(where) in (first.value.hint or "")
    shutil.rmtree(runs.out)
    with pytest.raises(TooManyRejects) as again:
        runs.make()
    assert (runs.finished.served, runs.finished.read) == (2, 0)
    assert str(again.value) == str(first.value)
    assert runs.rejects() == written
    runs.make(max_reject_ratio=0.5)
    assert runs.finished.served == 2


def test_verify_hashes_what_the_identity_would_vouch_for(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that leaves size, times, inode and both ends as they were: only a hash of everything can tell."""
    monkeypatch.setattr(identity, "ENDS", 64)
    runs.make()
    content = ticks(runs).read_bytes()
    ticks(runs).write_bytes(content.replace(b'"mid": 100.0', b'"mid": 100.5', 500))
    (path,) = runs.entries.glob("pipeline_ticks*")
    entry = StoredEntry.open(path, DayHeader)
    header = msgspec.structs.replace(entry.header, identity=FileIdentity.of(ticks(runs)))
    sections = {name: entry.section(name) for name in entry.header.sections}
    path.write_bytes(b"".join(encode(header, sections)))
    runs.make()
    assert runs.finished.served == 2
    assert runs.counts(verify=True) == (1, 0, 1)
    assert runs.counts(verify=True) == (2, 0, 0)


def test_times_of_a_moment_ago_prove_nothing(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "SETTLED_NS", 3_600_000_000_000)
    monkeypatch.setattr(identity, "ENDS", 64)
    runs.make()
    status = FileIdentity.of(ticks(runs))
    assert not status.settled
    assert not status.proves(status)
    assert runs.counts() == (2, 0, 0)  # by its hash


@pytest.mark.parametrize("damage", ["empty", "cut", "flip", "directory", "pipe", "link"])
def test_damaged_entries_are_ignored(runs: Runs, damage: str) -> None:
    runs.make()
    for path in list(runs.entries.iterdir()):
        content = path.read_bytes()
        rows = content.index(b"ARROW1") + 40
        path.unlink()
        match damage:
            case "empty":
                path.write_bytes(b"")
            case "cut":
                path.write_bytes(content[:rows])
            case "flip":
                path.write_bytes(content[:rows] + bytes([content[rows] ^ 1]) + content[rows + 1 :])
            case "directory":
                path.mkdir()
            case "pipe":
                os.mkfifo(path)
            case "link":
                path.symlink_to(runs.feeds)
    assert runs.counts() == (0, 0, 2)


def test_a_directory_that_goes_while_a_run_is_at_it(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    runs.make()
    append(ticks(runs), tick(DAY_0 + 7200))
    finished = FinishedDays(runs.entries, worth_bytes=0)
    found = finished.look_up

    def look_up(*given: Any) -> Any:
        files = found(*given)
        shutil.rmtree(runs.entries)
        return files

    monkeypatch.setattr(finished, "look_up", look_up)
    made = build_dataset(runs.feeds, filters=(), jobs=1, finished=finished)
    assert (finished.served, finished.continued, finished.read) == (0, 0, 2)
    assert made.intervals.equals(build_dataset(runs.feeds, filters=(), jobs=1).intervals)
    assert runs.counts() == (2, 0, 0)  # they were written again


def test_an_entry_that_goes_after_the_others_were_used(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """The dataset was at hand, one file's entry is not any more: nothing of the first attempt is left."""
    for path in runs.feeds.iterdir():
        append(path, b"garbage\n")
    runs.make()
    rejects = runs.rejects()
    found = WholeDataset.read

    def read(self: WholeDataset) -> Any:
        dataset = found(self)
        for path in runs.entries.glob("*"):
            if not path.name.startswith("pipeline_ticks"):
                path.unlink()
            else:
                content = path.read_bytes()
                rows = content.index(b"ARROW1") + 40
                path.write_bytes(content[:rows] + bytes([content[rows] ^ 1]) + content[rows + 1 :])
        return dataset

    with monkeypatch.context() as patched:
        patched.setattr(WholeDataset, "read", read)
        assert runs.counts() == (0, 0, 2)
    assert runs.rejects() == rejects
    assert runs.counts() == (2, 0, 0)
    assert runs.rejects() == rejects


def test_a_file_that_changes_while_it_is_read_on(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its old bytes are compared while they are read, whatever its times and ends say."""
    monkeypatch.setattr(identity, "ENDS", 64)
    runs.make()
    content = ticks(runs).read_bytes()
    ticks(runs).write_bytes(content.replace(b'"mid": 100.0', b'"mid": 100.5', 500))
    append(ticks(runs), tick(DAY_0 + 7200))
    assert runs.counts() == (1, 0, 1)


def test_a_directory_that_cannot_be_written_ends_no_run(runs: Runs) -> None:
    runs.entries.write_text("a file stands in the way")
    assert runs.counts() == (0, 0, 2)
    assert "nothing was kept" in runs.finished.summary


def test_the_entries_used_longest_ago_go_first(runs: Runs) -> None:
    for length in (60, 120, 300):
        runs.make(interval_sec=length)
    paths = {path: path.stat().st_size for path in runs.entries.iterdir()}
    assert len(paths) == 9  # of each length two files and the dataset
    for age, path in enumerate(sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True)):
        os.utime(path, (1e9 - age, 1e9 - age))
    runs.make(interval_sec=60)  # the oldest are used again
    largest = max(paths.values())
    runs.make(interval_sec=60, limit_bytes=sum(paths.values()) - largest)
    assert len(list(runs.entries.iterdir())) < 9
    assert runs.counts(interval_sec=60) == (2, 0, 0)
    runs.make(interval_sec=300, limit_bytes=0)
    assert list(runs.entries.iterdir()) == []


def test_small_files_get_no_entry(runs: Runs) -> None:
    finished = FinishedDays(runs.entries)
    build_dataset(runs.feeds, filters=(), jobs=1, finished=finished)
    assert finished.read == 2
    assert [path.name[:14] for path in runs.entries.iterdir()] == ["pipeline_ticks"]  # of 190 KB; the fills have 36


def test_a_filter_of_the_callers_own_decides_anew_each_time(runs: Runs) -> None:
    """Its code may have changed though it looks the same: the days are at hand, the dataset is made of them again."""

    class Own:
        reason: ClassVar[str] = "low_ticks"
        setting: ClassVar[Setting | None] = None
        limit = 1.0
        everything: ClassVar[bool] = False

        def __repr__(self) -> str:
            return "Own()"

        def drops(self) -> pl.Expr:
            return pl.lit(value=self.everything)

    def kept() -> int:
        finished = FinishedDays(runs.entries, worth_bytes=0)
        made = build_dataset(runs.feeds, filters=(Own(),), jobs=1, finished=finished)
        return made.counts.kept

    assert kept() == 48  # 2 symbols, 2 h of 300 s
    Own.everything = True
    assert kept() == 0
