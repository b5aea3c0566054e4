"""Sorting more than memory holds: the order is that of `sorted`, whatever fits."""

from __future__ import annotations

import random
import tracemalloc
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.errors import UnwritableOutput
from calib.importers import Scratch
from calib.importers.spill import FAN_IN

ENTRIES = st.lists(st.binary(max_size=12), max_size=120)


@given(one=ENTRIES, two=ENTRIES, held_bytes=st.integers(1, 3000))
def test_entries_come_back_in_order_from_any_number_at_once(
    one: list[bytes], two: list[bytes], held_bytes: int
) -> None:
    with Scratch(held_bytes=held_bytes) as scratch:
        left, right = scratch.sorted(), scratch.sorted()
        for index in range(max(len(one), len(two))):
            for entries, chosen in ((one, left), (two, right)):
                if index < len(entries):
                    chosen.add(entries[index])
        assert (list(left), list(right)) == (sorted(one), sorted(two))
        assert (len(left), len(right)) == (len(one), len(two))
        assert list(left) == sorted(one)  # as often as one likes


@given(entries=ENTRIES, more=ENTRIES)
def test_others_may_need_the_memory_while_one_is_read(entries: list[bytes], more: list[bytes]) -> None:
    with Scratch(held_bytes=1000) as scratch:
        chosen, other = scratch.sorted(), scratch.sorted()
        for entry in entries:
            chosen.add(entry)
        reading = iter(chosen)
        found = list(islice(reading, len(entries) // 2))
        for entry in more:
            other.add(entry)
        assert [*found, *reading] == sorted(entries)
        assert (list(chosen), list(other)) == (sorted(entries), sorted(more))


@pytest.mark.parametrize("order", ["backwards", "shuffled", "two rows in turn"])
def test_any_number_of_runs_is_merged_a_few_at_a_time(order: str) -> None:
    numbers = list(range(FAN_IN * FAN_IN * 2))
    if order == "backwards":
        numbers.reverse()
    elif order == "shuffled":
        random.Random(1).shuffle(numbers)
    else:
        half = len(numbers) // 2
        numbers = [number for pair in zip(numbers[:half], numbers[half:], strict=True) for number in pair]
    with Scratch(held_bytes=150) as scratch:  # two entries: nearly every one begins a run
        chosen = scratch.sorted()
        for number in numbers:
            chosen.add(number.to_bytes(4, "big"))
        assert [int.from_bytes(entry, "big") for entry in chosen] == list(range(len(numbers)))


@settings(max_examples=20)
@given(sizes=st.lists(st.integers(0, 200_000), min_size=1, max_size=8))
def test_entries_larger_than_a_block_and_than_the_bound_are_whole(sizes: list[int]) -> None:
    entries = [bytes([index]) * size for index, size in enumerate(sizes)]
    with Scratch(held_bytes=1000) as scratch:
        chosen = scratch.sorted()
        for entry in reversed(entries):
            chosen.add(entry)
        assert list(chosen) == sorted(entries)


def test_memory_stays_within_the_bound_and_its_blocks() -> None:
    def peak(count: int) -> int:
        with Scratch(held_bytes=500_000) as scratch:
            chosen = scratch.sorted()
            tracemalloc.start()
            for number in range(count):
                chosen.add(b"%012d" % (number ^ 0x155) + bytes(188))  # out of order within 512
            assert sum(1 for _ in chosen) == count
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return most

    once, often = peak(10_000), peak(80_000)  # 2 MB, 16 MB
    assert often < once * 1.1
    assert often < 2_500_000


def test_its_file_has_no_name_and_goes_with_it(tmp_path: Path) -> None:
    def open_files() -> int:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())

    before = open_files()
    scratch = Scratch(tmp_path / "new", held_bytes=1)
    assert not (tmp_path / "new").exists()  # not before it is needed
    scratch.sorted().add(b"entry")
    assert list((tmp_path / "new").iterdir()) == []
    assert open_files() == before + 1
    scratch.close()
    scratch.close()
    assert open_files() == before


def test_a_place_that_takes_no_file_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_bytes(b"")
    with Scratch(tmp_path / "out", held_bytes=1) as scratch, pytest.raises(UnwritableOutput, match="cannot be written"):
        scratch.sorted().add(b"entry")


def test_a_full_disk_is_a_named_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.pwrite", full)
    with Scratch(tmp_path, held_bytes=1) as scratch, pytest.raises(UnwritableOutput, match="No space left"):
        scratch.sorted().add(b"entry")
