"""How quotes' time is cut at the mid's changes; the traps of the method by their names."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.fitting.exposure import HIT, OPEN, RUN_OVER, WITHDRAWN, Exposure, QuoteSpans, cut_exposure
from calib.recorded.mids import Mids

NAN = float("nan")


def spans(*rows: tuple[float, float, float, float, bool]) -> QuoteSpans:
    """(sign, price, open, end, filled) of each quote; all mids by the series."""
    sign, price, open_s, end_s, filled = (np.array(column) for column in zip(*rows, strict=True))
    n = len(rows)
    return QuoteSpans(sign, price, open_s, end_s, filled.astype(bool), np.zeros(n, bool), np.full(n, NAN))


def mids(*points: tuple[float, float], breaks: list[float] | None = None) -> Mids:
    times, values = zip(*points, strict=True)
    return Mids.of(np.array(times), np.array(values), np.array(breaks or []))


def rows(found: Exposure) -> list[tuple[float, float, float]]:
    p = found.pieces
    return [
        (round(d, 9), round(e, 9), n)
        for d, e, n in zip(p.delta_bps.tolist(), p.exposure_s.tolist(), p.fills.tolist(), strict=True)
    ]


def test_a_mid_that_moves_at_the_fill_is_not_used() -> None:
    found = cut_exposure(
        spans((1.0, 99.0, 0.0, 10.0, True)), mids((-1.0, 100.0), (4.0, 99.5), (10.0, 98.0)), max_age_s=60
    )
    assert rows(found) == [(100.0, 4.0, 0.0), (50.0, 6.0, 1.0)]
    assert found.cause.tolist() == [HIT]


def test_distances_are_cut_at_every_change_of_the_mid() -> None:
    found = cut_exposure(
        spans((-1.0, 101.0, 0.0, 3.0, False)), mids((0.0, 100.0), (1.0, 100.5), (2.0, 100.0)), max_age_s=60
    )
    assert rows(found) == [(100.0, 1.0, 0.0), (50.0, 1.0, 0.0), (100.0, 1.0, 0.0)]
    assert found.cause.tolist() == [WITHDRAWN]


def test_a_quote_without_life_is_refused() -> None:
    found = cut_exposure(spans((1.0, 99.0, 5.0, 5.0, True), (1.0, 99.0, 5.0, 4.0, False)), mids((0.0, 100.0)))
    assert found.refused == {"no_life": 2}
    assert len(found.pieces) == 0


def test_run_over_fills_stay_out_of_lambda() -> None:
    """The mid falls to the bid, then the fill comes: a cause of its own, and no exposure from then on."""
    found = cut_exposure(
        spans((1.0, 99.0, 0.0, 10.0, True)), mids((0.0, 100.0), (4.0, 99.0), (6.0, 99.5)), max_age_s=60
    )
    assert rows(found) == [(100.0, 4.0, 0.0)]
    assert found.cause.tolist() == [RUN_OVER]


def test_min_delta_takes_quotes_out_earlier() -> None:
    """A venue whose book holds our own order: there the mid cannot pass us."""
    found = cut_exposure(
        spans((1.0, 99.0, 0.0, 10.0, True)), mids((0.0, 100.0), (4.0, 99.1)), min_delta_bps=20.0, max_age_s=60
    )
    assert rows(found) == [(100.0, 4.0, 0.0)]
    assert found.cause.tolist() == [RUN_OVER]


def test_a_mid_holds_at_most_its_age() -> None:
    found = cut_exposure(spans((1.0, 99.0, 0.0, 10.0, True)), mids((0.0, 100.0)), max_age_s=5.0)
    assert rows(found) == [(100.0, 5.0, 0.0)]
    assert found.dropped_s == 5.0
    assert found.refused == {"fill_without_mid": 1}


def test_age_counts_from_when_the_mid_was_last_seen() -> None:
    """Messages that leave the mid where it is show that the book is alive: silence is not a gap."""
    found = cut_exposure(
        spans((1.0, 99.0, 0.0, 10.0, True)), mids((0.0, 100.0), (3.0, 100.0), (6.0, 100.0)), max_age_s=5.0
    )
    assert rows(found) == [(100.0, 10.0, 1.0)]


def test_no_mid_holds_across_a_gap() -> None:
    found = cut_exposure(
        spans((1.0, 99.0, 0.0, 10.0, False)), mids((0.0, 100.0), (1.0, 100.0), (8.0, 100.0), breaks=[2.0]), max_age_s=60
    )
    assert rows(found) == [(100.0, 2.0, 0.0), (100.0, 2.0, 0.0)]
    assert found.dropped_s == 6.0


def test_no_mids_give_no_exposure() -> None:
    quotes = spans((1.0, 99.0, 0.0, 10.0, True))
    found = cut_exposure(quotes, Mids.of(np.zeros(0), np.zeros(0)))
    assert len(found.pieces) == 0
    assert found.refused == {"no_mid_at_open": 1}


def test_pieces_lie_within_one_minute() -> None:
    found = cut_exposure(spans((1.0, 99.0, 50.0, 70.0, False)), mids((0.0, 100.0), (80.0, 100.0)), max_age_s=60)
    assert rows(found) == [(100.0, 10.0, 0.0), (100.0, 10.0, 0.0)]
    assert found.pieces.cluster.tolist() == [0, 1]


def test_quotes_that_still_rest_are_no_withdrawals() -> None:
    quotes = spans((1.0, 99.0, 0.0, 2.0, False))
    still = dataclasses.replace(quotes, still_open=np.array([True]))
    assert cut_exposure(still, mids((0.0, 100.0))).cause.tolist() == [OPEN]


@st.composite
def cases(draw: st.DrawFn) -> tuple[QuoteSpans, Mids]:
    times = sorted(draw(st.sets(st.integers(0, 400), min_size=1, max_size=12)))
    values = draw(st.lists(st.sampled_from([98.0, 99.0, 100.0, 101.0]), min_size=len(times), max_size=len(times)))
    breaks = draw(st.lists(st.integers(0, 400), max_size=3))
    n = draw(st.integers(1, 6))
    quotes = [
        (
            draw(st.sampled_from([1.0, -1.0])),
            draw(st.sampled_from([97.5, 98.5, 99.5, 100.5, 101.5])),
            float(begin := draw(st.integers(0, 390))),
            float(begin + draw(st.integers(0, 60))),
            draw(st.booleans()),
        )
        for _ in range(n)
    ]
    return spans(*quotes), Mids.of(np.array(times, float), np.array(values), np.array(breaks, float))


@given(cases(), st.sampled_from([3.0, 20.0, 1000.0]))
def test_against_a_walk_second_by_second(case: tuple[QuoteSpans, Mids], age: float) -> None:
    """Everything lies on whole seconds, so that asking each second alone gives the same sums."""
    quotes, series = case
    found = cut_exposure(quotes, series, max_age_s=age, cluster_s=60.0)
    for place in range(len(quotes)):
        expected: dict[float, float] = {}
        base = float(series.at(quotes.open_s[place : place + 1], age)[0])
        alive = base == base
        begin, end = int(quotes.open_s[place]), int(quotes.end_s[place])
        for second in range(begin, end):
            value = _mid_during(series, second, age)
            if value is None or not alive:
                continue
            delta = float(quotes.sign[place] * (value - quotes.price[place]) / base * 1e4)
            alive = delta > 0
            if alive:
                expected[round(delta, 6)] = expected.get(round(delta, 6), 0.0) + 1.0
        mine = found.quote == place
        got: dict[float, float] = {}
        for delta, time in zip(found.pieces.delta_bps[mine], found.pieces.exposure_s[mine], strict=True):
            got[round(float(delta), 6)] = got.get(round(float(delta), 6), 0.0) + float(time)
        assert got == pytest.approx(expected)
        filled = found.pieces.fills[mine].sum()
        assert filled == (1.0 if found.cause[place] == HIT else 0.0)


def _mid_during(series: Mids, second: int, age: float) -> float | None:
    """The mid that may be used in (second, second + 1); past the end it holds for its age."""
    place = int(np.searchsorted(series.times_s, second, side="right")) - 1
    if place < 0:
        return None
    until = series.seen_s[place] + age
    later = [moment for moment in series.breaks_s if moment > series.times_s[place]]
    return float(series.values[place]) if second + 1 <= min([until, *later]) else None
