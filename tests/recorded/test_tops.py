"""The best levels of a book over time, in lines made by hand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from calib.recorded.tops import TopRecorder, Tops

NAN = float("nan")


def line(ts: float, bids: Any, asks: Any, *, kind: str = "snapshot", late: float | None = 0.5, **ids: Any) -> Any:
    exchange = None if late is None else ts - late
    numbers = {"update_id": None, "first_update_id": None, "prev_update_id": None} | ids
    return SimpleNamespace(
        ts=ts, ts_exchange=exchange, symbol="X", type=kind, origin=None, bids=bids, asks=asks, **numbers
    )


def recorded(*lines: Any) -> Tops:
    recorder = TopRecorder("X")
    for each in lines:
        recorder.add(each)
    return recorder.finish()


BOOKS = (
    line(100.0, [(9.0, 5.0), (10.0, 1.0)], [(12.0, 4.0), (11.0, 2.0)]),
    line(101.0, [(10.0, 1.0)], [(11.0, 2.0)]),  # the same levels, 1 s later: the row goes on
    line(103.5, [(10.0, 1.0)], [(11.0, 2.0)], late=None),  # 2.5 s later: a row of its own
    line(104.0, [], [(11.0, 2.0)]),  # no bid: the book is unknown
    line(105.0, [(12.0, 1.0)], [(11.0, 2.0)]),  # crossed
    line(106.0, [(10.5, 3.0), (11.0, 0.0)], [(11.0, 2.0)], late=1.5),  # a level of nothing is none
)


def test_rows_breaks_and_counts() -> None:
    tops = recorded(*BOOKS)
    assert [column.tolist() for column in (tops.ts, tops.seen)] == [[100.0, 103.5, 106.0], [101.0, 103.5, 106.0]]
    np.testing.assert_array_equal(tops.ts_exchange, [99.5, NAN, 104.5])
    np.testing.assert_array_equal(tops.seen_exchange, [100.5, NAN, 104.5])
    levels = [column.tolist() for column in (tops.bid, tops.ask, tops.bid_qty, tops.ask_qty)]
    assert levels == [[10.0, 10.0, 10.5], [11.0, 11.0, 11.0], [1.0, 1.0, 3.0], [2.0, 2.0, 2.0]]
    assert (tops.breaks.tolist(), tops.breaks_exchange.tolist()) == ([104.0], [103.5])
    assert (tops.lines, tops.exchange_lines, tops.lag_s, tops.crossed) == (6, 5, 0.5, 1)
    assert tops.exchange_share == pytest.approx(5 / 6)


def test_mids_on_both_clocks() -> None:
    tops = recorded(*BOOKS)
    receive = tops.mids("receive", 60.0)
    assert (receive.times_s.tolist(), receive.values.tolist()) == ([100.0, 106.0], [10.5, 10.75])
    assert (receive.seen_s.tolist(), receive.breaks_s.tolist()) == ([103.5, 106.0], [104.0])
    assert tops.mids("receive", 2.0).times_s.tolist() == [100.0, 103.5, 106.0]  # 2.5 s unobserved
    exchange = tops.mids("exchange", 60.0)
    assert (exchange.times_s.tolist(), exchange.seen_s.tolist()) == ([99.5, 104.5], [100.5, 104.5])
    assert exchange.breaks_s.tolist() == [103.5]


def test_levels_at_a_time() -> None:
    levels = recorded(*BOOKS).at(np.array([99.0, 100.0, 105.9, 106.0]), "receive")
    np.testing.assert_array_equal(levels[0], [NAN, 10.0, 10.0, 10.5])
    np.testing.assert_array_equal(levels[1], [NAN, 11.0, 11.0, 11.0])
    np.testing.assert_array_equal(levels[2], [NAN, 1.0, 1.0, 3.0])
    np.testing.assert_array_equal(levels[3], [NAN, 2.0, 2.0, 2.0])
    nothing = recorded(line(100.0, [], []))
    np.testing.assert_array_equal(nothing.at(np.array([100.0]), "receive"), [[NAN]] * 4)
    assert (nothing.breaks.tolist(), nothing.crossed) == ([], 0)


def test_deltas_change_the_snapshot_before_them() -> None:
    tops = recorded(
        line(100.0, [(10.0, 1.0)], [(11.0, 2.0)], update_id=5),
        line(101.0, [(10.5, 3.0)], [], kind="delta", update_id=6),
        line(102.0, [(10.5, 0.0)], [(11.0, 7.0)], kind="delta", update_id=7),
        line(103.0, [], [], kind="delta", update_id=9),  # 8 is missing
    )
    bids, asks, bid_qty, ask_qty = tops.at(np.array([101.0, 102.0]), "receive")
    assert [column.tolist() for column in (bids, asks)] == [[10.5, 10.0], [11.0, 11.0]]
    assert [column.tolist() for column in (bid_qty, ask_qty)] == [[3.0, 1.0], [2.0, 7.0]]
    assert tops.breaks.tolist() == [103.0]


def test_a_minute_of_silence_is_a_break_and_a_second_row() -> None:
    book = [(10.0, 1.0)], [(11.0, 2.0)]
    assert recorded(line(100.0, *book), line(160.0, *book)).breaks.tolist() == []
    assert recorded(line(100.0, *book), line(160.5, *book)).breaks.tolist() == [160.5]


def test_a_break_without_the_venues_time_is_known_on_one_clock() -> None:
    tops = recorded(line(100.0, [(10.0, 1.0)], [(11.0, 2.0)]), line(101.0, [], [(11.0, 2.0)], late=None))
    assert tops.breaks.tolist() == [101.0]
    np.testing.assert_array_equal(tops.breaks_exchange, [NAN])
    assert tops.mids("exchange", 60.0).breaks_s.tolist() == []
