"""Stream mode against a second, slow model of silence: every frame is looked at, one by one."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from calib.market import MDCacheConfig
from calib.replay.latencies import LatencyChoice
from calib.replay.run import run_replay
from calib.replay.settings import ReplaySettings
from calib.replay.tally import ReadTally
from tests.replay.recording import delta, snapshot, tick, trade, write

SILENCE = 300
FRESH, HARD = 400, 490
Step = tuple[int, str]
"""Milliseconds since the step before; ``book``, ``trade``, ``other`` (a trade of another symbol) or ``read``."""


def timed(steps: list[Step]) -> list[tuple[int, str]]:
    """The steps at their times, ms; reads only where the newest frame is young enough for the book to be served."""
    now, alive, found = 2000, 2000, [(2000, "book")]
    for gap, what in steps:
        now += gap
        if what != "read":
            alive = now
        elif now - alive > HARD:
            continue
        found.append((now, what))
    return found


def model(steps: list[tuple[int, str]]) -> list[tuple[str, int | None]]:
    """(status, age in ms) of each read; no age of stale ones: the refresh that one of them begins confirms the next."""
    order = {"book": 0, "trade": 1, "other": 1, "read": 2}
    alive = changed = silence_ended = 0
    answers: list[tuple[str, int | None]] = []
    for at, what in sorted(steps, key=lambda step: (step[0], order[step[1]])):
        if what == "read":
            silent = at - alive > SILENCE or silence_ended > changed
            answers.append(("stale", None) if silent else ("fresh", at - alive))
            continue
        if alive and at - alive > SILENCE:
            silence_ended = at
        alive = at
        if what == "book":
            changed = at
    return answers


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 40) | st.sampled_from([0, 100, 299, 300, 301, 450]),
            st.sampled_from(["trade", "trade", "other", "book", "read"]),
        ),
        max_size=60,
    )
)
@example([(100, "trade"), (301, "trade"), (10, "trade"), (10, "read"), (5, "book"), (5, "read")])
@example([(100, "trade"), (150, "trade"), (150, "trade"), (150, "trade"), (10, "read")])
@example([(0, "trade"), (1, "trade"), (299, "trade"), (301, "other"), (2, "trade"), (3, "read")])
def test_every_read_hears_the_frames_before_it(steps: list[Step]) -> None:
    told = timed(steps)
    seen: list[tuple[str, int | None]] = []
    original = ReadTally.take

    def take(self: ReadTally, use_case: str, meta: Any, *rest: Any) -> None:
        original(self, use_case, meta, *rest)
        seen.append((meta.status, round(meta.age_ms) if meta.status == "fresh" else None))

    books = [at for at, what in told if what == "book"]
    book = [snapshot(0.0, 1, [(500, 1)], [(1000, 1)])]
    book += [delta(at / 1000, number) for number, at in enumerate([500, 750, 1000, 1250, 1500, 1750, *books], 2)]
    trades = [trade(at / 1000, "X" if what == "trade" else "Y") for at, what in told if what in ("trade", "other")]
    ticks = [tick(at / 1000) for at, what in told if what == "read"]
    chosen = ReplaySettings(
        md_cache=MDCacheConfig(
            ttl_ms=FRESH, fresh_ms_for_pricing=FRESH, hard_ttl_ms=HARD, invalidate_on_ws_gap_ms=SILENCE
        ),
        latency=LatencyChoice("constant", (2.0,)),
    )
    with tempfile.TemporaryDirectory() as directory:
        feeds = write(Path(directory), book=book, trades=trades, pipeline_ticks=[*ticks, tick(3600.0)])
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ReadTally, "take", take)
            data = run_replay(feeds, chosen).data
    assert seen == model(told)
    assert data["recording"]["lines"]["trades"] == len(trades)
