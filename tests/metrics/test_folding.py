"""The symbols beyond the limit, whatever comes and goes."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from calib.metrics.folding import SymbolFold
from calib.metrics.samples import Samples

FACT = "symbol_ticks"
Step = dict[str, int]


@settings(max_examples=200)
@given(
    st.lists(st.dictionaries(st.sampled_from("ABCDEF"), st.integers(0, 5), max_size=6), max_size=12), st.integers(1, 4)
)
def test_other_holds_every_increase_that_the_symbols_do_not_and_never_falls(steps: list[Step], limit: int) -> None:
    """Each step says which symbols are there, and how much each has counted since the step before."""
    fold, running = SymbolFold(limit), dict[str, int]()
    other = 0.0
    for step in steps:
        running = {symbol: running.get(symbol, 0) + more for symbol, more in step.items()}
        samples = Samples()
        for symbol, count in running.items():
            samples.add(FACT, count, symbol)
        fold.apply(samples)
        shown = {labels[0]: value for labels, value in samples.of(FACT).items()}
        own = {symbol: value for symbol, value in shown.items() if symbol != "other"}
        assert len(own) <= limit
        assert own.items() <= running.items()
        assert fold.folded == len(running) - len(own)
        total = shown.get("other", 0.0)
        assert isinstance(total, int | float)
        assert total >= other
        assert total >= sum(count for symbol, count in running.items() if symbol not in own)
        other = total


def test_a_symbol_called_other_is_added_to_the_others() -> None:
    fold, samples = SymbolFold(5), Samples()
    samples.add(FACT, 3, "other")
    samples.add(FACT, 4, "A")
    fold.apply(samples)
    assert dict(samples.of(FACT)) == {("A",): 4, ("other",): 3}


def test_a_symbol_that_vanished_makes_room() -> None:
    fold = SymbolFold(1)
    for present, shown in (("A", {"A"}), ("AB", {"A", "other"}), ("BC", {"C", "other"})):
        samples = Samples()
        for symbol in present:
            samples.add(FACT, 1, symbol)
        fold.apply(samples)
        assert {labels[0] for labels in samples.of(FACT)} == shown


def test_the_oldest_book_stands_for_the_others() -> None:
    fold, samples = SymbolFold(1), Samples()
    for symbol, age_ms in (("A", 1.0), ("B", 7.0), ("C", 5.0)):
        samples.add("cache_age_ms", age_ms, symbol)
        samples.add("slippage_bps", age_ms, symbol)
    fold.apply(samples)
    assert dict(samples.of("cache_age_ms")) == {("A",): 1.0, ("other",): 7.0}
    assert dict(samples.of("slippage_bps")) == {("A",): 1.0}
