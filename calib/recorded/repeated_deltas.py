"""Deltas that a recording tells again: the recorder's repeat, not the venue's, so they lose no book."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from calib.market.book.book_side import Change
from calib.market.stream.sequence import RULES, HasIds, SequenceState, SequenceVerdict

REMEMBERED: Final = 512
"""Deltas per symbol of which a repeat is known."""
BEHIND: Final = frozenset({SequenceVerdict.REWIND, SequenceVerdict.DUPLICATE})
"""What a sequence rule says of a delta that lies behind the book."""
_Told = tuple[int | None, int | None, Sequence[Change], Sequence[Change]]


class RepeatedDeltas:
    """Judges deltas that lie behind the book's newest id; `calib check` and replays ask the same judge.

    A repeat of a remembered delta, with the same ids and levels, is left out, however many of them follow one another:
    recordings that overlap. A delta that lies behind and is not remembered is left out too, unless a second one
    continues it: then the venue's own numbering went back, and the book is lost.
    """

    __slots__ = ("_behind", "_told")

    def __init__(self) -> None:
        self._told: dict[int, _Told] = {}
        """Last id -> what the delta said, oldest first."""
        self._behind: int | None = None

    def taken(self, delta: HasIds, bids: Sequence[Change], asks: Sequence[Change]) -> None:
        """The delta continued the book, or waits for its snapshot."""
        told = self._told
        told[delta.last_id] = (delta.first_id, delta.prev_id, bids, asks)
        if len(told) > REMEMBERED:
            del told[next(iter(told))]
        self._behind = None

    def is_repeat(self, delta: HasIds, bids: Sequence[Change], asks: Sequence[Change]) -> bool:
        """Whether it is one of the remembered deltas again."""
        return self._told.get(delta.last_id) == (delta.first_id, delta.prev_id, bids, asks)

    def is_harmless(self, rule: str, delta: HasIds) -> bool:
        """Whether a delta that lies behind and is no repeat can be left out: it does not continue one like it."""
        behind, self._behind = self._behind, delta.last_id
        return behind is None or RULES[rule](SequenceState(behind, True), delta) is not SequenceVerdict.ACCEPT

    def forget(self) -> None:
        """The ids may begin again."""
        self._told.clear()
        self._behind = None
