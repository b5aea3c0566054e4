"""Where the bot quotes: worked by hand on one book."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calib.simulation.instruments import instrument
from calib.simulation.market import Book
from calib.simulation.named_rng import NamedRng
from calib.simulation.pricing import Pricer

# BTCUSDT: 612,500 ticks, so a basis point is 61.25 ticks: a step of 61, and a lean of 92 (1.5 bps) at the limit.
BOOK = Book(bid=612_460, ask=612_540, update_id=1)


def test_half_the_spread_from_the_mid_at_first() -> None:
    pricer = Pricer(instrument("BTCUSDT"), NamedRng("first"))
    assert pricer.prices(BOOK, 0.0, too_close=False) == {+1: 612_460, -1: 612_540}


@pytest.mark.parametrize(("share", "buy", "sell"), [(1.0, 612_368, 612_461), (-1.0, 612_539, 612_632)])
def test_a_full_inventory_leans_both_prices_and_never_crosses(share: float, buy: int, sell: int) -> None:
    """Long: 612,460 - 92, and 612,540 - 92 stopped one tick above the bid. Short: the mirror of it."""
    prices = Pricer(instrument("BTCUSDT"), NamedRng("first")).prices(BOOK, share, too_close=False)
    assert prices == {+1: buy, -1: sell}


def test_a_bad_release_quotes_at_the_mid() -> None:
    odd = Book(bid=612_460, ask=612_541, update_id=1)  # the mid lies between two ticks: one to each side
    pricer = Pricer(instrument("BTCUSDT"), NamedRng("first"))
    assert pricer.prices(odd, 0.0, too_close=True) == {+1: 612_500, -1: 612_501}


def test_distances_are_tried_in_spells() -> None:
    """Rungs of 0, 1, 2 and 4 steps, in the shares 2 : 2 : 1 : 1 of the spells."""
    pricer = Pricer(instrument("BTCUSDT"), NamedRng("spells"))
    prices = [pricer.prices(BOOK, 0.0, too_close=False)[+1] for _ in range(60_000)]
    shares = {distance: n / len(prices) for distance, n in Counter(612_460 - price for price in prices).items()}
    assert set(shares) == {0, 61, 122, 244}
    for distance, expected in ((0, 1 / 3), (61, 1 / 3), (122, 1 / 6), (244, 1 / 6)):
        assert abs(shares[distance] - expected) < 0.05
    changes = sum(a != b for a, b in pairwise(prices))
    assert changes / len(prices) == pytest.approx((1 / 20) * (1 - 10 / 36), rel=0.1)  # not to the same rung again


@given(st.integers(3_000, 9_000), st.integers(1, 30), st.floats(-1, 1), st.booleans())
def test_no_quote_takes_on_the_book_it_was_made_for(bid: int, spread: int, share: float, bad: bool) -> None:
    book = Book(bid, bid + spread, 1)
    pricer = Pricer(instrument("NEARUSDT"), NamedRng("any"))
    for _ in range(30):
        prices = pricer.prices(book, share, too_close=bad)
        assert prices[+1] < book.ask
        assert prices[-1] > book.bid
