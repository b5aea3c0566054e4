"""One side of a book against a bare dict that is sorted whole at every question."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from calib.errors import BadLevel
from calib.market.book.book_side import BookSide, invalid_levels, read_levels

ticks = st.integers(1, 30)
changes = st.lists(st.tuples(ticks, st.integers(0, 3), st.sampled_from([float, str])), max_size=12)


def spelled(side: list[tuple[int, int, Any]]) -> list[tuple[Any, Any]]:
    """In tenths: a float that arithmetic may have bent, or a text."""
    return [(tick * 0.1 if kind is float else f"{tick // 10}.{tick % 10}", kind(qty)) for tick, qty, kind in side]


class SideMachine(RuleBasedStateMachine):
    """A few levels are kept in order, many more come and go: what is shown must never depend on which is which."""

    @initialize(bids=st.booleans(), reach=st.integers(1, 5))
    def make(self, bids: bool, reach: int) -> None:
        self.bids = bids
        self.side = BookSide(1.0 if bids else -1.0, reach)
        self.model: dict[int, int] = {}

    def change(self, tick: int, qty: int) -> None:
        self.model[tick] = qty
        if not qty:
            del self.model[tick]

    @rule(side=changes)
    def merge(self, side: list[tuple[int, int, Any]]) -> None:
        unknown_prices = []
        for tick, qty, _ in side:
            unknown_prices += [] if tick in self.model else [tick / 10]
            self.change(tick, qty)
        self.side.unknown_prices = []
        self.side.merge(spelled(side))
        assert self.side.unknown_prices == unknown_prices

    @rule(side=changes)
    def replace(self, side: list[tuple[int, int, Any]]) -> None:
        self.model = {}
        for tick, qty, _ in side:
            self.change(tick, qty)
        self.side.replace(read_levels(spelled(side)))

    @rule(keep=st.integers(1, 12))
    def trim(self, keep: int) -> None:
        self.side.trim(keep)
        self.model = dict(self.sorted()[:keep])

    @rule()
    def clear(self) -> None:
        self.model = {}
        self.side.clear()

    @rule(depth=st.integers(1, 40))
    def look(self, depth: int) -> None:
        assert self.side.cut(depth) == tuple((tick / 10, float(qty)) for tick, qty in self.sorted()[:depth])

    def sorted(self) -> list[tuple[int, int]]:
        return sorted(self.model.items(), reverse=self.bids)

    @invariant()
    def holds_the_same(self) -> None:
        if hasattr(self, "side"):
            assert self.side.levels == {tick / 10: float(qty) for tick, qty in self.model.items()}
            best = next(iter(self.sorted()), None)
            assert self.side.best == (None if best is None else (best[0] / 10, float(best[1])))
            assert self.side.problems("bids") == []


SideMachine.TestCase.settings = hypothesis_settings(max_examples=80, stateful_step_count=25, deadline=None)
TestSide = SideMachine.TestCase


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=60), st.integers(1, 3))
def test_a_side_that_runs_dry_near_the_touch_gathers_the_next_levels(removed: list[int], reach: int) -> None:
    side = BookSide(-1.0, reach)
    left = {float(tick): 1.0 for tick in range(1, 301)}
    side.merge(list(left.items()))
    side.cut(1)
    for tick in removed:
        best = min(left)
        for gone in (float(tick), best):  # wherever, and always the best
            left.pop(gone, None)
            side.merge([(gone, 0.0)])
        assert side.best == ((min(left), 1.0) if left else None)
        if not left:
            break


def test_a_price_that_is_canonical_by_its_15_digits_alone_meets_its_level() -> None:
    side = BookSide(1.0)
    side.merge([(9.83e-07, 1.0)])
    side.merge([(9.830000000000002e-07, 0.0)])
    assert side.levels == {}


@pytest.mark.parametrize("side", [[(1.0,)], [3.0], None, [("1.0", object())], [(float("nan"), 1.0)], [(1.0, -1.0)]])
def test_what_are_no_levels_of_a_snapshot_is_a_named_error(side: Any) -> None:
    with pytest.raises(BadLevel):
        read_levels(side)


def test_the_error_says_what_was_met() -> None:
    assert "levels must be pairs of price and quantity (so)" in str(invalid_levels(TypeError("so")))
