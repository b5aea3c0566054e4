"""Histograms of one line against numpy's own counts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.reports.sparkline import BARS, histogram, sparkline


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=80), st.sampled_from([4, 8, 16]))
def test_bars_stand_where_numpy_counts(values: list[int], bins: int) -> None:
    """Bins of a width that is a power of two, so that no edge is a rounded one."""
    anchored = np.array([*values, -1024, 1024], dtype=np.float64)
    amounts, _ = np.histogram(anchored, bins=bins)
    bars = histogram(anchored, bins)
    assert len(bars) == bins
    assert [bar == BARS[0] for bar in bars] == [amount == 0 for amount in amounts]
    assert {bars[place] for place in np.flatnonzero(amounts == amounts.max())} == {BARS[-1]}
    assert bars == sparkline([int(amount) for amount in amounts])


def test_one_among_a_million_is_still_seen() -> None:
    assert sparkline([1, 0, 1_000_000]) == "▂▁█"


@pytest.mark.parametrize("values", [[3.5], [3.5, 3.5], [0.0, -0.0]])
def test_equal_values_are_one_bar(values: list[float]) -> None:
    assert histogram(np.array(values)) == "█"


def test_nothing_is_no_bar() -> None:
    assert histogram(np.array([])) == ""
    assert sparkline([]) == ""
    assert sparkline([0, 0]) == "▁▁"


def test_the_smallest_and_the_largest_doubles_have_bins() -> None:
    assert histogram(np.array([-1.7e308, 1.7e308]), bins=4) == "█▁▁█"
    assert histogram(np.array([0.0, 5e-324]), bins=4) in ("█▁▁█", "█")
