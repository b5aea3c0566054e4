"""Medians and their block-bootstrap intervals against slow computations of their own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.evaluation.bootstrap import MIN_BLOCKS, resampled_blocks


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_the_median_is_that_of_numpy(values: list[float]) -> None:
    found = resampled_blocks(np.array(values), np.zeros(len(values), np.int64), 1)
    assert found.median == pytest.approx(float(np.median(values)))
    assert found.estimate().low is None  # a single block says nothing of the spread


def test_each_resample_is_the_median_of_whole_blocks() -> None:
    """The same draws, with the blocks laid out value by value."""
    rng = np.random.default_rng(3)
    place = np.repeat(np.arange(12), rng.integers(1, 6, 12))
    values = rng.normal(size=place.size).round(3)
    found = resampled_blocks(values, place, 12, stream=5)
    draws = np.random.default_rng([1986, 5]).integers(0, 12, (1000, 12))
    slow = [np.median(np.concatenate([values[place == block] for block in draw])) for draw in draws]
    assert found.medians == pytest.approx(np.array(slow))


def test_the_interval_covers_where_rows_within_a_block_are_alike() -> None:
    """Twenty rows of a block share its level: single rows resampled would give an interval far too narrow."""
    covered = naive = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        values = np.repeat(rng.normal(size=40), 20) + 0.1 * rng.normal(size=800)
        found = resampled_blocks(values, np.repeat(np.arange(40), 20), 40).estimate()
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0 <= found.high
        spread = 1.2533 * float(values.std()) / 800**0.5  # a normal sample's median, rows taken as independent
        naive += abs(float(np.median(values))) <= 1.96 * spread
    assert covered >= 88
    assert naive <= 60


def test_many_values_are_read_off_quantiles() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(size=50_000)
    found = resampled_blocks(values, np.arange(50_000) // 1000, 50).estimate()
    assert found.low is not None
    assert found.high is not None
    # The standard error of a normal median: sqrt(pi / 2 / n) = 0.0056.
    assert found.high - found.low == pytest.approx(4 * 0.0056, rel=0.25)
    assert found.low < found.value < found.high  # type: ignore[operator]


def test_too_few_blocks_give_no_interval() -> None:
    values, place = np.arange(70.0), np.arange(70) // 10
    assert resampled_blocks(values, place, 7).estimate().low is None
    place = np.arange(70) * MIN_BLOCKS // 70
    assert resampled_blocks(values, place, MIN_BLOCKS).estimate().low is not None


def test_a_shift_is_that_of_the_medians() -> None:
    place = np.arange(100) // 5
    one, other = (resampled_blocks(np.arange(100.0) + by, place, 20, stream=by) for by in (0, 7))
    shift = one.shift_to(other)
    assert shift.value == 7.0
    assert shift.low is not None
    assert shift.high is not None
    assert shift.low < 7 < shift.high
