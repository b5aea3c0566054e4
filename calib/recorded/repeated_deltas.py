"""Deltas that a recording contains twice: repeated by the recorder, not by the venue, so the book is not lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from calib.market.book.book_side import Change
from calib.market.stream.sequence import RULES, HasIds, SequenceState, SequenceVerdict

REMEMBERED: Final = 512
"""Deltas per symbol that are remembered to recognise a repeat."""
BEHIND: Final = frozenset({SequenceVerdict.REWIND, SequenceVerdict.DUPLICATE})
"""The verdicts on a delta that is older than the book."""
_Remembered = tuple[int | None, int | None, Sequence[Change], Sequence[Change]]


class RepeatedDeltas:
    """Classifies deltas that are older than the book; used by both `calib check` and replays.

    A repeat of a remembered delta, with the same ids and levels, is skipped, also many in a row (overlapping
    recordings). An older delta that is not remembered is skipped too, unless a second one continues it: then the
    venue's ids went back, and the book is lost.
    """

    __slots__ = ("_behind", "_remembered")

    def __init__(self) -> None:
        self._remembered: dict[int, _Remembered] = {}
        """Last id -> ids and levels of the delta, oldest first."""
        self._behind: int | None = None

    def remember(self, delta: HasIds, bids: Sequence[Change], asks: Sequence[Change]) -> None:
        """Remember a delta that continued the book, or that waits for a snapshot."""
        remembered = self._remembered
        remembered[delta.last_id] = (delta.first_id, delta.prev_id, bids, asks)
        if len(remembered) > REMEMBERED:
            del remembered[next(iter(remembered))]
        self._behind = None

    def is_repeat(self, delta: HasIds, bids: Sequence[Change], asks: Sequence[Change]) -> bool:
        """Whether it repeats a remembered delta."""
        return self._remembered.get(delta.last_id) == (delta.first_id, delta.prev_id, bids, asks)

    def is_harmless(self, rule: str, delta: HasIds) -> bool:
        """Whether an older delta that is not a repeat can be skipped: it does not continue another such delta."""
        behind, self._behind = self._behind, delta.last_id
        return behind is None or RULES[rule](SequenceState(behind, True), delta) is not SequenceVerdict.ACCEPT

    def forget(self) -> None:
        """Drop all remembered deltas, because the ids may start over."""
        self._remembered.clear()
        self._behind = None
