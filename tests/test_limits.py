"""Limits: at their edge, with missing values and NaN."""

from __future__ import annotations

import math

import pytest

from calib.limits import Limit, check_limits


@pytest.mark.parametrize(("sign", "at", "below"), [(">=", True, False), ("<=", True, True), ("<", False, True)])
def test_a_limit_at_its_edge(sign: str, at: bool, below: bool) -> None:
    assert Limit("x", sign, 1.0).holds(1.0) is at
    assert Limit("x", sign, 1.0).holds(0.5) is below
    assert Limit("x", sign, 1.0).holds(math.nan) is False


def test_a_missing_value_is_unknown_or_fails() -> None:
    limits = [Limit("a", ">=", 0.7), Limit("b", "<", 2.0)]
    values = {"a": None, "b": 1.0}
    assert [one.passed for one in check_limits(limits, values)] == [None, True]
    assert [one.passed for one in check_limits(limits, values, missing_fails=True)] == [False, True]
    assert check_limits(limits, values)[1].as_data() == {
        "name": "b",
        "sign": "<",
        "limit": 2.0,
        "value": 1.0,
        "passed": True,
    }
    with pytest.raises(KeyError):
        check_limits(limits, {"a": 1.0})
