"""A book that leans on a witness against one that keeps everything itself: nobody may tell them apart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from calib.market import OrderBook
from calib.replay import lazy
from calib.replay.lazy import LazyBook

quantities = st.sampled_from([0, 1, 2])
# They overlap in one price, so that books cross, but seldom: nobody leans on a witness while they do.
bids_of = st.lists(st.tuples(st.integers(1, 13), quantities), max_size=8)
asks_of = st.lists(st.tuples(st.integers(13, 25), quantities), max_size=8)
messages = st.lists(st.tuples(bids_of, asks_of), min_size=1, max_size=4)
Sides = tuple[list[tuple[int, int]], list[tuple[int, int]]]
UNIT = 1e-7
"""A tick so small that the quick test of canonical prices fails, and the slow one has to be asked."""


def levels(side: list[tuple[int, int]]) -> list[tuple[float, float]]:
    return [(tick * UNIT, float(qty)) for tick, qty in side]  # bent in its last digit, here and there


class LazyMachine(RuleBasedStateMachine):
    """What happens to a recorded market, and what faults make of it on the way to the witness."""

    @initialize(many=st.sampled_from([0, 3, 4096]))
    def make(self, many: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(lazy, "_MANY", many)  # prices kept in mind, before they are let go unasked
        self.eager = OrderBook("X")
        self.witness: OrderBook | None = None
        self.lazy = LazyBook("X", lambda: self.witness)
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
            self.lazy.brace()
            if self.held:  # behind what is held back already: a connection does not reorder
                self.held.append((levels(bids), levels(asks), self.id))
            elif self.witness is not None:
                self.witness.delta(levels(bids), levels(asks), self.id)
            self.take(levels(bids), levels(asks))
            if looked:
                self.shows_the_same()
            else:
                assert self.lazy.crossed == self.eager.crossed

    @rule(bids=bids_of, asks=asks_of)
    def lost_delta(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        self.id += 1
        self.lazy.brace()
        self.take(levels(bids), levels(asks))

    @rule(bids=bids_of, asks=asks_of)
    def delta_held_back(self, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
        self.id += 1
        self.lazy.brace()
        self.held.append((levels(bids), levels(asks), self.id))
        self.take(levels(bids), levels(asks))

    @precondition(lambda self: self.held and self.witness is not None)
    @rule()
    def what_was_held_arrives(self) -> None:
        for bids, asks, update_id in self.held:
            self.witness.delta(bids, asks, update_id)  # type: ignore[union-attr]
        self.held = []

    @rule(depth=st.integers(1, 6), anew=st.booleans())
    def witness_is_cut_from_the_truth(self, depth: int, anew: bool) -> None:
        view = self.eager.view(depth)
        if anew or self.witness is None:
            self.witness = OrderBook("X")
        self.held = []
        self.witness.snapshot(view.bids, view.asks, self.eager.update_id)

    @precondition(lambda self: self.witness is not None)
    @rule()
    def witness_is_dropped(self) -> None:
        assert self.witness is not None
        self.witness.clear()

    @rule()
    def witness_is_let_go(self) -> None:
        self.witness = None

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


LazyMachine.TestCase.settings = hypothesis_settings(max_examples=100, stateful_step_count=30, deadline=None)
TestLazyBook = LazyMachine.TestCase


def leaning(whole: list[tuple[float, float]], depth: int) -> tuple[LazyBook, OrderBook]:
    """A book of bids, and the witness cut from its top that it leans on."""
    witness = OrderBook("X")
    book = LazyBook("X", lambda: witness)
    book.snapshot(whole, [(200.0, 1.0)], 1)
    view = book.view(depth)
    witness.snapshot(view.bids, view.asks, 1)
    assert not book.crossed
    assert book.leans
    return book, witness


def test_levels_below_the_witness_come_to_light_when_its_own_are_gone() -> None:
    book, witness = leaning([(99.0, 1.0), (98.0, 2.0), (97.0, 3.0)], 1)
    book.brace()
    witness.delta([(99.0, 0.0)], [], 2)
    book.delta([(99.0, 0.0)], [], 2)
    assert witness.best_bid is None
    assert book.best_bid == (98.0, 2.0)
    assert book.view(5).bids == ((98.0, 2.0), (97.0, 3.0))
    assert book.leans


def test_levels_below_the_witness_come_between_its_own() -> None:
    book, witness = leaning([(99.0, 1.0), (98.0, 2.0), (97.0, 3.0)], 2)
    for update_id, change in enumerate([(95.0, 4.0), (99.0, 0.0)], 2):
        book.brace()
        witness.delta([change], [], update_id)
        book.delta([change], [], update_id)
    assert witness.view(2).bids == ((98.0, 2.0), (95.0, 4.0))
    assert book.view(2).bids == ((98.0, 2.0), (97.0, 3.0))
    assert book.leans


def test_a_level_below_the_witness_that_was_removed_stays_removed() -> None:
    book, witness = leaning([(99.0, 1.0), (9.83e-07, 2.0)], 1)
    for update_id, (price, qty) in enumerate([(9.830000000000002e-07, 0.0), (99.0, 0.0)], 2):
        book.brace()
        witness.delta([(price, qty)], [], update_id)
        book.delta([(price, qty)], [], update_id)
    assert book.best_bid is None
    assert book.size == (0, 1)


def test_a_witness_that_lost_a_message_is_leaned_on_no_more() -> None:
    book, witness = leaning([(99.0, 1.0), (98.0, 2.0)], 1)
    book.brace()
    book.delta([(98.5, 4.0)], [], 2)
    assert not book.leans
    witness.delta([(98.5, 9.0)], [], 3)
    assert book.view(5).bids == ((99.0, 1.0), (98.5, 4.0), (98.0, 2.0))
