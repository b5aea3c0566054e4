"""The sanity filters: a battery that every one passes, and each one's own limit."""

from __future__ import annotations

import pickle
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.dataset.columns import NUMBERS
from calib.dataset.filters import DeadlineMiss, Filter, LowTicks, NonFinite, WsGap
from calib.dataset.filters.apply import apply_filters
from calib.dataset.model import DROPPED, INTERVALS

ALL: list[Filter] = [LowTicks(10), DeadlineMiss(0.05), WsGap(60.0), NonFinite()]
INF, NAN = float("inf"), float("nan")


def _rows(*rows: dict[str, Any]) -> pl.DataFrame:
    base = {"symbol": "A", "end_ts": 0, "ticks": 10, "fills": 0, "quotes": 0}
    return pl.DataFrame([{**base, "start_ts": n, **row} for n, row in enumerate(rows)], schema=INTERVALS)


def _reasons(filters: list[Filter], row: dict[str, Any]) -> list[str]:
    _, dropped = apply_filters(_rows(row), filters)
    return dropped["reasons"].to_list()[0] if dropped.height else []


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.reason)
def test_every_filter_answers_true_or_false_for_each_row_and_never_null(rule: Filter) -> None:
    full = {column.name: 1.0 for column in NUMBERS}
    answers = _rows({}, full, {column.name: NAN for column in NUMBERS}).select(rule.drops()).to_series()
    assert answers.dtype == pl.Boolean
    assert answers.null_count() == 0


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.reason)
def test_every_filter_can_be_sent_to_another_process_and_compared(rule: Filter) -> None:
    assert pickle.loads(pickle.dumps(rule)) == rule


@pytest.mark.parametrize("rule", [*ALL[1:]], ids=lambda rule: rule.reason)
def test_a_filter_says_nothing_of_what_is_missing(rule: Filter) -> None:
    assert _reasons([rule], {}) == []


@pytest.mark.parametrize(
    ("rule", "kept", "dropped"),
    [
        (LowTicks(10), {"ticks": 10}, {"ticks": 9}),
        (LowTicks(0), {"ticks": 0}, None),
        (DeadlineMiss(0.05), {"deadline_miss_rate": 0.05}, {"deadline_miss_rate": 0.0500001}),
        (WsGap(60.0), {"max_gap_s": 60.0}, {"max_gap_s": 60.000001}),
        (NonFinite(), {"net_bps": -1e308}, {"net_bps": -INF}),
        (NonFinite(), {"fill_rate": None}, {"fill_rate": NAN}),
    ],
)
def test_the_limit_itself_is_kept(rule: Filter, kept: dict[str, Any], dropped: dict[str, Any] | None) -> None:
    assert _reasons([rule], kept) == []
    if dropped is not None:
        assert _reasons([rule], dropped) == [rule.reason]


@pytest.mark.parametrize("name", [column.name for column in NUMBERS])
def test_any_number_that_is_none_is_seen(name: str) -> None:
    assert _reasons([NonFinite()], {name: INF}) == ["non_finite"]


@pytest.mark.parametrize("value", [float("nan"), -INF])
def test_nan_and_minus_infinity_are_not_finite_and_null_is_no_fault(value: float) -> None:
    assert _reasons([NonFinite()], {"net_bps": value}) == ["non_finite"]
    assert _reasons([NonFinite()], {"net_bps": None}) == []


def test_a_row_that_fails_several_filters_has_all_their_reasons_in_order() -> None:
    row = {"ticks": 1, "deadline_miss_rate": 1.0, "max_gap_s": 61.0, "net_bps": NAN}
    assert _reasons(ALL, row) == ["low_ticks", "deadline_miss", "ws_gap", "non_finite"]


def test_with_the_filter_off_a_number_that_is_none_is_null() -> None:
    kept, dropped = apply_filters(_rows({"net_bps": INF, "fill_rate": NAN, "max_gap_s": 2.0}), [])
    assert kept.select("net_bps", "fill_rate", "max_gap_s").row(0) == (None, None, 2.0)
    assert dropped.schema == DROPPED


@given(
    st.lists(
        st.fixed_dictionaries(
            {"ticks": st.integers(0, 20)},
            optional={
                "deadline_miss_rate": st.sampled_from([0.0, 0.05, 0.06]),
                "max_gap_s": st.sampled_from([1.0, 61.0]),
                "net_bps": st.sampled_from([1.0, INF, NAN]),
            },
        ),
        max_size=8,
    )
)
def test_every_row_is_either_kept_or_dropped_with_a_reason(rows: list[dict[str, Any]]) -> None:
    kept, dropped = apply_filters(_rows(*rows), ALL)
    assert sorted(kept["start_ts"].to_list() + dropped["start_ts"].to_list()) == list(range(len(rows)))
    assert all(dropped["reasons"].list.len() > 0)
    assert kept.schema == INTERVALS
