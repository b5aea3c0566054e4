"""The live book under a venue, a wire and a bot that do their worst; see `tests.property.live_book_world`.

``make fuzz`` walks for as long as it is told (``FUZZ_S`` seconds, from seed ``FUZZ_FROM``).
"""

from __future__ import annotations

import os
import time

import pytest

from tests.property.live_book_world import Tally, explore

BLOCKS = 6
WALKS = 40
"""Walks of each block, with faults and without: about 10 s of CPU in all."""


def judge(seed: int, *, faults: bool) -> Tally:
    tally = explore(seed, faults=faults)
    assert tally.problems == [], f"seed {seed}, faults={faults}: {tally.problems[0]}"
    return tally


@pytest.mark.parametrize("block", range(BLOCKS))
def test_no_wrong_book_is_served_and_no_symbol_stays_dark(block: int) -> None:
    seen = [judge(seed, faults=True) for seed in range(block * WALKS, (block + 1) * WALKS)]
    assert sum(tally.stream_reads for tally in seen) > 1_500  # else the walks prove nothing
    assert sum(tally.rewinds for tally in seen) > 10
    assert sum(tally.lagging_copies for tally in seen) > 50


@pytest.mark.parametrize("block", range(BLOCKS))
def test_a_healthy_book_is_never_taken_away(block: int) -> None:
    for seed in range(block * WALKS, (block + 1) * WALKS):
        judge(seed, faults=False)


@pytest.mark.skipif("FUZZ_S" not in os.environ, reason="make fuzz runs it")
def test_for_as_long_as_it_is_told() -> None:
    seed, until_s = int(os.environ.get("FUZZ_FROM", "100000")), time.monotonic() + float(os.environ["FUZZ_S"])
    while time.monotonic() < until_s:
        judge(seed, faults=seed % 4 != 0)
        seed += 1
