"""One battery for every live feature of the table, and what adding one takes."""

from __future__ import annotations

import math
import pickle
import random

import pytest

from calib.features import FEATURE_TABLE, FEATURES, FillSeen, LiveFeature, Smoothing
from calib.features.symbol import SymbolFeatures

EVENTS = ("on_tick", "on_book", "on_quote", "on_queue", "on_quote_gone", "on_fill")


def _feed(features: SymbolFeatures, seed: int, count: int = 300) -> None:
    """Random events of every kind, in order of time."""
    rng = random.Random(seed)
    for step in range(count):
        now = step * 10_000_000
        calls = {
            "on_tick": (rng.lognormvariate(2, 0.5), now),
            "on_book": (100 + rng.random(), 1 + rng.random(), now),
            "on_quote": (),
            "on_queue": (f"q{rng.randint(0, 5)}", rng.random() * 10, 1.0, now),
            "on_quote_gone": (f"q{rng.randint(0, 5)}",),
            "on_fill": (FillSeen(rng.random() < 0.5, rng.gauss(0, 1), rng.random(), rng.gauss(0, 1), now),),
        }
        for take in getattr(features, event := rng.choice(EVENTS)):
            take(*calls[event])


def _values(features: SymbolFeatures) -> list[float | None]:
    return [feature.get() for feature in features.features.values()]


@pytest.mark.parametrize("half_life_s", [None, 2.0])
def test_every_feature_keeps_the_contract(half_life_s: float | None) -> None:
    smoothing = Smoothing(0.2, half_life_s, window=50)
    features, again = SymbolFeatures(smoothing), SymbolFeatures(smoothing)
    assert _values(features) == [None] * len(FEATURE_TABLE)
    _feed(features, 1)
    _feed(again, 1)
    assert _values(features) == _values(again)
    assert all(value is not None and math.isfinite(value) for value in _values(features))
    copy = pickle.loads(pickle.dumps(features))
    _feed(features, 2)
    _feed(copy, 2)
    assert _values(copy) == _values(features)


@pytest.mark.parametrize("feature", FEATURE_TABLE, ids=FEATURES)
def test_every_feature_is_documented_bounded_and_listens(feature: type[LiveFeature]) -> None:
    assert feature.unit
    assert feature.definition
    assert feature.fed_by
    assert any(hasattr(feature, event) for event in EVENTS)
    features = SymbolFeatures(Smoothing(0.1, window=20))
    _feed(features, 3, 2000)
    small = len(pickle.dumps(features.features[feature.name]))
    _feed(features, 4, 20_000)
    assert len(pickle.dumps(features.features[feature.name])) < 2 * small + 2000


class BooksSeen(LiveFeature):
    """A dummy: how many books were seen."""

    name = "books_seen"
    unit = "books"
    definition = "count of books"
    fed_by = "`record_book`"

    def __init__(self, smoothing: Smoothing) -> None:
        self.count = 0
        self.volatility = smoothing.earlier["vol_realized"]

    def on_book(self, mid: float, top_qty: float, now_ns: int) -> None:
        self.count += 1

    def get(self) -> float | None:
        return float(self.count) if self.count else None


def test_a_new_feature_takes_one_class_and_one_line_in_the_table() -> None:
    features = SymbolFeatures(Smoothing(0.1), (*FEATURE_TABLE, BooksSeen))
    for take in features.on_book:
        take(100.0, 1.0, 0)
    assert features.features["books_seen"].get() == 1.0
