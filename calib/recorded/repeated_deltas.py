"""Deltas that a recording tells again: the recorder's repeat, not the venue's, so they lose no book."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from calib.market.book.book_side import Change
from calib.market.stream.sequence import RULES, HasIds, SequenceState, SequenceVerdict

REMEMBERED: Final = 4096
"""Deltas per symbol of which a repeat is known."""


class RepeatedDeltas:
    """Judges deltas that lie behind the book's newest id; `calib check` and replays ask the same one.

    A repeat of a remembered delta, with the same ids and levels, is left out, however many of them follow one another:
    recordings that overlap. A delta that lies behind and is not remembered is left out too, unless a second one
    continues it: then the venue's own numbering went back, and the book is lost.

    Parameters
    ----------
    rule
        The name of the sequence rule.
    """

    __slots__ = ("_behind", "_newest", "_rule", "_told")

    def __init__(self) -> None:
        self._told: dict[int, int] = {}
        """Last id -> hash of the ids and levels, oldest first."""
        self._behind: int | None = None

    def applied(self, delta: HasIds, bids: Sequence[Change], asks: Sequence[Change]) -> None:
        """The delta continued the book."""
        told = self._told
        told[delta.last_id] = _identity(delta, bids, asks)
        if len(told) > REMEMBERED:
            del told[next(iter(told))]
        self._behind = None

    def is_left_out(self, rule: str, delta: HasIds, bids: Sequence[Change], asks: Sequence[Change]) -> bool:
        """Whether a delta that lies behind harms nothing."""
        if self._told.get(delta.last_id) == _identity(delta, bids, asks):
            return True
        behind, self._behind = self._behind, delta.last_id
        if behind is None:
            return True
        return RULES[rule](SequenceState(behind, True), delta) is not SequenceVerdict.ACCEPT

    def forget(self) -> None:
        """The book was lost or replaced: ids may begin again."""
        self._told.clear()
        self._behind = None


def _identity(delta: HasIds, bids: Sequence[Change], asks: Sequence[Change]) -> int:
    return hash((delta.last_id, delta.first_id, delta.prev_id, _levels(bids), _levels(asks)))


def _levels(levels: Sequence[Change]) -> tuple[tuple[float, float], ...]:
    return tuple((float(price), float(qty)) for price, qty in levels)
