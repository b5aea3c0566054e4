"""The book against a model of bare dicts, and its edges by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from calib.errors import BadLevel, DepthError
from calib.market import BookView, OrderBook

ticks = st.integers(1, 40)
amounts = st.integers(0, 5)


def spell(tick: int, how: str) -> Any:
    """A price of ``tick`` tenths in one of the ways in which venues and bots write it."""
    exact = Decimal(tick) / 10
    return {
        "text": format(exact, "f"),
        "long text": f"{exact:.8f}",
        "decimal": exact,
        "float": float(exact),
        "bent float": tick * 0.1,
    }[how]


changes = st.lists(
    st.tuples(ticks, amounts, st.sampled_from(["text", "long text", "decimal", "float", "bent float"])), max_size=6
)


class BookMachine(RuleBasedStateMachine):
    """Each side is a dict tick -> quantity; the book must show just that."""

    def __init__(self) -> None:
        super().__init__()
        self.keep: int | None = None
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.update_id: int | None = None
        self.old: list[tuple[BookView, BookView]] = []

    @initialize(keep=st.sampled_from([None, None, 1, 3]))
    def make(self, keep: int | None) -> None:
        self.keep = keep
        self.book = OrderBook("X", keep_levels=keep)

    def trim(self) -> None:
        for side, best in zip(self.sides, (max, min), strict=True):
            while self.keep is not None and len(side) > self.keep:
                side.pop(min(side) if best is max else max(side))

    @staticmethod
    def spelled(side: list[tuple[int, int, str]]) -> list[tuple[Any, Any]]:
        return [(spell(tick, how), str(qty) if how == "text" else qty) for tick, qty, how in side]

    @rule(bids=changes, asks=changes, update_id=st.integers(0, 99))
    def delta(self, bids: list[tuple[int, int, str]], asks: list[tuple[int, int, str]], update_id: int) -> None:
        self.book.delta(self.spelled(bids), self.spelled(asks), update_id)
        for side, changed in zip(self.sides, (bids, asks), strict=True):
            for tick, qty, _ in changed:
                side.pop(tick, None)
                if qty:
                    side[tick] = qty
        self.trim()
        self.update_id = update_id

    @rule(bids=changes, asks=changes, update_id=st.integers(0, 99))
    def snapshot(self, bids: list[tuple[int, int, str]], asks: list[tuple[int, int, str]], update_id: int) -> None:
        self.book.snapshot(self.spelled(bids), self.spelled(asks), update_id)
        for side, changed in zip(self.sides, (bids, asks), strict=True):
            side.clear()
            last = {tick: qty for tick, qty, _ in changed}
            side.update({tick: qty for tick, qty in last.items() if qty})
        self.trim()
        self.update_id = update_id

    @rule(depth=st.integers(1, 12))
    def read(self, depth: int) -> None:
        view = self.book.view(depth)
        bids, asks = self.sides
        assert view.bids == tuple((tick / 10, float(bids[tick])) for tick in sorted(bids, reverse=True)[:depth])
        assert view.asks == tuple((tick / 10, float(asks[tick])) for tick in sorted(asks)[:depth])
        assert (view.symbol, view.update_id, view.depth) == ("X", self.update_id, depth)
        assert self.book.view(depth) is view
        if len(self.old) < 5:
            self.old.append((view, BookView(*view)))

    @rule(bad=st.sampled_from([(math.nan, 1), (0, 1), ("x", 1), (1, -1), (1, math.nan)]), asks=changes)
    def bad_delta_empties_the_book(self, bad: tuple[Any, Any], asks: list[tuple[int, int, str]]) -> None:
        with pytest.raises(BadLevel):
            self.book.delta([("1.5", "3"), bad], self.spelled(asks), 5)
        self.sides = ({}, {})
        self.update_id = None

    @rule(bad=st.sampled_from([(math.inf, 1), (-2, 1), ("", 1), (1, "-1"), (1,)]))
    def bad_snapshot_changes_nothing(self, bad: tuple[Any, ...]) -> None:
        version = self.book.version
        with pytest.raises(BadLevel):
            self.book.snapshot([("1.5", "3"), bad], [], 5)
        assert self.book.version == version

    @precondition(lambda self: self.old)
    @rule()
    def a_view_once_given_never_changes(self) -> None:
        for view, copy in self.old:
            assert tuple(view) == tuple(copy)

    @invariant()
    def best_and_size(self) -> None:
        if not hasattr(self, "book"):
            return
        bids, asks = self.sides
        bid, ask = max(bids, default=None), min(asks, default=None)
        assert self.book.problems() == []
        assert self.book.size == (len(bids), len(asks))
        assert self.book.best_bid == (None if bid is None else (bid / 10, float(bids[bid])))
        assert self.book.best_ask == (None if ask is None else (ask / 10, float(asks[ask])))
        assert self.book.update_id == self.update_id
        both = bid is not None and ask is not None
        assert self.book.crossed is (bid is not None and ask is not None and bid > ask)
        assert self.book.locked is (both and bid == ask)
        assert (self.book.mid is None) is (self.book.spread_bps is None) is not both
        if bid is not None and ask is not None:
            assert self.book.mid == pytest.approx((bid + ask) / 20)
            assert self.book.spread_bps == pytest.approx(2e4 * (ask - bid) / (ask + bid))


TestBook = BookMachine.TestCase
TestBook.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)


def test_one_point_ten_is_one_level_in_every_spelling_no_ghost_levels_through_floats() -> None:
    book = OrderBook("X")
    for price in ("1.10", "1.1", 1.1, Decimal("1.100"), 1.0 + 0.1):
        book.delta([(price, 5)], [])
        assert book.size == (1, 0)
    book.delta([("1.1000", "0.0")], [])
    assert book.size == (0, 0)
    book.delta([("0.30", 1)], [])
    book.delta([(0.1 + 0.2, 0)], [])
    assert book.size == (0, 0)


def test_mid_and_spread_of_a_book_worked_by_hand() -> None:
    book = OrderBook("X")
    book.snapshot([("99.9", 1), ("99.8", 2)], [("100.1", 3)], 1)
    assert book.mid == 100.0
    assert book.spread_bps == pytest.approx(20.0)  # 0.2 / 100 = 20 bps
    view = book.view(1)
    assert (view.mid, view.spread_bps) == (book.mid, book.spread_bps)
    assert (view.best_bid, view.best_ask) == ((99.9, 1.0), (100.1, 3.0))


def test_an_empty_side_has_no_best_no_mid_no_spread() -> None:
    book = OrderBook("X")
    book.delta([(1, 1)], [])
    view = book.view(5)
    assert (book.best_ask, book.mid, book.spread_bps) == (None, None, None)
    assert (view.best_ask, view.mid, view.spread_bps) == (None, None, None)
    assert not book.crossed
    assert not book.locked


def test_locked_is_not_crossed() -> None:
    book = OrderBook("X")
    book.snapshot([("100.0", 1)], [("100", 1)])
    assert (book.locked, book.crossed, book.spread_bps) == (True, False, 0.0)
    book.delta([("100.1", 1)], [])
    assert (book.locked, book.crossed) == (False, True)


def test_a_view_is_frozen_once_per_version_and_depth() -> None:
    book = OrderBook("X")
    book.snapshot([(1, 1)], [(2, 1)], 1)
    first = book.view(10)
    assert book.view(10) is first
    assert book.view(5) is not first
    assert book.view(10) is first
    book.delta([(1, 2)], [], 2)
    assert book.view(10) is not first
    assert first.bids == ((1.0, 1.0),)


def test_the_views_of_a_thousand_depths_are_not_all_kept() -> None:
    book = OrderBook("X")
    book.snapshot([(1, 1)], [(2, 1)], 1)
    for depth in range(1, 1_001):
        assert book.view(depth).depth == depth
    assert len(book._views) <= 8


def test_removing_what_is_not_there_is_no_error() -> None:
    book = OrderBook("X")
    book.delta([("5", "0"), (7.5, 0)], [(Decimal(6), "0.000")], 1)
    assert book.size == (0, 0)


@pytest.mark.parametrize("depth", [0, -1])
def test_a_depth_below_one_is_a_named_error(depth: int) -> None:
    with pytest.raises(DepthError) as refused:
        OrderBook("X").view(depth)
    assert (refused.value.what, refused.value.hint) == (f"depth: {depth} is out of range", "Allowed: an integer >= 1")
    with pytest.raises(DepthError):
        OrderBook("X", keep_levels=depth)


def test_edges_and_the_levels_at_them_or_better() -> None:
    """A key is the price of a bid and the negative price of an ask: the better, the higher."""
    book = OrderBook("X")
    assert book.edges() == (math.inf, math.inf)
    book.snapshot([(10, 1), (9, 1), (8, 1)], [(11, 1), (12, 1)], 1)
    assert book.edges() == (8.0, -12.0)
    assert [book.counts_to(*edges) for edges in ((9.0, -11.0), (8.5, -12.0), (10.5, -10.5))] == [(2, 1), (2, 2), (0, 0)]
    assert book.reaches(9.0, -12.0, 2)
    assert not book.reaches(9.5, -12.0, 2)
    assert not book.reaches(9.0, -11.5, 2)
    assert book.reaches(-math.inf, -12.0, 2)
    assert book.reaches(8.0, -math.inf, 3)


def test_levels_that_are_no_pairs_are_a_named_error() -> None:
    for levels in ([1], [(1, 2, 3)], [None], 5):
        with pytest.raises(BadLevel, match="pairs"):
            OrderBook("X").delta(levels, [])  # type: ignore[arg-type]


def tampered_quantity(book: OrderBook) -> None:
    book._bids.levels[2.0] = -1.0


def tampered_order(book: OrderBook) -> None:
    book._bids.keys.reverse()


def tampered_key(book: OrderBook) -> None:
    book._asks.keys.append(-2.5)


def tampered_price(book: OrderBook) -> None:
    del book._bids.levels[2.0]
    book._bids.levels[0.1 + 0.2] = 1.0
    book._bids.keys[:] = [0.1 + 0.2, 1.0]


def tampered_view(book: OrderBook) -> None:
    book._bids.levels[2.0] = 7.0


@pytest.mark.parametrize(
    ("tamper", "found"),
    [
        (tampered_quantity, "hold 2.0 with -1.0"),
        (tampered_order, "not strictly sorted"),
        (tampered_key, "not those of their levels"),
        (tampered_price, "not a canonical price"),
        (tampered_view, "cached view of depth 2"),
    ],
)
def test_the_checker_sees_a_book_that_was_tampered_with(tamper: Callable[[OrderBook], None], found: str) -> None:
    book = OrderBook("X")
    book.snapshot([(1, 1), (2, 2)], [(3, 1)], 1)
    book.view(2)
    assert book.problems() == []
    tamper(book)
    assert found in "; ".join(book.problems())


def test_a_view_deeper_than_what_is_kept_in_order_is_whole() -> None:
    book = OrderBook("X")
    book.delta([], [(float(tick), 1.0) for tick in range(1, 3001)])
    for depth in (1, 300, 1, 2900, 5000):
        assert book.view(depth).asks == tuple((float(tick), 1.0) for tick in range(1, min(depth, 3000) + 1))
        book.delta([], [(0.5, 1.0)])
        book.delta([], [(0.5, 0.0)])
    assert book.problems() == []
