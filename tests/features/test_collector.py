"""The collector: ten features, hostile numbers, hammering threads, bounds."""

from __future__ import annotations

import pickle
import threading
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from calib.clock import VirtualClock
from calib.errors import BadObservation
from calib.features import FEATURES, FeatureCollector, SymbolScoreboard

S = 1_000_000_000


def _worked() -> FeatureCollector:
    """Two of everything, with alpha 0.5, so that each value can be had by hand."""
    collector = FeatureCollector(alpha=0.5, target_bps=1.0)
    collector.record_tick("X", 10.0)
    collector.record_tick("X", 20.0)
    collector.record_book("X", 99.0, 3.0, 101.0, 4.0, now_ns=0)
    collector.record_book("X", 100.0, 1.0, 102.0, 2.0, now_ns=1 * S)
    collector.record_quote("X")
    collector.record_quote("X")
    collector.record_queue("X", "q", 50.0, 10.0, now_ns=0)
    collector.record_queue("X", "q", 40.0, 10.0, now_ns=2 * S)
    collector.record_fill("X", "buy", 99.9, "maker", quote_price=99.9, mid_at_quote=100.0, mid_now=99.95, fee_bps=1.0)
    collector.record_fill("X", "sell", 100.0, "taker", quote_price=100.1, mid_at_quote=100.0, mid_now=100.05)
    return collector


def test_worked_example() -> None:
    got = _worked().snapshot("X")
    expected: dict[str, Any] = {
        "vol_realized": 1e4 * np.log(1.01),  # mid 100 -> 101 in 1 s
        "liq_top_depth": 5.0,  # 7, then half the way to 3
        # p95 of {10} is 10, of {10, 20} is 19.5: half the way
        "latency_p95": 14.75,
        # buy: (99.95 - 99.9) / 100 = 5 bps less the fee of 1, less the target of 1: 3; sell: -(0.05) -> -5 - 1 = -6
        "pnl_dev": -1.5,
        # tries 1 -> 1.5; hits 2
        "fill_rate": 2 / 1.5,
        "taker_share": 0.5,
        "queue_absorb_rate": 5.0,  # 10 in 2 s
        "queue_eta_ms": 10_000.0,  # (40 + 10) / 5 s
        # buy 0; sell 100 against 100.1: 0.1 / 100.1
        "slippage_bps": 0.5 * 0.1 / 100.1 * 1e4,
        # buy: mid fell by 5 bps: 5; sell: rose by 5 bps: 5
        "adverse_move_bps": 5.0,
    }
    assert set(expected) == set(FEATURES)
    for name, value in expected.items():
        assert getattr(got, name) == pytest.approx(value, rel=1e-9), name
    assert (got.fills_total, got.fills_maker, got.fills_taker) == (2, 1, 1)


def test_never_seen_is_none_and_is_not_remembered() -> None:
    collector = FeatureCollector()
    got = collector.snapshot("X")
    assert [getattr(got, name) for name in FEATURES] == [None] * 10
    assert collector.snapshot_all() == {}


def test_a_fill_without_mids_counts_but_claims_no_figures() -> None:
    collector = FeatureCollector()
    collector.record_fill("X", "buy", 10.0, "maker")
    got = collector.snapshot("X")
    assert (got.fills_total, got.pnl_dev, got.slippage_bps, got.adverse_move_bps) == (1, None, None, None)
    assert got.taker_share == 0.0


def test_net_falls_back_to_the_mid_at_the_fill_and_slippage_to_the_logged_one() -> None:
    collector = FeatureCollector()
    collector.record_fill("X", "buy", 99.0, "maker", mid_now=100.0, slip_bps=-2.5)
    got = collector.snapshot("X")
    assert got.pnl_dev == pytest.approx(100.0)
    assert (got.slippage_bps, got.adverse_move_bps) == (-2.5, None)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize("bad", [NAN, INF, -INF, -1.0, 10**400, "5", None], ids=repr)
