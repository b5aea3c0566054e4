"""Callback mode against a second, slow model of it: no loop, no cache, only a list of events walked in order."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calib.replay.latencies import LatencyChoice
from calib.replay.run import run_replay
from calib.replay.settings import ReplaySettings
from calib.replay.tally import ReadTally
from tests.replay.recording import STREAMED, delta, snapshot, tick, write

FRESH, HARD = 60, 200


@dataclass
class Model:
    """Times in ms. The true bid steps; the ask stands at 1000."""

    moves: list[tuple[int, int]]
    latency: int

    def bid_at(self, ms: int) -> int:
        return [bid for at, bid in [(0, 500), *self.moves] if at <= ms][-1]

    def answers(self, reads: list[int]) -> list[tuple[str, int, int, int]]:
        """(status, age, duration, error of the bid) of each read, in the order in which they end."""
        cached: tuple[int, int] | None = None  # bid, since when
        flight: int | None = None
        waiting: list[tuple[str, int]] = []
        found: list[tuple[int, int, tuple[str, int, int, int]]] = []

        def land(until: int) -> None:
            nonlocal cached, flight, waiting
            if flight is None or flight + self.latency > until:
                return
            now, bid = flight + self.latency, self.bid_at(flight + self.latency // 2)
            cached = bid, flight
            for status, began in waiting:
                entry = (status, now - flight, now - began, abs(bid - self.bid_before(now)))
                found.append((now, len(found), entry))
            flight, waiting = None, []

        for at in reads:
            land(at)
            age = None if cached is None else at - cached[1]
            if cached is not None and age is not None and age <= HARD:
                if age > FRESH and flight is None:
                    flight = at
                status = "fresh" if age <= FRESH else "stale"
                found.append((at, len(found), (status, age, 0, abs(cached[0] - self.bid_at(at)))))
            else:
                waiting.append(("miss" if flight is None else "coalesced", at))
                flight = at if flight is None else flight
        land(10**9)
        return [entry for _, _, entry in sorted(found)]

    def bid_before(self, ms: int) -> int:
        """An answer that comes at the very moment of a book line comes before it."""
        return [bid for at, bid in [(-1, 500), *self.moves] if at < ms][-1]


@settings(max_examples=60, deadline=None)
@given(
    moves=st.lists(st.tuples(st.integers(12, 1500), st.integers(400, 600)), max_size=30, unique_by=lambda m: m[0]),
    reads=st.lists(st.integers(11, 1500), min_size=1, max_size=40, unique=True),
    latency=st.sampled_from([8, 24, 92]),
)
def test_every_read_of_a_replay_is_that_of_the_model(
    moves: list[tuple[int, int]], reads: list[int], latency: int
) -> None:
    moves, reads = sorted(moves), sorted(reads)
    # The cut half-way through must not tie with a move: which of the two is first then is the loop's affair.
    moves = [(2 * at + 1, bid) for at, bid in moves]
    reads = [2 * at for at in reads]
    seen: list[tuple[str, int, int, int]] = []
    original = ReadTally.take

    def take(self: ReadTally, use_case: str, meta: Any, fetch_ms: float, *rest: Any) -> None:
        original(self, use_case, meta, fetch_ms, *rest)
        _, served, true = rest
        error = abs(served.bids[0][0] - true.best_bid[0])
        seen.append((meta.status, round(meta.age_ms), round(fetch_ms), round(error)))

    book: list[Any] = [snapshot(0.0, 1, [(500, 1)], [(1000, 1)]), delta(0.001, 2)]
    last = 500
    for number, (at, bid) in enumerate(moves, 3):
        book.append(delta(at / 1000, number, bids=[(last, 0), (bid, 1)] if bid != last else [(bid, 2)]))
        last = bid
    chosen = ReplaySettings(
        md_cache=STREAMED.changed(ttl_ms=FRESH, fresh_ms_for_pricing=FRESH, hard_ttl_ms=HARD),
        fill="callback",
        latency=LatencyChoice("constant", (float(latency),)),
    )
    with tempfile.TemporaryDirectory() as directory:
        feeds = write(Path(directory), book=book, pipeline_ticks=[tick(at / 1000) for at in reads])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ReadTally, "take", take)
            data = run_replay(feeds, chosen).data
    expected = Model(moves, latency).answers(reads)
    assert sorted(seen) == sorted(expected)
    assert data["overall"]["reads"] == len(reads)
