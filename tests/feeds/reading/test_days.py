"""Finding feed files."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from calib.errors import DuplicateDayFile, NoFeeds, UnreadableInput
from calib.feeds.reading.days import (
    DayFile,
    Form,
    days_missing,
    find_days,
    is_newest,
    named_file,
    near_misses,
    newest_days,
)


def touch(directory: Path, *names: str) -> None:
    for name in names:
        (directory / name).touch()


def test_files_come_by_kind_and_day_and_others_are_ignored(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "pipeline_ticks_20250102.jsonl.zst",
        "fills_20250110.jsonl",
        "fills_20250102.jsonl.gz",
        "book_20250101.jsonl",
        "notes.txt",
        "fills_20250101.jsonl.tmp",
        "Fills_20250101.jsonl",
        "fills_20250230.jsonl",
        "fills_2025-01-01.jsonl",
        "fills_20250101.json",
        ".fills_20250101.jsonl.77.tmp",
        "fills_٢٠٢٥٠١٠١.jsonl",
    )
    found = find_days(tmp_path, ("fills", "pipeline_ticks"))
    assert [(file.kind, file.day, file.form) for file in found] == [
        ("fills", date(2025, 1, 2), Form.GZIP),
        ("fills", date(2025, 1, 10), Form.PLAIN),
        ("pipeline_ticks", date(2025, 1, 2), Form.ZSTD),
    ]
    assert [file.kind for file in find_days(tmp_path)] == ["book", "fills", "fills", "pipeline_ticks"]
    assert near_misses(tmp_path) == [
        "fills_2025-01-01.jsonl",
        "fills_20250101.json",
        "fills_20250101.jsonl.tmp",
        "fills_20250230.jsonl",
        "fills_٢٠٢٥٠١٠١.jsonl",
    ]


@pytest.mark.parametrize("forms", [("", ".gz"), ("", ".zst"), (".gz", ".zst")])
def test_two_forms_of_one_day_names_both(forms: tuple[str, str], tmp_path: Path) -> None:
    names = [f"fills_20250101.jsonl{form}" for form in forms]
    touch(tmp_path, *names, "fills_20250102.jsonl")
    with pytest.raises(DuplicateDayFile) as caught:
        find_days(tmp_path)
    assert all(f"{tmp_path / name} " in caught.value.what for name in names)
    assert caught.value.exit_code == 3


def test_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(NoFeeds, match="the directory does not exist"):
        find_days(tmp_path / "nowhere")


def test_an_empty_directory_and_one_with_other_kinds(tmp_path: Path) -> None:
    with pytest.raises(NoFeeds, match="holds no feed file of fills or pipeline_ticks"):
        find_days(tmp_path, ("fills", "pipeline_ticks"))
    touch(tmp_path, "book_20250101.jsonl", "fills_2025.jsonl")
    with pytest.raises(NoFeeds, match=r"not fills_2025\.jsonl"):
        find_days(tmp_path, ("fills",))


def test_a_file_in_place_of_the_directory(tmp_path: Path) -> None:
    touch(tmp_path, "feeds")
    with pytest.raises(UnreadableInput, match="is no directory"):
        find_days(tmp_path / "feeds")


def test_a_directory_named_like_a_feed(tmp_path: Path) -> None:
    (tmp_path / "fills_20250101.jsonl").mkdir()
    for look in (find_days, lambda path: named_file(path / "fills_20250101.jsonl")):
        with pytest.raises(UnreadableInput, match="is a directory, though named like a feed file"):
            look(tmp_path)


def test_a_pipe_named_like_a_feed_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fills_20250101.jsonl")
    with pytest.raises(UnreadableInput, match="no regular file"):
        find_days(tmp_path)


def test_a_link_that_leads_nowhere_and_one_that_leads_to_a_file(tmp_path: Path) -> None:
    touch(tmp_path, "data")
    link = tmp_path / "fills_20250101.jsonl"
    link.symlink_to(tmp_path / "data")
    assert len(find_days(tmp_path)) == 1
    link.unlink()
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(UnreadableInput, match="No such file"):
        find_days(tmp_path)


def test_a_file_given_by_name_must_be_named_like_a_feed(tmp_path: Path) -> None:
    touch(tmp_path, "fills.jsonl")
    with pytest.raises(UnreadableInput, match="not named like a feed"):
        named_file(tmp_path / "fills.jsonl")


def test_the_newest_day_of_each_kind(tmp_path: Path) -> None:
    touch(tmp_path, "fills_20250101.jsonl", "fills_20250103.jsonl", "book_20250102.jsonl")
    files = find_days(tmp_path)
    assert sorted(file.name for file in newest_days(files)) == ["book_20250102.jsonl", "fills_20250103.jsonl"]
    assert [is_newest(file) for file in files] == [True, False, True]


def test_holes_of_several_days(tmp_path: Path) -> None:
    touch(tmp_path, "fills_20241230.jsonl", "fills_20250103.jsonl", "book_20250101.jsonl")
    files = find_days(tmp_path)
    gone = days_missing(files, "fills", date(2024, 12, 29), date(2025, 1, 4))
    assert [str(day) for day in gone] == ["2024-12-29", "2024-12-31", "2025-01-01", "2025-01-02", "2025-01-04"]


def test_first_ts_is_midnight_utc() -> None:
    file = DayFile.of(Path("fills_20250101.jsonl"))
    assert file is not None
    assert file.first_ts == 1735689600
