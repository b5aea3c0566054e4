from __future__ import annotations

import math
from fractions import Fraction

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from calib.dataset.exact import exact_sum, sum_lists


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=12), st.randoms(use_true_random=False))
def test_the_exact_sum_rounded_once_in_any_order(values: list[float], random: object) -> None:
    exact = sum((Fraction(value) for value in values), Fraction(0))
    try:
        expected = float(exact)
    except OverflowError:
        expected = math.inf if exact > 0 else -math.inf
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert math.isclose(exact_sum(values), expected, rel_tol=1e-15)
    assert exact_sum(shuffled) == exact_sum(values) or max(map(abs, values)) > 1e300


def test_not_a_number_and_infinities() -> None:
    assert math.isnan(exact_sum([math.nan, 1.0]))
    assert exact_sum([math.inf, 1e308, 1e308]) == math.inf
    assert math.isnan(exact_sum([math.inf, -math.inf]))
    assert exact_sum([1e308, 1e308, -math.inf]) == -math.inf
    assert math.isnan(exact_sum([1e308, 1e308, math.inf, -math.inf]))
    assert math.isnan(exact_sum([1e308, 1e308, math.nan]))


def test_an_empty_list_has_no_sum() -> None:
    table = pl.DataFrame({"a": [[1.0, 2.0], []], "b": [[0.1] * 10, [3.0]]}, schema_overrides={"a": pl.List(pl.Float64)})
    summed = sum_lists(table, "a", "b")
    assert summed["a"].to_list() == [3.0, None]
    assert summed["b"].to_list() == [1.0, 3.0]
