"""Samples: the figures of numpy and of fractions, wherever the numbers lie."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.files import AnonymousTempFile
from calib.replay import sample as module
from calib.replay import tally
from calib.replay.run import run_replay
from calib.replay.sample import Sample
from calib.replay.settings import ReplaySettings
from tests.replay.recording import STREAMED, delta, snapshot, trade, write

RATIOS = (0.0, 0.25, 0.5, 0.95, 0.99, 1.0)
number = (
    st.floats(0.0, 1e300, allow_subnormal=True)
    | st.sampled_from([0.0, -0.0, 36.0, 36.000000000000007, 5e-324])
    | st.integers(0, 3).map(float)
)


@pytest.fixture
def file() -> Iterator[AnonymousTempFile]:
    made = AnonymousTempFile()
    yield made
    made.close()


def sample_of(file: AnonymousTempFile, blocks: list[list[float]]) -> Sample:
    """The blocks lie in the file, but for the last."""
    made = Sample(file)
    for block in blocks:
        made.settle()
        made.new.extend(block)
    return made


@given(st.lists(st.lists(number, max_size=40), max_size=6), st.lists(st.lists(number, max_size=9), max_size=3))
def test_figures_are_those_of_numpy_whether_numbers_lie_in_memory_or_not(
    blocks: list[list[float]], more: list[list[float]]
) -> None:
    file = AnonymousTempFile()
    whole = sample_of(file, blocks)
    whole.include(sample_of(file, more))
    numbers = [value for block in [*blocks, *more] for value in block]
    assert len(whole) == len(numbers)
    for at_once in (4, 1 << 17):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "_AT_ONCE", at_once)
            if not numbers:
                assert (whole.quantiles(RATIOS), whole.mean, whole.max) == (None, None, None)
                continue
            assert whole.quantiles(RATIOS) == np.quantile(numbers, RATIOS, method="linear").tolist()
            assert whole.mean == float(sum(map(Fraction, numbers))) / len(numbers)
            assert whole.max == max(numbers)
    file.close()


def test_a_sample_that_is_part_of_another_goes_on_growing(file: AnonymousTempFile) -> None:
    part, whole = Sample(file), Sample(file)
    whole.include(part)
    part.new.append(2.0)
    part.settle()
    part.new.append(4.0)
    assert (len(whole), whole.mean) == (2, 3.0)


def test_a_million_numbers_take_no_more_memory_than_a_hundred_thousand(file: AnonymousTempFile) -> None:
    def peak(count: int) -> int:
        made = Sample(file)
        tracemalloc.start()
        for n in range(count):
            made.new.append(n * 0.001)
            if len(made.new) >= module.HELD:
                made.settle()
        found = made.quantiles([0.5]) or []
        held = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found == [pytest.approx((count - 1) * 0.0005)]
        return held

    few, many = peak(200_000), peak(1_000_000)
    assert many < few * 1.2
    assert many < 8_000_000


def test_a_replay_has_the_same_outcome_wherever_its_numbers_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book: list[Any] = [snapshot(0.0, 1, [(1000, 1)], [(1100, 1)])]
    book += [delta(n / 31, 1 + n, bids=[(1000 + n % 40, n % 3)]) for n in range(1, 400)]
    feeds = write(tmp_path / "feeds", book=book, trades=[trade(n / 7) for n in range(1, 80)])
    settings = ReplaySettings(md_cache=STREAMED, fill="callback", read_every_us=11_000)
    before = run_replay(feeds, settings).encode()
    monkeypatch.setattr(tally, "HELD", 10)
    monkeypatch.setattr(module, "_AT_ONCE", 50)
    assert run_replay(feeds, settings).encode() == before
