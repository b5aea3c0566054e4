from __future__ import annotations

import math
from fractions import Fraction

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.dataset.grid import Grid, Span
from calib.errors import BadRange

TIMES = st.floats(946_684_800, 4_102_444_800)
BOUNDARY = st.builds(
    lambda k, length, ulps: (_step(float(k * length), ulps), length),
    st.integers(10**6, 4 * 10**6),
    st.sampled_from([1, 7, 300, 420, 1000]),
    st.integers(-2, 2),
)


def _step(value: float, ulps: int) -> float:
    for _ in range(abs(ulps)):
        value = math.nextafter(value, math.copysign(math.inf, ulps))
    return value


@given(BOUNDARY | st.tuples(TIMES, st.integers(1, 31_536_000)))
def test_a_line_lies_in_the_interval_that_exact_arithmetic_gives(case: tuple[float, int]) -> None:
    ts, length = case
    expected = math.floor(Fraction(ts) / length)
    assert Grid(length).index(ts) == expected
    assert pl.DataFrame({"ts": [ts]}).select(Grid(length).index_of()).item() == expected


@given(TIMES, st.floats(1e-3, 1e6), st.integers(1, 100_000))
def test_a_widened_range_is_the_smallest_of_whole_intervals(start: float, length: float, interval_sec: int) -> None:
    end = start + length
    span = Grid(interval_sec).widen(start, end)
    assert span.start % interval_sec == span.end % interval_sec == 0
    assert span.start <= start < span.start + interval_sec
    assert span.end - interval_sec < end <= span.end


@pytest.mark.parametrize(
    ("span", "days"),
    [
        (Span(0, 86400), [0]),
        (Span(0, 86401), [0, 1]),
        (Span(86399, 86401), [0, 1]),
        (Span(86400, 172800), [1]),
    ],
)
def test_the_days_that_a_span_touches(span: Span, days: list[int]) -> None:
    assert list(span.days()) == days


@pytest.mark.parametrize(("start", "end"), [(5.0, 5.0), (6.0, 5.0), (-400.0, 5.0), (0.0, 253_402_300_800.0)])
def test_a_range_that_is_none(start: float, end: float) -> None:
    with pytest.raises(BadRange):
        Grid(300).widen(start, end)


def test_whether_every_midnight_is_a_boundary() -> None:
    assert [Grid(n).divides_a_day for n in (1, 7, 300, 86400, 86401)] == [True, False, True, True, False]
