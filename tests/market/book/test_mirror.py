"""A book that synced on a primary against one that keeps everything itself: nobody may tell them apart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from calib.market import OrderBook
from calib.market.book import mirror as lazy
from calib.market.book.mirror import MirrorBook

quantities = st.sampled_from([0, 1, 2])
# They overlap in one price, so that books cross, but seldom: nobody synced on a primary while they do.
bids_of = st.lists(st.tuples(st.integers(1, 13), quantities), max_size=8)
asks_of = st.lists(st.tuples(st.integers(13, 25), quantities), max_size=8)
messages = st.lists(st.tuples(bids_of, asks_of), min_size=1, max_size=4)
Sides = tuple[list[tuple[int, int]], list[tuple[int, int]]]
UNIT = 1e-7
"""A tick so small that the quick test of canonical prices fails, and the slow one has to be asked."""


def levels(side: list[tuple[int, int]]) -> list[tuple[float, float]]:
    return [(tick * UNIT, float(qty)) for tick, qty in side]  # bent in its last digit, here and there


class MirrorMachine(RuleBasedStateMachine):
    """What happens to a recorded market, and what faults make of it on the way to the primary."""

    @initialize(many=st.sampled_from([0, 3, 4096]))
    def make(self, many: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(lazy, "_MAX_TOUCHED", many)  # touched prices before they are evicted without a read
        self.eager = OrderBook("X")
        self.primary: OrderBook | None = None
        self.lazy = MirrorBook("X", lambda: self.primary)
        self.id = 0
        self.held: list[tuple[Any, Any, int]] = []

    def take(self, bids: Any, asks: Any) -> None:
        self.eager.delta(bids, asks, self.id)
        self.lazy.delta(bids, asks, self.id)

    @rule(bids=bids_of, asks=asks_of)
    def snapshot(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        self.id += 1
        for book in (self.eager, self.lazy):
            book.snapshot(levels(bids), levels(asks), self.id)

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.patch.undo()

    @rule(messages=messages, looked=st.booleans())
    def deltas(self, messages: list[Sides], looked: bool) -> None:
        for bids, asks in messages:
            self.id += 1
            self.lazy.before_primary_update()
            if self.held:  # behind what is held back already: a connection does not reorder
                self.held.append((levels(bids), levels(asks), self.id))
            elif self.primary is not None:
                self.primary.delta(levels(bids), levels(asks), self.id)
            self.take(levels(bids), levels(asks))
            if looked:
                self.shows_the_same()
            else:
                assert self.lazy.crossed == self.eager.crossed

    @rule(bids=bids_of, asks=asks_of)
    def lost_delta(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        self.id += 1
        self.lazy.before_primary_update()
        self.take(levels(bids), levels(asks))

    @rule(bids=bids_of, asks=asks_of)
    def delta_held_back(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        self.id += 1
        self.lazy.before_primary_update()
        self.held.append((levels(bids), levels(asks), self.id))
        self.take(levels(bids), levels(asks))

    @precondition(lambda self: self.held and self.primary is not None)
    @rule()
    def what_was_held_arrives(self) -> None:
        for bids, asks, update_id in self.held:
            self.primary.delta(bids, asks, update_id)  # type: ignore[union-attr]
        self.held = []

    @rule(depth=st.integers(1, 6), anew=st.booleans())
    def witness_is_cut_from_the_truth(self, depth: int, anew: bool) -> None:
        view = self.eager.view(depth)
        if anew or self.primary is None:
            self.primary = OrderBook("X")
        self.held = []
        self.primary.snapshot(view.bids, view.asks, self.eager.update_id)

    @precondition(lambda self: self.primary is not None)
    @rule()
    def witness_is_dropped(self) -> None:
        assert self.primary is not None
        self.primary.clear()

    @rule()
    def witness_is_let_go(self) -> None:
        self.primary = None

    @rule()
    def truth_is_lost(self) -> None:
        for book in (self.eager, self.lazy):
            book.clear()

    @rule(depth=st.integers(1, 30))
    def look(self, depth: int) -> None:
        assert self.lazy.view(depth) == self.eager.view(depth)

    @rule(what=st.sampled_from(["locked", "mid", "spread_bps", "size"]))
    def ask(self, what: str) -> None:
        assert getattr(self.lazy, what) == getattr(self.eager, what)
        assert self.lazy.problems() == []

    @invariant()
    def shows_the_same(self) -> None:
        if hasattr(self, "lazy"):
            assert self.lazy.crossed == self.eager.crossed  # asked after each message, as a stream does
            assert (self.lazy.best_bid, self.lazy.best_ask) == (self.eager.best_bid, self.eager.best_ask)
            assert self.lazy.update_id == self.eager.update_id


MirrorMachine.TestCase.settings = hypothesis_settings(max_examples=100, stateful_step_count=30, deadline=None)
TestLazyBook = MirrorMachine.TestCase


def leaning(whole: list[tuple[float, float]], depth: int) -> tuple[MirrorBook, OrderBook]:
    """A book of bids, and the primary cut from its top that it synced on."""
    primary = OrderBook("X")
    book = MirrorBook("X", lambda: primary)
    book.snapshot(whole, [(200.0, 1.0)], 1)
    view = book.view(depth)
    primary.snapshot(view.bids, view.asks, 1)
    assert not book.crossed
    assert book.synced
    return book, primary


def test_levels_below_the_witness_come_to_light_when_its_own_are_gone() -> None:
    book, primary = leaning([(99.0, 1.0), (98.0, 2.0), (97.0, 3.0)], 1)
    book.before_primary_update()
    primary.delta([(99.0, 0.0)], [], 2)
    book.delta([(99.0, 0.0)], [], 2)
    assert primary.best_bid is None
    assert book.best_bid == (98.0, 2.0)
    assert book.view(5).bids == ((98.0, 2.0), (97.0, 3.0))
    assert book.synced


def test_levels_below_the_witness_come_between_its_own() -> None:
    book, primary = leaning([(99.0, 1.0), (98.0, 2.0), (97.0, 3.0)], 2)
    for update_id, change in enumerate([(95.0, 4.0), (99.0, 0.0)], 2):
        book.before_primary_update()
        primary.delta([change], [], update_id)
        book.delta([change], [], update_id)
    assert primary.view(2).bids == ((98.0, 2.0), (95.0, 4.0))
    assert book.view(2).bids == ((98.0, 2.0), (97.0, 3.0))
    assert book.synced


def test_a_level_below_the_witness_that_was_removed_stays_removed() -> None:
    book, primary = leaning([(99.0, 1.0), (9.83e-07, 2.0)], 1)
    for update_id, (price, qty) in enumerate([(9.830000000000002e-07, 0.0), (99.0, 0.0)], 2):
        book.before_primary_update()
        primary.delta([(price, qty)], [], update_id)
        book.delta([(price, qty)], [], update_id)
    assert book.best_bid is None
    assert book.size == (0, 1)


def test_a_witness_that_lost_a_message_is_leaned_on_no_more() -> None:
    book, primary = leaning([(99.0, 1.0), (98.0, 2.0)], 1)
    book.before_primary_update()
    book.delta([(98.5, 4.0)], [], 2)
    assert not book.synced
    primary.delta([(98.5, 9.0)], [], 3)
    assert book.view(5).bids == ((99.0, 1.0), (98.5, 4.0), (98.0, 2.0))
