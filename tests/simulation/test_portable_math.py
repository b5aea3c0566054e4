"""The portable functions against the machine's own."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from calib.simulation import portable_math


@given(st.floats(-300, 300))
def test_exp_is_the_exponential(x: float) -> None:
    assert math.isclose(portable_math.exp(x), math.exp(x), rel_tol=1e-13)


@given(st.floats(1e-300, 1e300))
def test_log_is_the_logarithm(x: float) -> None:
    assert math.isclose(portable_math.log(x), math.log(x), rel_tol=1e-13, abs_tol=1e-15)


def test_bits_are_pinned() -> None:
    """The same bits on another machine or version; both are the correctly rounded values (50 digits of `decimal`)."""
    assert portable_math.exp(-1.5).hex() == "0x1.c8f87724b5c1dp-3"
    assert portable_math.log(0.1).hex() == "-0x1.26bb1bbb55515p+1"
