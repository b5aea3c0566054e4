"""Deltas that are older than the book, and symbols with deltas."""

from __future__ import annotations

from pathlib import Path

import pytest

from calib.errors import MixedNumbering
from calib.feeds.reading.days import find_days
from calib.market.stream.sequence import Ids
from calib.recorded.origins import DeltaSymbols
from calib.recorded.repeated_deltas import REMEMBERED, RepeatedDeltas
from calib.recorded.sequence_detection import rule_for
from tests.replay.recording import START, delta, snapshot, write

BID, ASK = [(9.0, 1.0)], [(10.0, 1.0)]


def test_a_repeat_has_the_same_ids_and_levels() -> None:
    repeats = RepeatedDeltas()
    repeats.remember(Ids(7, 5, 4), BID, ASK)
    assert repeats.is_repeat(Ids(7, 5, 4), BID, ASK)
    assert not repeats.is_repeat(Ids(7, 6, 4), BID, ASK)
    assert not repeats.is_repeat(Ids(7, 5, 3), BID, ASK)
    assert not repeats.is_repeat(Ids(7, 5, 4), BID, [])
    assert not repeats.is_repeat(Ids(8, 5, 4), BID, ASK)
    repeats.forget()
    assert not repeats.is_repeat(Ids(7, 5, 4), BID, ASK)


def test_the_last_512_are_remembered() -> None:
    repeats = RepeatedDeltas()
    for number in range(REMEMBERED + 1):
        repeats.remember(Ids(number), BID, ASK)
    assert [repeats.is_repeat(Ids(number), BID, ASK) for number in (0, 1, REMEMBERED)] == [False, True, True]


def test_only_an_older_delta_that_continues_another_is_harmful() -> None:
    repeats = RepeatedDeltas()
    assert repeats.is_harmless("previous", Ids(10, None, 9))
    # From 8 to 12, across 10: after a snapshot that would do, but a delta does not continue a delta so.
    assert repeats.is_harmless("previous", Ids(12, None, 8))
    assert not repeats.is_harmless("previous", Ids(15, None, 12))
    repeats.remember(Ids(99), BID, ASK)
    assert repeats.is_harmless("previous", Ids(16, None, 15))


def test_symbols_with_deltas_before_the_end_of_the_range(tmp_path: Path) -> None:
    book = [
        snapshot(0.0, 1, BID, ASK, "PUSHED"),
        delta(1.0, 2, symbol="EARLY"),
        delta(9.0, 3, symbol="LATE"),
        snapshot(10.0, 4, BID, ASK, "PUSHED"),
    ]
    files = find_days(write(tmp_path, book=book), ["book"])
    ranged, open_ended = DeltaSymbols(files, START + 9.0), DeltaSymbols(files)
    assert ["PUSHED" in ranged, "EARLY" in ranged, "LATE" in ranged] == [False, True, False]
    assert ["LATE" in open_ended, "PUSHED" in open_ended] == [True, False]


def test_one_rule_for_all_lines() -> None:
    assert rule_for(["range", "range"]) == "range"
    assert rule_for(["none"]) == "contiguous"
    with pytest.raises(MixedNumbering, match="different id schemes: contiguous, previous"):
        rule_for(["previous", "none"])