def test_bad_numbers_are_refused_counted_and_never_absorbed(bad: Any) -> None:
    collector = _worked()
    before = collector.snapshot("X")
    calls: list[Callable[[], None]] = [
        lambda: collector.record_tick("X", bad),
        lambda: collector.record_book("X", bad, 1.0, 1.0, 1.0),
        lambda: collector.record_book("X", 1.0, bad, 1.0, 1.0),
        lambda: collector.record_book("X", 1.0, 1.0, bad, 1.0),
        lambda: collector.record_book("X", 1.0, 1.0, 1.0, bad),
        lambda: collector.record_queue("X", "q", bad, 1.0),
        lambda: collector.record_queue("X", "q", 1.0, bad),
        lambda: collector.record_fill("X", "buy", bad, "maker"),
    ]
    if bad is not None:  # None means "not known" there
        calls += [
            lambda: collector.record_fill("X", "buy", 1.0, "maker", quote_price=bad),
            lambda: collector.record_fill("X", "buy", 1.0, "maker", mid_at_quote=bad),
            lambda: collector.record_fill("X", "buy", 1.0, "maker", mid_now=bad),
        ]
    for call in calls:
        with pytest.raises(BadObservation) as caught:
            call()
        assert caught.value.where
    assert collector.refused == len(calls)
    assert collector.snapshot("X") == before


@pytest.mark.parametrize(
    ("side", "liquidity", "fee"), [("BUY", "maker", 0.0), ("buy", "both", 0.0), ("buy", "maker", NAN)]
)
def test_bad_words_and_fees_are_refused(side: str, liquidity: str, fee: float) -> None:
    collector = FeatureCollector()
    with pytest.raises(BadObservation):
        collector.record_fill("X", side, 1.0, liquidity, fee_bps=fee)
    assert collector.snapshot_all() == {}


def test_finite_prices_whose_figures_overflow_are_refused() -> None:
    collector = FeatureCollector()
    with pytest.raises(BadObservation):
        collector.record_fill("X", "buy", 1e308, "maker", quote_price=1e-308)
    with pytest.raises(BadObservation):
        collector.record_book("X", 5e-324, 1.7e308, 5e-324, 1.7e308)
    assert collector.refused == 2


def test_an_empty_symbol_is_refused() -> None:
    with pytest.raises(BadObservation):
        FeatureCollector().record_tick("", 1.0)


