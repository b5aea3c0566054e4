"""Single lookups of mids, against those of arrays (`calib.recorded.mids`), an independent computation."""

from __future__ import annotations

import math
from array import array
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.recorded.mid_lookup import MidLookup
from calib.recorded.top_recorder import TopRows
from calib.recorded.tops import Tops

MAX_AGE_S = 2.0
STEPS = st.sampled_from([-0.5, 0.0, 0.25, 0.5, 1.0, 2.0, 2.25, 7.0])
"""Time may stand still, go back a little, and leave a mid too old."""
UNKNOWN = st.sampled_from([True, False, False, False])


@st.composite
def rows(draw: Any) -> TopRows:
    columns: list[array[float]] = [array("d") for _ in range(8)]
    breaks = array("d"), array("d")
    ts = 100.0
    for step, lasting, bid, unknown, unseen, broken in draw(
        st.lists(st.tuples(STEPS, STEPS, st.sampled_from([10.0, 10.5, 11.25]), UNKNOWN, UNKNOWN, UNKNOWN), max_size=30)
    ):
        ts += step
        exchange = math.nan if unknown else ts - 0.125
        seen = math.nan if unseen else exchange + lasting
        for column, value in zip(columns, (ts, exchange, ts + lasting, seen, bid, bid + 1, 1.0, 1.0), strict=True):
            column.append(value)
        if broken:
            breaks[0].append(ts)
            breaks[1].append(exchange)
    return TopRows(tuple(columns), breaks, array("d"), len(columns[0]), len(columns[0]), 0)


def same(found: list[float], expected: Any) -> bool:
    return np.array_equal(np.array(found, float), np.asarray(expected, float), equal_nan=True)


@settings(deadline=None)
@given(rows(), st.sampled_from(["receive", "exchange"]))
def test_they_are_those_of_arrays(recorded: TopRows, clock: str) -> None:
    mids = Tops.of(recorded).mids(clock, MAX_AGE_S)
    lookup = MidLookup.of(recorded, clock, MAX_AGE_S)
    columns = (lookup.times_s, lookup.values, lookup.seen_s, lookup.breaks_s)
    for found, expected in zip(columns, (mids.times_s, mids.values, mids.seen_s, mids.breaks_s), strict=True):
        assert same(list(found), expected)
    assert lookup.median_gap_s() == mids.median_gap_s()
    moments = np.array([*np.arange(95.0, 180.0, 0.125), math.nan, math.inf, -math.inf])
    assert same([lookup.at(moment) for moment in moments.tolist()], mids.at(moments, MAX_AGE_S))
    later = moments + 1.0
    broken = [lookup.broken(*pair) for pair in zip(moments.tolist(), later.tolist(), strict=True)]
    assert broken == mids.broken(moments, later).tolist()
