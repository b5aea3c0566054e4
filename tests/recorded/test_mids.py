"""Mids over time, worked by hand."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from calib.recorded.mids import Mids

NAN, INF = float("nan"), float("inf")
MIDS = Mids.of(
    np.array([0.0, 1.0, 3.0, 3.0, 8.0, 20.0]),
    np.array([100.0, 100.0, 101.0, 102.0, 102.0, 103.0]),
    np.array([5.0]),
)
"""100 from 0 to 1, 102 at 3 (the last of that time) and, after the book was unknown at 5, again at 8; 103 at 20."""


def values(array: Any) -> list[Any]:
    return list(np.asarray(array).tolist())


def test_equal_neighbours_are_one_mid_unless_a_break_or_silence_parts_them() -> None:
    assert values(MIDS.times_s) == [0.0, 3.0, 8.0, 20.0]
    assert values(MIDS.values) == [100.0, 102.0, 102.0, 103.0]
    assert values(MIDS.seen_s) == [1.0, 3.0, 8.0, 20.0]
    apart = Mids.of(np.array([0.0, 5.0, 10.1]), np.array([9.0, 9.0, 9.0]), max_step_s=5.0)
    assert (values(apart.times_s), values(apart.seen_s)) == ([0.0, 10.1], [5.0, 10.1])
    assert (len(MIDS), MIDS.end_s, MIDS.source) == (4, 20.0, "book")


def test_the_mid_at_a_time_or_strictly_before_it() -> None:
    assert values(MIDS.index(np.array([-1.0, 0.0, 2.9, 3.0, 30.0]))) == [-1, 0, 0, 1, 3]
    assert values(MIDS.index(np.array([0.0, 3.0, 3.1]), before=True)) == [-1, 0, 1]


def test_a_mid_is_known_until_it_is_too_old_or_the_book_is_unknown_or_nothing_follows() -> None:
    assert values(MIDS.valid_until(4.0)) == [5.0, 5.0, 12.0, 24.0]
    moments = np.array([-1.0, 0.0, 2.9, 4.9, 5.1, 8.0, 12.0, 12.1, 20.0, 20.1])
    expected = [NAN, 100.0, 100.0, 102.0, NAN, 102.0, 102.0, NAN, 103.0, NAN]
    np.testing.assert_array_equal(MIDS.at(moments, 4.0), expected)
    np.testing.assert_array_equal(MIDS.at(np.array([3.0, 8.0, 20.0]), 4.0, before=True), [100.0, NAN, NAN])


def test_a_break_after_the_one_time_and_at_or_before_the_other() -> None:
    assert values(MIDS.broken(np.array([4.0, 5.0, 4.0]), np.array([5.0, 9.0, 4.9]))) == [True, False, False]


def test_the_median_time_between_changes() -> None:
    assert MIDS.median_gap_s() == 5.0  # of 3, 5 and 12
    two = Mids.of(np.array([1.0, 4.0]), np.array([1.0, 2.0]))
    assert two.median_gap_s() == 3.0
    assert Mids.of(np.array([1.0]), np.array([1.0])).median_gap_s() == INF


def test_a_grid_splits_a_mid_where_it_was_still_observed() -> None:
    held = Mids.of(np.array([0.5, 5.0, 9.0, 9.5]), np.array([100.0, 100.0, 101.0, 101.0])).with_grid(2.0)
    # 100 was seen to 5: cut at 2 and 4, but not at 6 or 8; 101 is not cut.
    assert values(held.times_s) == [0.5, 2.0, 4.0, 9.0]
    assert values(held.values) == [100.0, 100.0, 100.0, 101.0]
    assert values(held.seen_s) == [5.0, 5.0, 5.0, 9.5]
    whole = Mids.of(np.array([2.0, 4.0]), np.array([100.0, 101.0])).with_grid(2.0)
    assert values(whole.times_s) == [2.0, 4.0]  # no cut where a mid begins


def test_no_mids_at_all() -> None:
    none = Mids.of(np.zeros(0), np.zeros(0))
    assert (len(none), none.end_s, none.median_gap_s(), len(none.with_grid(1.0))) == (0, -INF, INF, 0)
    np.testing.assert_array_equal(none.at(np.array([1.0, 2.0]), 4.0), [NAN, NAN])


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ([1.0, 2.0, 3.0], "the columns of the mids have different lengths"),
        ([1.0, 1.0], "the times of the mids must be strictly increasing"),
        ([2.0, 1.0], "the times of the mids must be strictly increasing"),
    ],
)
def test_columns_that_are_no_mids_are_refused(times: list[float], said: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(said)}$"):
        Mids(np.array(times), np.ones(2), np.array([5.0, 6.0]), np.zeros(0))
