"""The sequence rules, each row worked out by hand from the venue's published instructions."""

from __future__ import annotations

import pytest

from calib.market.stream.sequence import RULES, Ids, SequenceState, SequenceVerdict

SNAPSHOT, BRIDGED = SequenceState(100, bridged=False), SequenceState(100, bridged=True)


@pytest.mark.parametrize(
    ("rule", "state", "ids", "verdict"),
    [
        # contiguous
        ("contiguous", SNAPSHOT, Ids(99), "old"),
        ("contiguous", SNAPSHOT, Ids(100), "old"),
        ("contiguous", SNAPSHOT, Ids(101), "accept"),
        ("contiguous", SNAPSHOT, Ids(102), "gap"),
        ("contiguous", BRIDGED, Ids(101), "accept"),
        ("contiguous", BRIDGED, Ids(103), "gap"),
        ("contiguous", BRIDGED, Ids(100), "duplicate"),
        ("contiguous", BRIDGED, Ids(99), "rewind"),
        ("contiguous", BRIDGED, Ids(1), "restart"),
        ("contiguous", SequenceState(1, True), Ids(1), "duplicate"),
        ("contiguous", SequenceState(0, False), Ids(1), "accept"),
        # Binance spot: drop u <= lastUpdateId; the first event has U <= last + 1 <= u; then U = previous u + 1
        ("range", SNAPSHOT, Ids(100, 90), "old"),
        ("range", SNAPSHOT, Ids(101, 101), "accept"),
        ("range", SNAPSHOT, Ids(105, 95), "accept"),
        ("range", SNAPSHOT, Ids(105, 102), "gap"),
        ("range", BRIDGED, Ids(105, 101), "accept"),
        ("range", BRIDGED, Ids(105, 102), "gap"),
        ("range", BRIDGED, Ids(100, 98), "duplicate"),
        ("range", BRIDGED, Ids(99, 98), "rewind"),
        ("range", BRIDGED, Ids(103, 99), "accept"),
        ("range", BRIDGED, Ids(101), "accept"),
        ("range", BRIDGED, Ids(102), "gap"),
        # Binance futures: drop u < last; the first event has U <= last <= u; then pu = previous u
        ("previous", SNAPSHOT, Ids(99, 95, 94), "old"),
        ("previous", SNAPSHOT, Ids(100, 95, 94), "accept"),
        ("previous", SNAPSHOT, Ids(110, 95, 94), "accept"),
        ("previous", SNAPSHOT, Ids(110, 105, 104), "gap"),
        ("previous", BRIDGED, Ids(120, 104, 100), "accept"),
        ("previous", BRIDGED, Ids(120, 104, 103), "gap"),
        ("previous", BRIDGED, Ids(100, 95, 94), "duplicate"),
        ("previous", BRIDGED, Ids(98, 95, 94), "rewind"),
        ("previous", BRIDGED, Ids(101), "gap"),
        # OKX: -1 marks a snapshot, an unchanged id is a heartbeat, a smaller id that names ours is a reset
        ("previous", BRIDGED, Ids(5, None, -1), "restart"),
        ("previous", BRIDGED, Ids(100, None, 100), "accept"),
        ("previous", BRIDGED, Ids(3, None, 100), "accept"),
    ],
)
def test_verdict(rule: str, state: SequenceState, ids: Ids, verdict: str) -> None:
    assert RULES[rule](state, ids) is SequenceVerdict(verdict)


@pytest.mark.parametrize("rule", sorted(RULES))
def test_a_rule_is_pure(rule: str) -> None:
    state, ids = SequenceState(7, True), Ids(8, 8, 7)
    assert RULES[rule](state, ids) is RULES[rule](state, ids) is SequenceVerdict.ACCEPT
    assert (state, ids) == (SequenceState(7, True), Ids(8, 8, 7))
