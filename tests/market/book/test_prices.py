"""Prices compared exactly: one decimal, one key, however it is spelled."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.errors import BadLevel
from calib.market.book.prices import price_key, quantity

#: Decimals of at most 15 significant digits, as (whole number, decimals).
decimals = st.tuples(st.integers(1, 10**15 - 1), st.integers(0, 18))


def exact(whole: int, places: int) -> Decimal:
    return Decimal(whole).scaleb(-places)


@given(decimals)
@settings(max_examples=300, deadline=None)
def test_every_spelling_of_a_decimal_gives_one_key(parts: tuple[int, int]) -> None:
    number = exact(*parts)
    plain = format(number, "f")
    spellings: list[Any] = [
        number,
        plain,
        plain + ("000" if "." in plain else ".000"),
        "0" + plain,
        f"{number:e}",
        float(number),
    ]
    if number == int(number):
        spellings.append(int(number))
    assert {price_key(spelling) for spelling in spellings} == {float(number)}


@given(decimals, decimals)
@settings(max_examples=300, deadline=None)
def test_different_decimals_have_different_keys(one: tuple[int, int], other: tuple[int, int]) -> None:
    first, second = exact(*one), exact(*other)
    assert (price_key(str(first)) == price_key(str(second))) is (first == second)
    assert (price_key(str(first)) < price_key(str(second))) is (first < second)


@given(st.integers(1, 10**7), st.integers(1, 1_000), st.sampled_from([2, 3, 4, 5, 8]))
@settings(max_examples=300, deadline=None)
def test_a_float_bent_by_arithmetic_is_led_back_to_its_decimal(ticks: int, steps: int, places: int) -> None:
    tick = 10.0**-places
    bent = ticks * tick + steps * tick
    assert price_key(bent) == float(exact(ticks + steps, places))


@pytest.mark.parametrize(("bent", "key"), [(0.1 + 0.2, 0.3), (0.1 * 3, 0.3), (1.1 + 2.2, 3.3), (4.35 * 100, 435.0)])
def test_classic_sums(bent: float, key: float) -> None:
    assert bent != key
    assert price_key(bent) == key


@pytest.mark.parametrize("spelling", [np.float64(1.1), np.float32(0.5), np.int64(3)])
def test_numpy_numbers_are_numbers(spelling: float) -> None:
    assert price_key(spelling) == float(spelling)


@pytest.mark.parametrize(
    "price",
    [
        math.nan,
        math.inf,
        -math.inf,
        0,
        0.0,
        -1,
        "-1",
        "nan",
        "inf",
        "Infinity",
        "",
        "abc",
        None,
        True,
        [1],
        "1e999",
        b"1",
    ],
)
def test_what_is_no_price_is_refused_by_name(price: object) -> None:
    with pytest.raises(BadLevel, match="price") as caught:
        price_key(price)  # type: ignore[arg-type]
    assert caught.value.name == "bad-level"


@pytest.mark.parametrize("qty", [math.nan, math.inf, -0.001, "-1", "nan", "", None, False, "1e999"])
def test_what_is_no_quantity_is_refused_by_name(qty: object) -> None:
    with pytest.raises(BadLevel, match="quantity"):
        quantity(qty)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["0.1234567890123456", "12345678901234567", Decimal("1.00000000000000001")])
def test_more_digits_than_a_double_tells_apart_are_refused(text: str) -> None:
    with pytest.raises(BadLevel, match="15 significant digits"):
        price_key(text)


def test_trailing_and_leading_zeros_are_no_digits() -> None:
    assert price_key("000000000000001.10000000000000000000") == 1.1
    assert price_key("0.00000000000000012") == 1.2e-16