def test_free_threads_hammering_one_symbol_lose_nothing() -> None:
    collector, threads, each = FeatureCollector(), 8, 2000
    start = threading.Barrier(threads)

    def hammer(number: int) -> None:
        start.wait()
        for step in range(each):
            collector.record_tick("X", float(step))
            collector.record_quote("X")
            collector.record_fill("X", "buy", 1.0, "taker" if number % 2 else "maker")

    workers = [threading.Thread(target=hammer, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    got = collector.snapshot("X")
    assert (got.fills_maker, got.fills_taker) == (threads * each // 2, threads * each // 2)
    assert collector.total_ticks("X") == threads * each


def test_threads_that_meet_a_new_symbol_at_once_share_one_record_of_it() -> None:
    collector, threads = FeatureCollector(), 8
    for round_ in range(50):
        start = threading.Barrier(threads)

        def first(barrier: threading.Barrier = start, symbol: str = f"S{round_}") -> None:
            barrier.wait()
            collector.record_tick(symbol, 1.0)

        workers = [threading.Thread(target=first) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert collector.total_ticks(f"S{round_}") == threads


def test_symbols_are_bounded_and_the_least_recently_written_goes_first() -> None:
    collector = FeatureCollector(max_symbols=2)
    for symbol in ("A", "B", "A", "C"):
        collector.record_tick(symbol, 1.0)
    collector.snapshot("B")
    assert list(collector.snapshot_all()) == ["A", "C"]
    assert collector.forgotten == 1


def test_alpha_and_half_life_are_set_per_symbol() -> None:
    collector = FeatureCollector(alpha=0.5)
    collector.configure("SLOW", alpha=0.1)
    collector.configure("TIMED", half_life_s=10)
    for symbol in ("SLOW", "TIMED", "X"):
        collector.record_book(symbol, 1.0, 0.5, 1.0, 0.5, now_ns=0)
        collector.record_book(symbol, 1.0, 1.5, 1.0, 1.5, now_ns=20 * S)
    depths = {symbol: snapshot.liq_top_depth for symbol, snapshot in collector.snapshot_all().items()}
    assert depths == {"SLOW": pytest.approx(1.2), "TIMED": pytest.approx(2.5), "X": pytest.approx(2.0)}


def test_configure_starts_the_symbol_over_and_leaves_the_others() -> None:
    collector = FeatureCollector(alpha=0.5)
    for symbol in ("X", "OTHER"):
        collector.record_book(symbol, 1.0, 0.5, 1.0, 0.5, now_ns=0)
    collector.configure("X", alpha=0.1)
    assert "X" not in collector.snapshot_all()
    collector.record_book("X", 1.0, 8.0, 1.0, 8.0, now_ns=1 * S)
    assert collector.snapshot("X").liq_top_depth == 16.0  # the first observation is the average: nothing is left of 1.0
    assert collector.snapshot("OTHER").liq_top_depth == 1.0


@pytest.mark.parametrize("own_qty", [0, 0.0, -1.0])
def test_a_quote_of_nothing_is_refused(own_qty: float) -> None:
    collector = FeatureCollector()
    with pytest.raises(BadObservation) as refused:
        collector.record_queue("X", "q", 5.0, own_qty)
    assert "own_qty" in refused.value.where
    collector.record_queue("X", "q", 0.0, 1e-9)  # nothing ahead is a place in the queue


def test_a_snapshot_as_a_dict_has_every_feature_once_and_the_totals() -> None:
    got = _worked().snapshot("X").as_dict()
    assert list(got) == ["symbol", *FEATURES, "fills_total", "fills_maker", "fills_taker"]
    assert (got["symbol"], got["fills_total"], got["fills_maker"], got["fills_taker"]) == ("X", 2, 1, 1)
    assert got["queue_absorb_rate"] == 5.0


def test_times_come_from_the_clock_where_none_is_given() -> None:
    clock = VirtualClock()
    collector = FeatureCollector(clock=clock)
    collector.record_book("X", 100.0, 1.0, 100.0, 1.0)
    clock.advance_ms(4000)
    collector.record_book("X", 101.0, 1.0, 101.0, 1.0)
    assert collector.snapshot("X").vol_realized == pytest.approx(1e4 * np.log(1.01) / 2)


def test_a_pickled_collector_goes_on_as_the_original_would() -> None:
    one = _worked()
    other = pickle.loads(pickle.dumps(one))
    for collector in (one, other):
        collector.record_tick("X", 30.0)
        collector.record_queue("X", "q", 30.0, 10.0, now_ns=4 * S)
    assert one.snapshot_all() == other.snapshot_all()
    assert other.refused == 0


@pytest.mark.parametrize("settings", [{"alpha": 0.0}, {"window": 0}, {"target_bps": NAN}, {"max_symbols": 0}], ids=str)
def test_settings_out_of_range_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"is out of range; expected |is not a finite number"):
        FeatureCollector(**settings)


def test_scoreboard_ranks_by_gain_per_quote_drawn_towards_zero() -> None:
    collector = FeatureCollector(alpha=1.0)
    for symbol, fills, gain in (("MANY", 20, 0.01), ("ONE", 1, 0.05), ("LOSS", 20, -0.01)):
        for _ in range(fills):
            collector.record_quote(symbol)
            collector.record_fill(symbol, "buy", 100.0 - gain, "maker", mid_at_quote=100.0, mid_now=100.0)
    collector.record_tick("IDLE", 1.0)
    rows = SymbolScoreboard(collector).rows()
    # with alpha 1 the fill rate is 1; 1 bps x 20/40, 5 bps x 1/21, -1 bps x 20/40
    assert [row.symbol for row in rows] == ["MANY", "ONE", "LOSS", "IDLE"]
    assert [row.score for row in rows[:3]] == pytest.approx([0.5, 5 / 21, -0.5])
    assert (rows[3].score, rows[3].total_ticks) == (None, 1)


def test_a_symbol_takes_at_most_about_100_kb() -> None:
    """A full window of 1000 ticks and 64 quotes in their queues, measured by what Python allocates for them."""
    collector = FeatureCollector(window=1000)
    collector.record_tick("WARM", 1.0)
    tracemalloc.start()
    try:
        for step in range(3000):
            collector.record_tick("X", 10.0 + step * 0.001)
            collector.record_book("X", 99.0, 1.0 + step, 101.0, 2.0, now_ns=step * S)
            collector.record_queue("X", f"quote-{step}", 10.0 + step, 1.0, now_ns=step * S)
        allocated, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert allocated < 100_000


def test_a_quote_that_is_gone_is_followed_no_more() -> None:
    collector = FeatureCollector()
    collector.record_queue("X", "q", 10.0, 1.0, now_ns=0)
    collector.forget_quote("X", "q")
    collector.forget_quote("NEVER SEEN", "q")
    collector.record_queue("X", "q", 0.0, 1.0, now_ns=S)  # its first sight again: nothing was seen to be consumed
    assert collector.snapshot("X").queue_absorb_rate is None
    assert list(collector.snapshot_all()) == ["X"]
