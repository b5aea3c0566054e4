"""The verdicts do not depend on when they are asked for."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from calib.experiments import ABHarness, ABSettings

T0 = 1_750_000_020.0
NAMES = ["P0", "P1", "P2", "P3"]
SETTINGS = ABSettings(assignment="switchback", decision="sequential", min_fills=2, min_ticks=2, hold_s=60, block_s=60)


def records(seed: int, silences: list[int]) -> list[tuple[float, str, float]]:
    """Ticks and fills with silences between, up to hours."""
    rng, ts, found = random.Random(seed), T0, []
    for silence in silences:
        for _ in range(300):
            ts += rng.random()
            found.append((round(ts, 6), rng.choice(NAMES), rng.gauss(0, 2)))
        ts += silence
    return found


def play(found: list[tuple[float, str, float]], moments: list[float]) -> dict[str, Any]:
    ab = ABHarness("shadow", 0.5, symbols=NAMES, settings=SETTINGS)
    waiting = sorted(moments)
    for i, (ts, symbol, slip) in enumerate(found):
        while waiting and waiting[0] <= ts:
            ab.evaluate(waiting.pop(0))
        if i % 3:
            ab.record_tick(symbol, ts, 20 + slip, i % 50 == 0)
        else:
            ab.record_fill(symbol, ts, "buy", 100 * (1 + slip / 1e4), 1, "maker", quote_price=100.0, mid_now=100.0)
    ab.evaluate(found[-1][0] + 20)
    return ab.report()


@settings(max_examples=10, deadline=None)
@given(
    st.integers(0, 1000),
    st.lists(st.sampled_from([0, 30, 100, 400, 700, 5000]), min_size=1, max_size=4),
    st.lists(st.floats(0, 1), max_size=30),
)
def test_asking_often_or_once_gives_the_same_report(seed: int, silences: list[int], shares: list[float]) -> None:
    found = records(seed, silences)
    length = found[-1][0] - T0
    once = play(found, [])
    assert play(found, [T0 + share * length for share in shares]) == once
    assert play(found, [T0 + 5.0 * k for k in range(int(length / 5))]) == once
